// A display that crashes while it talks to the VMM: its successor goes on with the same socket at any byte.

import { afterEach, describe, expect, test } from "bun:test";
import { Header, DisplayRequest } from "../../../src/transport/wire/vhost-user-gpu/protocol.ts";
import { generateEdid } from "../../../src/picture/edid.ts";
import { closeFd, createMemfd, duplicateFd } from "../../../src/transport/os/fds.ts";
import { DisplayInfo, Edid } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { RESTARTS_MAX } from "../../../src/actors/machines/restarts.ts";
import { openFds } from "../../support/fds.ts";
import { DisplayRunner } from "./display-runner.ts";
import { keepWords } from "../../../src/actors/runtime/shared-words.ts";
import { FakeContext, serverConfig } from "../../support/fake-context.ts";
import { Valve } from "../../support/valve.ts";
import { answer, type RawMessage, RawVmm } from "./raw-vmm.ts";
import { gradient, TestSurface } from "./stage.ts";

const config = serverConfig("--display-timeout-ms", "60000");
const width = 6;
const height = 5;

interface Scene {
  vmm: RawVmm;
  surface: TestSurface;
  cursors: number;
  keep: Int32Array<ArrayBuffer>;
}

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).toReversed()) cleanup();
});

function scene(): Scene {
  const vmm = new RawVmm();
  const surface = new TestSurface(1, width, height).paint(gradient);
  const cursors = createMemfd("cursors", 64 * 64 * 4);
  cleanups.push(() => {
    vmm.close();
    closeFd(vmm.backEndFd);
    closeFd(cursors);
    surface.free();
  });
  return { vmm, surface, cursors, keep: new Int32Array(keepWords) };
}

/** A display with everything that another one showed, if there was another one. */
function start({ vmm, surface, keep }: Scene): DisplayRunner {
  const runner = new DisplayRunner(new FakeContext("display", config, keep));
  cleanups.push(() => runner.stop());
  runner.tell(
    { type: "take-vmm-socket", fd: duplicateFd(vmm.backEndFd), socket: vmm.backEndFd },
    surface.message,
    { type: "show-scanout", scanout: 0, surface: 1, x: 0, y: 0, width, height },
    { type: "show-cursor", scanout: 0, slot: 0, x: 9, y: 8, hotX: 1, hotY: 2 },
    { type: "ask-display-info", token: 1 },
    { type: "ask-edid", token: 2, scanout: 0 },
  );
  return runner;
}

/** What a VMM answers to `request`, or nothing. */
function replyTo(request: number): Uint8Array | null {
  switch (request) {
    case DisplayRequest.GET_PROTOCOL_FEATURES:
      return answer(request, { 0: 1 });
    case DisplayRequest.GET_DISPLAY_INFO:
      return answer(request, { [DisplayInfo.modes + DisplayInfo.mode.width]: 640 });
    case DisplayRequest.GET_EDID: {
      const reply = answer(request, { [Edid.size]: 128 });
      reply.set(generateEdid(640, 480, 0), Header.bytes + Edid.edid);
      return reply;
    }
    default:
      return null;
  }
}

/** Takes what came, and answers it as a VMM does. */
function serve(vmm: RawVmm, seen: RawMessage[]): void {
  for (const message of vmm.messages()) {
    seen.push(message);
    const reply = replyTo(message.request);
    if (reply !== null) vmm.write(reply);
  }
}

function expectRestored(vmm: RawVmm, seen: RawMessage[], runner: DisplayRunner): void {
  for (let round = 0; round < 10; round++) {
    runner.run();
    serve(vmm, seen);
  }
  expect(vmm.leftOver).toBe(0);
  expect(seen.every(({ flags }) => flags === 0)).toBe(true);
  expect(seen.every(({ request, payload }) => payload.byteLength === sizes[request])).toBe(true);
  const requests = seen.map(({ request }) => request);
  for (const wanted of [DisplayRequest.SCANOUT, DisplayRequest.UPDATE, DisplayRequest.CURSOR_UPDATE]) {
    expect(requests).toContain(wanted);
  }
  expect(requests.indexOf(DisplayRequest.SCANOUT)).toBeLessThan(requests.indexOf(DisplayRequest.UPDATE));
  const update = seen.findLast(({ request }) => request === DisplayRequest.UPDATE)!;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const pixel = update.payload.getUint32(20 + (y * width + x) * 4, true);
      expect(pixel & 0xffffff).toBe(gradient(x, y));
    }
  }
  const cursor = seen.findLast(({ request }) => request === DisplayRequest.CURSOR_UPDATE)!;
  expect([0, 4, 8, 12, 16].map((at) => cursor.payload.getUint32(at, true))).toEqual([0, 9, 8, 1, 2]);
  expect(runner.answers.map(({ type }) => type)).toEqual(["display-info", "edid"]);
  expect(runner.answers[0]).toMatchObject({ modes: modesOfVmm });
  expect(runner.context.logged.filter(({ level }) => level !== "debug")).toEqual([]);
}

