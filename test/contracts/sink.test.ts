// What every sink of the display does alike, with the other side of each scripted.

import { afterEach, beforeEach, describe, expect, spyOn, test } from "bun:test";
import { gradient, type TestSurface } from "../actors/display/stage.ts";
import { openFds } from "../support/fds.ts";
import { CompositorPeer } from "../support/sinks/compositor-peer.ts";
import type { SinkPeer } from "../support/sinks/peer.ts";
import { VmmPeer } from "../support/sinks/vmm-peer.ts";

const kinds: [string, (...flags: string[]) => SinkPeer][] = [
  ["the VMM's display", (...flags) => new VmmPeer(...flags)],
  ["a Wayland compositor", (...flags) => new CompositorPeer(...flags)],
];

const width = 36;
const height = 30;
const all = { x: 0, y: 0, width, height };

describe.each(kinds)("%s", (_, make) => {
  let peer: SinkPeer;
  let before: number;

  beforeEach(() => {
    before = openFds();
    peer = make();
  });
  afterEach(() => {
    peer.free();
    expect(openFds()).toBe(before);
  });

  const surface = (id = 1): TestSurface => peer.stage.surface(id, width, height).paint(gradient);
  const painted = (colourOf: (x: number, y: number) => number): Uint32Array =>
    Uint32Array.from({ length: width * height }, (_, at) => colourOf(at % width, Math.floor(at / width)));

  /** Shows a painted surface to a peer that is there. */
  async function begin(): Promise<TestSurface> {
    await peer.come();
    const shown = surface();
    peer.stage.show(shown);
    peer.settle();
    return shown;
  }

  function sinks(): Record<string, unknown>[] {
    peer.stage.runner.tell({ type: "ask-description", token: 1 });
    const description = peer.stage.runner.told("supervisor").findLast(({ type }) => type === "description");
    if (description?.type !== "description") throw new Error("no description");
    return description.state["sinks"] as Record<string, unknown>[];
  }

  async function until(happened: () => boolean, timeoutMs = 4_000): Promise<void> {
    for (const deadline = performance.now() + timeoutMs; !happened() && performance.now() < deadline;) {
      await Bun.sleep(20);
      peer.settle();
    }
    expect(happened()).toBe(true);
  }

  test("a picture is shown whole, and then its damage", async () => {
    const shown = await begin();
    expect(peer.picture()).toEqual(painted(gradient));
    shown.set(3, 4, 0xabcdef);
    shown.set(9, 8, 0xfedcba);

    peer.stage.flush({ x: 3, y: 4, width: 1, height: 1 });
    peer.stage.flush({ x: 9, y: 8, width: 1, height: 1 });
    peer.settle();

    expect(peer.damage()).toEqual({ x: 3, y: 4, width: 7, height: 5 });
    expect(peer.picture()![4 * width + 3]).toBe(0xabcdef);
    expect(peer.picture()![8 * width + 9]).toBe(0xfedcba);
  });

  test("a part of a surface is shown, and another beside it", async () => {
    await peer.come();
    peer.stage.showPart(surface(), { x: 5, y: 7, width: 20, height: 11 });
    peer.stage.show(surface(2), 1);
    peer.settle();

    expect(peer.picture(0)).toEqual(
      Uint32Array.from({ length: 20 * 11 }, (_, at) => gradient(5 + (at % 20), 7 + Math.floor(at / 20))),
    );
    expect(peer.picture(1)).toEqual(painted(gradient));
  });

  test("what changes while the other side takes nothing is merged, and its last state arrives", async () => {
    const shown = await begin();
    const frames = peer.frames();
    peer.stall();
    for (let frame = 1; frame <= 200; frame++) {
      shown.paint((x) => frame * 1_000 + x);
      peer.stage.flush({ x: frame % width, y: 0, width: 1, height });
      peer.stage.flush(all);
      peer.stage.runner.run();
    }
    peer.resume();
    peer.settle();

    expect(peer.picture()).toEqual(painted((x) => 200_000 + x));
    // What was under way, what filled the way, and the last.
    expect(peer.frames() - frames).toBeLessThan(200);
    expect(sinks()[0]!["merged"]).toBeGreaterThan(0);
  });

  test("of many flips while the other side takes nothing the newest is shown, and the others are given back", async () => {
    await begin();
    peer.stall();
    for (let id = 2; id <= 40; id++) {
      peer.stage.show(surface(id).paint((x) => id * 100 + x));
      peer.stage.runner.tell({ type: "drop-surface", surface: id - 1 });
      peer.stage.runner.run();
    }
    peer.resume();
    peer.settle();

    expect(peer.picture()).toEqual(painted((x) => 4_000 + x));
    expect(peer.stage.runner.released.toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 39 }, (_, index) => index + 1),
    );
  });

  test("who comes late is told of everything that is shown", async () => {
    const shown = surface();
    peer.stage.show(shown);
    peer.stage.show(surface(2), 3);
    peer.stage.runner.run();
    await peer.come();
    peer.settle();

    expect(peer.picture(0)).toEqual(painted(gradient));
    expect(peer.picture(3)).toEqual(painted(gradient));
    expect(peer.picture(1)).toBeNull();
  });

  test("a scanout that goes off is shown no more, and its surface is given back", async () => {
    const shown = await begin();
    peer.stage.off();
    peer.stage.drop(shown);
    peer.settle();

    await until(() => peer.picture() === null);
    expect(peer.stage.runner.released).toEqual([1]);
  });

  test("a cursor has its image and hot spot, hides, and is shown again", async () => {
    const pool = peer.stage.runner.context.area("cursor-images", "write");
    new Uint32Array(pool.view()).fill(0x80123456);
    await begin();
    const load = (): void =>
      peer.stage.runner.tell({ type: "show-cursor", scanout: 0, slot: 0, x: 1, y: 2, hotX: 3, hotY: 4 });

    load();
    peer.settle();
    expect(peer.cursor()).toMatchObject({ hotX: 3, hotY: 4 });
    expect(peer.cursor()!.pixels.every((pixel) => pixel === 0x80123456)).toBe(true);
    peer.stage.runner.tell({ type: "hide-cursor", scanout: 0, x: 1, y: 2 });
    peer.settle();
    expect(peer.cursor()).toBeNull();
    load();
    peer.settle();
    expect(peer.cursor()).toMatchObject({ hotX: 3, hotY: 4 });
    pool.unmap();
  });

  test("nothing that is new is nothing to do", async () => {
    await begin();
    const frames = peer.frames();

    expect(peer.stage.runner.display.turn()).toBe(false);
    peer.settle();

    expect(peer.frames()).toBe(frames);
    expect(peer.stage.runner.context.epoll.wait(0)).toBe(0);
  });

  test("one whose other side is gone costs only itself", async () => {
    const shown = await begin();
    peer.die();
    peer.stage.flush(all);
    peer.stage.runner.run();
    peer.stage.off();
    peer.stage.drop(shown);
    peer.stage.runner.run();

    expect(peer.stage.runner.released).toEqual([1]);
    const other = peer.stage.connect();
    peer.stage.show(surface(2).paint((x) => x));
    peer.stage.settle();
    const expected = painted((x) => x);
    expect(other.framebuffer(0)!.pixels.every((pixel, at) => (pixel & 0xffffff) === expected[at])).toBe(true);
    peer.stage.runner.tell({ type: "ask-display-info", token: 7 });
    peer.stage.until(() => peer.stage.runner.answers.length > 0, "an answer");
    expect(peer.stage.runner.answers).toMatchObject([{ type: "display-info", token: 7 }]);
  });

  test("closing gives everything back: the other side is left, no descriptor and no timer stays", async () => {
    await peer.come();
    const open = openFds();
    for (let id = 1; id <= 5; id++) {
      peer.stage.show(surface(id), id % 2);
      peer.settle();
    }
    peer.stage.off();
    peer.stall();
    peer.stage.flush(all, 1);
    peer.stage.runner.run();

    peer.stage.runner.stopDisplay();

    peer.resume();
    expect(peer.isLeft()).toBe(true);
    // Each surface has one of the test's own, and the peer may have closed its end.
    expect(openFds()).toBeLessThanOrEqual(open + 5 - 1);
    expect(peer.stage.runner.context.timers.timeout()).toBe(-1);
  });
});

