// A display that crashes while it lends dma-bufs to the VMM: its successor goes on with the same socket at any byte.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Counter } from "../../../src/actors/display/counters.ts";
import type { Display } from "../../../src/actors/display/display.ts";
import { DisplayPeer } from "../../../lab/vmm/display-peer.ts";
import { Pump } from "../../../lab/driver/pump.ts";
import { closeFd, duplicateFd } from "../../../src/transport/os/fds.ts";
import { socketPair } from "../../../src/transport/os/unix-socket.ts";
import { Header, DisplayRequest } from "../../../src/transport/wire/vhost-user-gpu/protocol.ts";
import { keepWords } from "../../../src/actors/runtime/shared-words.ts";
import { FakeContext, serverConfig } from "../../support/fake-context.ts";
import { openFds } from "../../support/fds.ts";
import { Valve } from "../../support/valve.ts";
import { DisplayRunner } from "./display-runner.ts";
import { answer, RawVmm } from "./raw-vmm.ts";
import { TestSurface } from "./stage.ts";

type Message = Parameters<Display["receive"]>[0];

const config = serverConfig("--display-timeout-ms", "60000");
const [width, height] = [6, 4];

let surfaces: TestSurface[];
beforeEach(() => {
  surfaces = [1, 2, 3].map((id) => new TestSurface(id, width, height).paint(() => id));
});
afterEach(() => {
  for (const surface of surfaces) surface.free();
});

/** A VMM and the display that uses it now, which may be another one later. */
class Scene {
  readonly keep = new Int32Array(keepWords);
  readonly pump = new Pump();
  readonly peer: DisplayPeer;
  runner: DisplayRunner;
  private readonly backEndFd: number;

  constructor(
    answersUpdates = true,
    private readonly settings = config,
  ) {
    const [ours, theirs] = socketPair("stream");
    this.backEndFd = theirs;
    this.peer = new DisplayPeer(ours, this.pump, { answersUpdates });
    this.runner = this.start();
  }

  /** Another display takes over; what the last one had is gone but for the words that it kept. */
  crash(): void {
    this.runner.stop();
    this.runner = this.start();
  }

  settle(valve?: Valve): void {
    for (let round = 0; round < 6; round++) {
      if (valve === undefined) this.runner.run();
      else valve.around(() => this.runner.run(4));
      this.pump.drain();
    }
  }

  expectSound(): void {
    expect(this.peer.violations).toEqual([]);
    expect(this.runner.context.logged.filter(({ level }) => level !== "debug")).toEqual([]);
  }

  close(): void {
    this.runner.stop();
    this.peer.free();
    closeFd(this.backEndFd);
    this.pump.close();
  }

  private start(): DisplayRunner {
    const runner = new DisplayRunner(new FakeContext("display", this.settings, this.keep));
    runner.tell({ type: "take-vmm-socket", fd: duplicateFd(this.backEndFd), socket: this.backEndFd });
    return runner;
  }
}

/** What scanout 0 shows: a surface in memory, one in a dma-buf, or nothing. */
interface Picture {
  name: string;
  /** The colour of every pixel; -1 while it is off. */
  colour: number;
  messages: () => Message[];
}

const scanout = { type: "show-scanout", scanout: 0, x: 0, y: 0, width, height } as const;
const off: Picture = { name: "nothing", colour: -1, messages: () => [{ type: "hide-scanout", scanout: 0 }] };
const memory: Picture = {
  name: "memory",
  colour: 1,
  messages: () => [surfaces[0]!.message, { ...scanout, surface: 1 }],
};
const dmabuf = (id: number): Picture => ({
  name: `dma-buf ${id}`,
  colour: id,
  messages: () => [surfaces[id - 1]!.dmabuf(), { ...scanout, surface: id }],
});

function expectShown({ peer }: Scene, { colour }: Picture): void {
  const shown = peer.framebuffer(0);
  if (colour < 0) expect(shown).toBeNull();
  else
    expect(shown!.pixels.map((pixel) => pixel & 0xffffff)).toEqual(
      new Uint32Array(width * height).fill(colour),
    );
}

const changes: [Picture, Picture][] = [
  [off, dmabuf(2)],
  [dmabuf(2), dmabuf(3)],
  [dmabuf(2), memory],
  [dmabuf(2), off],
  [memory, dmabuf(2)],
];

describe("a crash after every byte", () => {
  for (const [from, to] of changes) {
    for (const restored of [to, from]) {
      test(`from ${from.name} to ${to.name}, restored to ${restored.name}`, () => {
        for (let cut = 0, isWhole = false; !isWhole; cut++) {
          const before = openFds();
          const scene = new Scene();
          scene.runner.tell(...from.messages());
          scene.settle();
          expectShown(scene, from);
          const valve = new Valve(cut);
          scene.runner.tell(...to.messages());
          scene.settle(valve);
          isWhole = !valve.isShut;
          scene.crash();
          scene.runner.tell(...restored.messages());
          scene.settle();
          expectShown(scene, restored);
          if (restored.colour >= 0) {
            expect(scene.peer.updates().at(-1)).toEqual({ x: 0, y: 0, width, height });
          }
          scene.expectSound();
          // A flip later all is as ever.
          scene.runner.tell(...dmabuf(restored.colour === 3 ? 2 : 3).messages());
          scene.settle();
          expectShown(scene, dmabuf(restored.colour === 3 ? 2 : 3));
          scene.runner.tell({ type: "hide-scanout", scanout: 0 });
          scene.settle();
          expectShown(scene, off);
          scene.expectSound();
          scene.close();
          expect(openFds()).toBe(before);
        }
      }, 60_000);
    }
  }
});