const modesOfVmm = Array.from({ length: 16 }, (_, output) => ({ width: output === 0 ? 640 : 0 }));

const sizes: Record<number, number> = {
  [DisplayRequest.GET_PROTOCOL_FEATURES]: 0,
  [DisplayRequest.SET_PROTOCOL_FEATURES]: 8,
  [DisplayRequest.GET_DISPLAY_INFO]: 0,
  [DisplayRequest.GET_EDID]: 4,
  [DisplayRequest.SCANOUT]: 12,
  [DisplayRequest.CURSOR_UPDATE]: 20 + 64 * 64 * 4,
  [DisplayRequest.UPDATE]: 20 + width * height * 4,
};

/** Everything that a display says here but the cursor's image, which is long and dull. */
const smallBytes = 12 + 20 + 12 + 16 + 24 + (12 + 20);
const imageBytes = 64 * 64 * 4;
const allBytes = smallBytes + imageBytes + 12 + 20 + width * height * 4;
const cuts = [
  ...Array.from({ length: smallBytes + 8 }, (_, at) => at),
  ...Array.from({ length: 9 }, (_, at) => smallBytes + at * 2000),
  ...Array.from({ length: 12 + 20 + width * height * 4 + 1 }, (_, at) => smallBytes + imageBytes + at),
];

test("a cursor that was hidden while there was no display is taken from the VMM by the next one", () => {
  const current = scene();
  const seen: RawMessage[] = [];
  const crashed = start(current);
  for (let round = 0; round < 10; round++) {
    crashed.run(4);
    serve(current.vmm, seen);
  }
  const next = new DisplayRunner(new FakeContext("display", config, current.keep));
  cleanups.push(() => next.stop());
  const { backEndFd } = current.vmm;
  next.tell({ type: "hide-cursor", scanout: 0, x: 9, y: 8 });
  next.tell({ type: "take-vmm-socket", fd: duplicateFd(backEndFd), socket: backEndFd });
  next.run();
  serve(current.vmm, seen);
  expect(seen.at(-1)!.request).toBe(DisplayRequest.CURSOR_POS_HIDE);
});

describe("a crash while it sends", () => {
  test("after every byte", () => {
    for (const cut of cuts) {
      const current = scene();
      const seen: RawMessage[] = [];
      const valve = new Valve(cut);
      const crashed = start(current);
      for (let round = 0; round < 5; round++) {
        valve.around(() => crashed.run(4));
        serve(current.vmm, seen);
      }
      expect(valve.isShut).toBe(true);
      // What it has said is on its way; nothing else of it is left but the words that it kept.
      expectRestored(current.vmm, seen, start(current));
      for (const cleanup of cleanups.splice(0).toReversed()) cleanup();
    }
  }, 60_000);

  test("says all of it where it does not crash", () => {
    const current = scene();
    const seen: RawMessage[] = [];
    expectRestored(current.vmm, seen, start(current));
    const bytes = seen.reduce((sum, { payload }) => sum + 12 + payload.byteLength, 0);
    expect(bytes).toBe(allBytes);
  });
});