describe.each(kinds)("%s at 50 pictures a second", (_, make) => {
  const slotMs = 20;
  let peer: SinkPeer;
  let clock: number;
  let restore: () => void;
  let shown: TestSurface;

  beforeEach(async () => {
    peer = make("--frame-rate=50");
    await peer.come();
    clock = performance.now();
    const nanoseconds = spyOn(Bun, "nanoseconds").mockImplementation(() => clock * 1e6);
    restore = () => nanoseconds.mockRestore();
    shown = peer.stage.surface(1, width, height).paint(gradient);
    peer.stage.show(shown);
    peer.settle();
    pass(10 * slotMs);
  });
  afterEach(() => {
    restore();
    peer.free();
  });

  function pass(ms: number): void {
    clock += ms;
    peer.settle();
  }

  /** Fills the surface with one colour, and tells the display. */
  function paint(colour: number): void {
    shown.paint(() => colour);
    peer.stage.flush(all);
    peer.settle();
  }

  const timeout = (): number => peer.stage.runner.context.timers.timeout();

  test("the first change is shown at once, and those that follow as one in the next slot", () => {
    const frames = peer.frames();
    paint(1);
    expect(peer.frames()).toBe(frames + 1);

    for (let colour = 2; colour <= 5; colour++) paint(colour);
    expect(peer.frames()).toBe(frames + 1);
    expect(timeout()).toBe(slotMs);
    pass(slotMs - 1);
    expect(peer.frames()).toBe(frames + 1);
    pass(1);
    expect(peer.frames()).toBe(frames + 2);
    expect(peer.picture()!.every((pixel) => pixel === 5)).toBe(true);
    expect(timeout()).toBe(-1);
  });

  test("flips are shown once a slot too, and the last of them is", () => {
    const frames = peer.frames();
    for (let id = 2; id <= 100; id++) {
      peer.stage.show(peer.stage.surface(id, width, height).paint(() => id));
      peer.stage.runner.tell({ type: "drop-surface", surface: id - 1 });
      pass(1);
    }
    pass(slotMs);

    expect(peer.frames() - frames).toBeGreaterThanOrEqual(Math.floor(99 / slotMs));
    expect(peer.frames() - frames).toBeLessThanOrEqual(Math.ceil(99 / slotMs) + 1);
    expect(peer.picture()!.every((pixel) => pixel === 100)).toBe(true);
  });

  test("a beat that is kept a little late does not slow down", () => {
    const frames = peer.frames();
    const start = clock;
    for (let slot = 0; slot < 20; slot++) {
      paint(slot);
      // A timer comes up to a millisecond late.
      pass(start + slotMs * (slot + 1) + ((slot + 1) % 2) - clock);
    }
    expect(peer.frames() - frames).toBe(20);
  });

  test("another scanout has slots of its own", () => {
    paint(1);
    peer.stage.show(
      peer.stage.surface(2, width, height).paint(() => 7),
      1,
    );
    peer.settle();

    expect(peer.picture(1)!.every((pixel) => pixel === 7)).toBe(true);
  });

  test("while the other side takes nothing it is sent one picture, however small", () => {
    const frames = peer.frames();
    peer.stall();
    for (let change = 1; change <= 100; change++) {
      shown.set(3, 4, change);
      peer.stage.flush({ x: 3, y: 4, width: 1, height: 1 });
      pass(slotMs);
    }
    peer.resume();
    peer.settle();
    expect(peer.frames() - frames).toBeLessThanOrEqual(2);
    pass(slotMs);
    expect(peer.frames() - frames).toBe(2);
    expect(peer.picture()![4 * width + 3]).toBe(100);
  });

  test("what is dark waits for no slot, and closing leaves none behind", () => {
    paint(1);
    peer.stage.off();
    pass(slotMs);
    pass(5_000);
    expect(peer.picture()).toBeNull();
    expect(timeout()).toBe(-1);
    peer.stage.show(peer.stage.surface(2, width, height).paint(() => 7));
    peer.settle();
    expect(peer.picture()!.every((pixel) => pixel === 7)).toBe(true);

    peer.stage.flush(all);
    peer.settle();
    peer.stage.runner.stopDisplay();
    expect(timeout()).toBe(-1);
  });
});