describe("an answer that is owed to a display that crashed", () => {
  test("is awaited by its successor, whatever it shows", () => {
    for (const restored of [dmabuf(2), dmabuf(3), memory, off]) {
      const scene = new Scene(false);
      scene.runner.tell(...dmabuf(2).messages());
      scene.settle();
      scene.crash();
      scene.settle();
      // Nothing changes before somebody says what is shown.
      expect(scene.peer.events.map(({ kind }) => kind)).toEqual(["asked", "dmabuf-scanout", "dmabuf-update"]);
      scene.runner.tell(...restored.messages());
      scene.settle();
      expectShown(scene, restored.name.startsWith("dma-buf") ? dmabuf(2) : restored);
      scene.peer.answerUpdate();
      scene.settle();
      expectShown(scene, restored);
      const updates = restored.name.startsWith("dma-buf") ? 2 : 1;
      expect(scene.peer.count(DisplayRequest.DMABUF_UPDATE)).toBe(updates);
      scene.expectSound();
      scene.close();
    }
  });

  test("is missed by its successor too", () => {
    const scene = new Scene(false, serverConfig("--display-timeout-ms", "1"));
    scene.runner.tell(...dmabuf(2).messages());
    scene.settle();
    scene.crash();
    const { counters, logged } = scene.runner.context;
    const deadline = performance.now() + 5000;
    while (counters[Counter.updatesUnanswered] !== 1 && performance.now() < deadline) scene.settle();
    expect(counters[Counter.updatesUnanswered]).toBe(1);
    expect(logged.at(-1)!.text).toContain("did not answer DMABUF_UPDATE of scanout 0");
    scene.close();
  });

  test("is for the scanout that was first asked about", () => {
    const scene = new Scene(false);
    const show = (id: number, at: number): Message[] => [
      surfaces[id - 1]!.dmabuf(),
      { ...scanout, surface: id, scanout: at },
    ];
    scene.runner.tell(...show(2, 5));
    scene.settle();
    scene.runner.tell(...show(3, 1));
    scene.settle();
    scene.crash();
    scene.runner.tell(...show(2, 5), ...show(3, 1));
    scene.settle();
    const scanoutsOf = () =>
      scene.peer.events.flatMap((event) => (event.kind === "dmabuf-update" ? [event.scanoutId] : []));
    expect(scanoutsOf()).toEqual([5, 1]);
    scene.peer.answerUpdate();
    scene.settle();
    expect(scanoutsOf()).toEqual([5, 1, 5]);
    scene.peer.answerUpdate();
    scene.settle();
    expect(scanoutsOf()).toEqual([5, 1, 5, 1]);
    scene.expectSound();
    scene.close();
  });

  test("may have come in part", () => {
    const reply = answer(DisplayRequest.DMABUF_UPDATE);
    for (let cut = 0; cut <= Header.bytes; cut++) {
      const vmm = new RawVmm();
      const keep = new Int32Array(keepWords);
      const start = (): DisplayRunner => {
        const runner = new DisplayRunner(new FakeContext("display", config, keep));
        runner.tell(
          { type: "take-vmm-socket", fd: duplicateFd(vmm.backEndFd), socket: vmm.backEndFd },
          ...dmabuf(2).messages(),
        );
        runner.run();
        return runner;
      };
      const requests = (): number[] => vmm.messages().map(({ request }) => request);
      const crashed = start();
      vmm.messages();
      vmm.write(answer(DisplayRequest.GET_PROTOCOL_FEATURES, { 0: 3 }));
      crashed.run();
      expect(requests()).toEqual([
        DisplayRequest.SET_PROTOCOL_FEATURES,
        DisplayRequest.DMABUF_SCANOUT2,
        DisplayRequest.DMABUF_UPDATE,
      ]);
      if (cut > 0) vmm.write(reply.subarray(0, cut));
      crashed.run();
      crashed.stop();
      const successor = start();
      if (cut < Header.bytes) {
        expect(requests()).toEqual([DisplayRequest.SET_PROTOCOL_FEATURES]);
        vmm.write(reply.subarray(cut));
        successor.run();
        expect(requests()).toEqual([DisplayRequest.DMABUF_SCANOUT2, DisplayRequest.DMABUF_UPDATE]);
      } else {
        expect(requests()).toEqual([
          DisplayRequest.SET_PROTOCOL_FEATURES,
          DisplayRequest.DMABUF_SCANOUT2,
          DisplayRequest.DMABUF_UPDATE,
        ]);
      }
      successor.stop();
      closeFd(vmm.backEndFd);
      vmm.close();
    }
  });
});