describe("a crash while it receives", () => {
  const replyBytes = 12 + 8 + 12 + 408 + 12 + 1056;

  test("after every byte", () => {
    for (let cut = 0; cut < replyBytes; cut += cut < 60 ? 1 : 7) {
      const current = scene();
      const seen: RawMessage[] = [];
      const crashed = start(current);
      let left = cut;
      let withheld = new Uint8Array();
      for (let round = 0; round < 8 && withheld.length === 0; round++) {
        crashed.run();
        for (const message of current.vmm.messages()) {
          seen.push(message);
          const reply = replyTo(message.request);
          if (reply === null) continue;
          const part = reply.subarray(0, left);
          current.vmm.write(part);
          left -= part.length;
          withheld = reply.slice(part.length);
        }
      }
      crashed.run();
      // The VMM answers at its own pace, and knows of no crash.
      current.vmm.write(withheld);
      expectRestored(current.vmm, seen, start(current));
      for (const cleanup of cleanups.splice(0).toReversed()) cleanup();
    }
  }, 60_000);
});

test("a scanout that went off during the crash is turned off", () => {
  const current = scene();
  const seen: RawMessage[] = [];
  expectRestored(current.vmm, seen, start(current));
  const runner = new DisplayRunner(new FakeContext("display", config, current.keep));
  cleanups.push(() => runner.stop());
  runner.tell({
    type: "take-vmm-socket",
    fd: duplicateFd(current.vmm.backEndFd),
    socket: current.vmm.backEndFd,
  });
  runner.run();
  // Not before anyone says so: the picture stays while the display is being restored.
  const requestsOf = () => current.vmm.messages().map(({ request }) => request);
  expect(requestsOf()).toEqual([DisplayRequest.SET_PROTOCOL_FEATURES]);
  runner.tell({ type: "hide-scanout", scanout: 0 });
  runner.run();
  expect(requestsOf()).toEqual([DisplayRequest.SCANOUT]);
});

test("a new socket forgets what the old one owed", () => {
  const current = scene();
  new Valve(5).around(() => start(current).run(4));
  const fresh = { ...current, vmm: new RawVmm() };
  cleanups.push(() => {
    fresh.vmm.close();
    closeFd(fresh.vmm.backEndFd);
  });
  const seen: RawMessage[] = [];
  const runner = start(fresh);
  runner.run();
  serve(fresh.vmm, seen);
  runner.run();
  expect(seen[0]).toMatchObject({ request: DisplayRequest.GET_PROTOCOL_FEATURES, flags: 0 });
  serve(fresh.vmm, seen);
  expect(fresh.vmm.leftOver).toBe(0);
});

describe("a VMM's socket that is none", () => {
  test("costs its display only, with one line, and is not given to a successor again", () => {
    const current = scene();
    const runner = new DisplayRunner(new FakeContext("display", config, current.keep));
    cleanups.push(() => runner.stop());
    const fds = openFds();

    runner.tell({ type: "take-vmm-socket", fd: duplicateFd(current.cursors), socket: current.vmm.backEndFd });
    runner.tell({ type: "ask-display-info", token: 1 });
    runner.run();

    expect(runner.answers).toMatchObject([{ type: "display-info", token: 1 }]);
    expect(runner.context.logged).toMatchObject([
      { level: "warning", text: expect.stringContaining("giving up the VMM's display: ") },
    ]);
    expect(openFds()).toBe(fds);
    const successor = start(current);
    successor.run();
    expect(successor.answers.map(({ type }) => type)).toEqual(["display-info", "edid"]);
    expect(successor.context.logged).toEqual([]);
    expect(current.vmm.messages()).toEqual([]);
  });
});

describe("a socket with which one display after the other crashes", () => {
  test("is given up before the last of them would be", () => {
    const current = scene();
    start(current).run();
    for (let crash = 1; crash < RESTARTS_MAX; crash++) {
      const runner = start(current);
      runner.run();
      expect(runner.context.logged).toEqual([]);
    }
    const last = start(current);
    last.run();
    expect(last.context.logged).toMatchObject([{ level: "error" }]);
    expect(last.context.logged[0]!.text).toContain(`${RESTARTS_MAX} display actors in a row have crashed`);
    expect(last.answers.map(({ type }) => type)).toEqual(["display-info", "edid"]);
  });

  test("is used again when it is a new one", () => {
    const current = scene();
    start(current);
    for (let crash = 1; crash <= RESTARTS_MAX; crash++) start(current);
    const fresh = { ...current, vmm: new RawVmm() };
    cleanups.push(() => fresh.vmm.close());
    start(fresh).run();
    expect(fresh.vmm.messages()).toMatchObject([{ request: DisplayRequest.GET_PROTOCOL_FEATURES }]);
    closeFd(fresh.vmm.backEndFd);
  });
});
