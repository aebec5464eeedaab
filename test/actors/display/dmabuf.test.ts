// Surfaces in dma-bufs, as a VMM sees them. Shared memory takes their place: it is passed on and mapped in the same way.

import { fstatSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Counter } from "../../../src/actors/display/counters.ts";
import type { DisplayEvent } from "../../../lab/vmm/display-requests.ts";
import { Fourcc } from "../../../src/picture/drm-formats.ts";
import { closeFd, duplicateFd, sizeOfFd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { DisplayRequest } from "../../../src/transport/wire/vhost-user-gpu/protocol.ts";
import { outputWords } from "../../../src/actors/display/scanouts/outputs.ts";
import { StreamWord } from "../../../src/transport/wire/vhost-user-gpu/stream-words.ts";
import { FakeContext, serverConfig } from "../../support/fake-context.ts";
import { openFds } from "../../support/fds.ts";
import { Valve } from "../../support/valve.ts";
import { answer, RawVmm } from "./raw-vmm.ts";
import { gradient, Stage, type TestSurface } from "./stage.ts";

const timeoutMs = 30;
const config = serverConfig("--display-timeout-ms", String(timeoutMs));
const tiled = { modifierHigh: 0x0100_0000, modifierLow: 2 };
const implicit = { modifierHigh: 0x00ff_ffff, modifierLow: 0xffff_ffff };

let stage: Stage;
const raws: RawVmm[] = [];
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => {
  for (const peer of stage.peers) expect(peer.violations).toEqual([]);
  stage.stop();
  for (const raw of raws.splice(0)) raw.close();
});

/** A raw VMM that has said which features it has. */
function connectRaw(features: number): RawVmm {
  const raw = new RawVmm();
  raws.push(raw);
  stage.runner.tell({ type: "take-vmm-socket", fd: raw.backEndFd, socket: raw.backEndFd });
  stage.runner.run();
  raw.messages();
  raw.write(answer(DisplayRequest.GET_PROTOCOL_FEATURES, { 0: features }));
  stage.runner.run();
  raw.messages();
  return raw;
}

/** What a VMM was told since the last call: request, fields and descriptor of each message. */
function told(raw: RawVmm) {
  stage.runner.run();
  return raw.messages().map(({ request, payload, fd }) => ({
    request,
    fields: [...new Uint32Array(payload.buffer)],
    fd,
  }));
}

const updated = answer(DisplayRequest.DMABUF_UPDATE);
/** What the VMM saw since it had been asked for its features, in short. */
const seen = (): string[] => stage.peer.events.flatMap(brief);
const brief = (event: DisplayEvent): string[] => {
  if (event.kind === "asked") return [];
  if (event.kind === "scanout" || event.kind === "dmabuf-scanout") {
    return [`${event.kind} ${event.scanoutId} ${event.width}x${event.height}`];
  }
  if (event.kind === "update" || event.kind === "dmabuf-update") {
    const { kind, scanoutId, x, y, width, height } = event;
    return [`${kind} ${scanoutId} ${width}x${height}+${x}+${y}`];
  }
  return [`${event.kind} ${event.scanoutId}`];
};

function expectShown(id: number, colourOf: (x: number, y: number) => number): void {
  const { width, height, pixels } = stage.peer.framebuffer(id)!;
  const expected = Uint32Array.from(pixels, (_, at) => colourOf(at % width, Math.floor(at / width)));
  expect(pixels.map((pixel) => pixel & 0xffffff)).toEqual(expected);
  expect(pixels.length).toBe(width * height);
}

function state(): Record<string, unknown> {
  stage.runner.tell({ type: "ask-description", token: 1 });
  const description = stage.runner.told("supervisor").findLast(({ type }) => type === "description")!;
  return (description as { state: Record<string, unknown> }).state;
}
const sinkState = () => (state()["sinks"] as Record<string, unknown>[])[0]!;
const surfaceState = () =>
  (state()["scanouts"] as { shows: { surfaceState: unknown } }[])[0]!.shows.surfaceState;
const warnings = (): string[] =>
  stage.runner.context.logged.filter(({ level }) => level === "warning").map(({ text }) => text);

const surfaces = (count: number, width = 16, height = 8): TestSurface[] =>
  Array.from({ length: count }, (_, index) => stage.surface(index + 1, width, height).paint(() => index + 1));

describe("messages", () => {
  const surface = () => stage.surface(1, 40, 30, undefined, 96).paint(gradient);
  const rect = { x: 4, y: 5, width: 20, height: 10 };
  const show = (changes = {}) =>
    stage.runner.tell(surface().dmabuf({ flags: 1, ...changes }), {
      type: "show-scanout",
      scanout: 3,
      surface: 1,
      ...rect,
    });
  const fields = [3, 4, 5, 20, 10, 40, 30, 256, 1, 0x3432_5258];
  const update = { request: DisplayRequest.DMABUF_UPDATE, fields: [3, 0, 0, 20, 10], fd: -1 };

  test("are DMABUF_SCANOUT2 and an update where the VMM takes modifiers", () => {
    const raw = connectRaw(3);
    show(tiled);
    const [scanout, next, ...rest] = told(raw);
    expect(scanout).toMatchObject({
      request: DisplayRequest.DMABUF_SCANOUT2,
      fields: [...fields, 2, 0x0100_0000],
    });
    expect(fstatSync(scanout!.fd).ino).toBe(fstatSync(stage.surfaces[0]!.fd).ino);
    expect([next, rest]).toEqual([update, []]);
  });

  test.each([
    ["linear, with modifiers", 3, {}, DisplayRequest.DMABUF_SCANOUT2, [0, 0]],
    ["implicit, with modifiers", 3, implicit, DisplayRequest.DMABUF_SCANOUT, []],
    ["linear, without", 0, {}, DisplayRequest.DMABUF_SCANOUT, []],
    ["implicit, without", 1, implicit, DisplayRequest.DMABUF_SCANOUT, []],
  ])("of a layout that is %s", (_, features, modifier, request, more) => {
    const raw = connectRaw(features);
    show(modifier);
    const [scanout, next, ...rest] = told(raw);
    expect(scanout).toMatchObject({ request, fields: [...fields, ...more] });
    expect(scanout!.fd).toBeGreaterThan(0);
    expect([next, rest]).toEqual([update, []]);
  });

  test("that take it off have neither size nor descriptor", () => {
    const raw = connectRaw(3);
    show();
    told(raw);
    stage.off(3);
    expect(told(raw)).toEqual([
      { request: DisplayRequest.DMABUF_SCANOUT, fields: [3, 0, 0, 0, 0, 0, 0, 0, 0, 0], fd: -1 },
    ]);
  });

  test("update what was damaged, when the last update is answered", () => {
    const raw = connectRaw(3);
    show();
    told(raw);
    stage.flush({ x: 1, y: 2, width: 3, height: 4 }, 3);
    expect(told(raw)).toEqual([]);
    raw.write(updated);
    expect(told(raw)).toEqual([{ request: DisplayRequest.DMABUF_UPDATE, fields: [3, 1, 2, 3, 4], fd: -1 }]);
  });

  test.each([
    ["a modifier, where the VMM takes none", 1, tiled, "a dma-buf with a format modifier"],
    ["an offset", 3, { offset: 64 }, "a dma-buf with an offset of 64"],
  ])("are none of a surface that has %s", (_, features, changes, message) => {
    const raw = connectRaw(features);
    show(changes);
    expect(told(raw)).toEqual([]);
    stage.flush({ x: 1, y: 2, width: 3, height: 4 }, 3);
    stage.showDmabuf(stage.surface(2, 8, 8), 0, changes);
    expect(told(raw)).toEqual([]);
    expect(warnings()).toEqual([`the VMM can't show surface 1, ${message}`]);
    stage.runner.tell({ type: "drop-surface", surface: 1 });
    expect(stage.runner.released).toEqual([1]);
  });

  test("turn off what was shown before a surface that can't be", () => {
    const raw = connectRaw(0);
    stage.showDmabuf(stage.surface(2, 8, 8));
    told(raw);
    stage.showDmabuf(stage.surface(3, 8, 8), 0, tiled);
    expect(told(raw).map(({ request, fd }) => [request, fd])).toEqual([[DisplayRequest.DMABUF_SCANOUT, -1]]);
  });
});

describe("scanouts", () => {
  test("a page flip lends the new dma-buf; the same one again is only damaged", () => {
    stage.connect();
    const [one, two] = surfaces(2);
    const before = openFds();
    stage.showDmabuf(one!);
    stage.settle();
    stage.showDmabuf(two!);
    stage.settle();
    stage.showDmabuf(two!);
    stage.settle();
    expect(seen()).toEqual([
      "dmabuf-scanout 0 16x8",
      "dmabuf-update 0 16x8+0+0",
      "dmabuf-scanout 0 16x8",
      "dmabuf-update 0 16x8+0+0",
      "dmabuf-update 0 16x8+0+0",
    ]);
    expectShown(0, () => 2);
    // Two of ours, and the one that the VMM holds.
    expect(openFds()).toBe(before + 3);
  });

  test("a rectangle of it, and another one", () => {
    stage.connect();
    const surface = stage.surface(1, 40, 30).paint(gradient);
    const scanout = { type: "show-scanout", scanout: 1, surface: 1 } as const;
    stage.runner.tell(surface.dmabuf(), { ...scanout, x: 4, y: 5, width: 20, height: 10 });
    stage.settle();
    expectShown(1, (x, y) => gradient(x + 4, y + 5));
    stage.runner.tell({ ...scanout, x: 5, y: 5, width: 20, height: 10 });
    stage.settle();
    expectShown(1, (x, y) => gradient(x + 5, y + 5));
    expect(stage.peer.count(DisplayRequest.DMABUF_SCANOUT2)).toBe(2);
  });

  test("one surface on two scanouts", () => {
    stage.connect();
    const surface = stage.surface(1, 16, 8).paint(gradient);
    stage.showDmabuf(surface, 0);
    stage.runner.tell({ type: "show-scanout", scanout: 1, surface: 1, x: 8, y: 0, width: 8, height: 8 });
    stage.settle();
    expectShown(0, gradient);
    expectShown(1, (x, y) => gradient(x + 8, y));
    stage.drop(surface);
    stage.settle();
    expect(stage.runner.released).toEqual([1]);
    expect([stage.peer.framebuffer(0), stage.peer.framebuffer(1)]).toEqual([null, null]);
  });

  test("from memory to a dma-buf of the same size, and back", () => {
    stage.connect();
    const [memory, dmabuf] = surfaces(2);
    stage.show(memory!);
    stage.settle();
    stage.showDmabuf(dmabuf!);
    stage.settle();
    expectShown(0, () => 2);
    stage.show(memory!);
    stage.settle();
    expectShown(0, () => 1);
    expect(seen()).toEqual([
      "scanout 0 16x8",
      "update 0 16x8+0+0",
      "dmabuf-scanout 0 16x8",
      "dmabuf-update 0 16x8+0+0",
      "dmabuf-scanout 0 0x0",
      "scanout 0 16x8",
      "update 0 16x8+0+0",
    ]);
  });

  test("off, the picture of before does not come back", () => {
    stage.connect();
    const [memory, dmabuf] = surfaces(2);
    stage.show(memory!);
    stage.settle();
    stage.showDmabuf(dmabuf!);
    stage.settle();
    stage.off();
    stage.settle();
    expect(seen().slice(4)).toEqual(["dmabuf-scanout 0 0x0", "scanout 0 0x0"]);
    expect(stage.peer.framebuffer(0)).toBeNull();
  });

  test("one by dma-buf and others in memory are updated on their own", () => {
    stage.connect();
    const [memory, dmabuf, other] = surfaces(3);
    stage.show(memory!, 0);
    stage.showDmabuf(dmabuf!, 1);
    stage.show(other!, 2);
    stage.settle();
    for (const scanout of [0, 1, 2]) stage.flush({ x: scanout, y: 0, width: 1, height: 1 }, scanout);
    stage.settle();
    expect([0, 1, 2].map((id) => stage.peer.updates(id).at(-1))).toEqual(
      [0, 1, 2].map((x) => ({ x, y: 0, width: 1, height: 1 })),
    );
    for (const scanout of [0, 1, 2]) expectShown(scanout, () => scanout + 1);
  });

  test("the half of a frame that was not sent is given up for a dma-buf", () => {
    stage.connect();
    stage.settle();
    stage.peer.pause();
    stage.show(stage.surface(1, 4, 2 * 1024 * 1024));
    stage.runner.run();
    stage.showDmabuf(stage.surface(2, 8, 8).paint(gradient));
    stage.runner.run();
    stage.peer.resume();
    stage.settle();
    expectShown(0, gradient);
    expect(seen().map((one) => one.split(" ")[0]!)).toEqual([
      "scanout",
      "update",
      "dmabuf-scanout",
      "dmabuf-update",
    ]);
    expect(sinkState()).toMatchObject({ frames: 1, skipped: 1 });
  });

  test("a new VMM is lent what is shown", () => {
    stage.connect();
    const [one] = surfaces(1);
    stage.showDmabuf(one!);
    stage.settle();
    stage.connect();
    stage.settle();
    expect(seen()).toEqual(["dmabuf-scanout 0 16x8", "dmabuf-update 0 16x8+0+0"]);
    expectShown(0, () => 1);
  });
});

describe("a VMM that keeps its answers", () => {
  const withhold = () => stage.connect({ answersUpdates: false });

  test("gets one update a scanout, and then what was damaged meanwhile", () => {
    withhold();
    const [one, two] = surfaces(2);
    stage.showDmabuf(one!, 0);
    stage.showDmabuf(two!, 1);
    stage.settle();
    stage.flush({ x: 1, y: 1, width: 2, height: 2 }, 0);
    stage.flush({ x: 9, y: 4, width: 1, height: 1 }, 0);
    stage.flush({ x: 3, y: 3, width: 1, height: 1 }, 1);
    stage.settle();
    expect(stage.peer.count(DisplayRequest.DMABUF_UPDATE)).toBe(2);
    expect(sinkState()).toMatchObject({ updatesUnanswered: 2, frames: 0, merged: 1 });
    stage.peer.answerUpdate();
    stage.settle();
    expect(seen().at(-1)).toBe("dmabuf-update 0 9x4+1+1");
    stage.peer.answerUpdate();
    stage.settle();
    expect(seen().at(-1)).toBe("dmabuf-update 1 1x1+3+3");
    for (const _ of [0, 1]) stage.peer.answerUpdate();
    stage.settle();
    expect(stage.peer.count(DisplayRequest.DMABUF_UPDATE)).toBe(4);
    expect(sinkState()).toMatchObject({ updatesUnanswered: 0, frames: 4, frameBytes: 0 });
  });

  test("still gets everything that needs no answer, and is asked", () => {
    withhold();
    const [dmabuf, memory] = surfaces(2);
    stage.showDmabuf(dmabuf!, 0);
    stage.show(memory!, 1);
    stage.settle();
    stage.runner.tell({ type: "show-cursor", scanout: 0, slot: 0, x: 4, y: 5, hotX: 6, hotY: 7 });
    stage.runner.tell({ type: "ask-display-info", token: 1 }, { type: "ask-edid", token: 2, scanout: 0 });
    memory!.paint(() => 9);
    for (const id of [0, 1]) stage.flush({ x: 0, y: 0, width: 16, height: 8 }, id);
    stage.settle();
    expectShown(1, () => 9);
    expect(stage.peer.cursors[0]).toMatchObject({ visible: true, x: 4, y: 5 });
    expect(stage.runner.answers.map(({ type }) => type)).toEqual(["display-info", "edid"]);
    expect(stage.peer.count(DisplayRequest.DMABUF_UPDATE)).toBe(1);
  });

  test("is lent the newest of many flips when it answers, and the others go back at once", () => {
    withhold();
    const all = surfaces(20);
    const before = openFds();
    for (const surface of all) {
      stage.showDmabuf(surface);
      stage.settle();
      if (surface.id > 1) stage.drop(all[surface.id - 2]!);
      stage.settle();
    }
    // The first is being shown, and the last will be.
    expect(stage.runner.released).toEqual(Array.from({ length: 18 }, (_, index) => index + 2));
    expect(seen()).toEqual(["dmabuf-scanout 0 16x8", "dmabuf-update 0 16x8+0+0"]);
    expect(openFds()).toBe(before + 3);
    stage.peer.answerUpdate();
    stage.settle();
    expect(stage.runner.released.at(-1)).toBe(1);
    expect(seen().slice(2)).toEqual(["dmabuf-scanout 0 16x8", "dmabuf-update 0 16x8+0+0"]);
    expectShown(0, () => 20);
    expect(openFds()).toBe(before + 2);
  });

  test("is told at once that it shows nothing, or memory", () => {
    withhold();
    const [one, memory, two] = surfaces(3);
    stage.showDmabuf(one!);
    stage.settle();
    stage.off();
    stage.settle();
    expect(stage.peer.framebuffer(0)).toBeNull();
    stage.show(memory!);
    stage.settle();
    stage.flush({ x: 0, y: 0, width: 1, height: 1 });
    stage.settle();
    expectShown(0, () => 2);
    stage.showDmabuf(two!);
    stage.settle();
    expectShown(0, () => 2);
    stage.peer.answerUpdate();
    stage.settle();
    expectShown(0, () => 3);
    expect(seen()).toEqual([
      "dmabuf-scanout 0 16x8",
      "dmabuf-update 0 16x8+0+0",
      "dmabuf-scanout 0 0x0",
      "scanout 0 16x8",
      "update 0 16x8+0+0",
      "update 0 1x1+0+0",
      "dmabuf-scanout 0 16x8",
      "dmabuf-update 0 16x8+0+0",
    ]);
  });

  test("keeps the surface that it is showing, and no other", () => {
    withhold();
    const [one, two] = surfaces(2);
    stage.showDmabuf(one!);
    stage.settle();
    stage.drop(one!);
    stage.settle();
    expect(stage.peer.framebuffer(0)).toBeNull();
    expect(stage.runner.released).toEqual([]);
    stage.showDmabuf(two!);
    stage.settle();
    stage.drop(two!);
    stage.settle();
    expect(stage.runner.released).toEqual([2]);
    stage.peer.answerUpdate();
    stage.settle();
    expect(stage.runner.released).toEqual([2, 1]);
    expect(seen().length).toBe(3);
  });

  test("lets the surface be stale until it answers", () => {
    withhold();
    stage.showDmabuf(surfaces(1)[0]!);
    stage.settle();
    expect(surfaceState()).toBe("mapped.stale+read");
    stage.peer.answerUpdate();
    stage.settle();
    expect(surfaceState()).toBe("mapped.presented+unread");
  });

  test("does not make a picture in memory stale", () => {
    withhold();
    const [dmabuf, memory] = surfaces(2);
    stage.showDmabuf(dmabuf!);
    stage.settle();
    stage.show(memory!);
    stage.settle();
    expect(surfaceState()).toBe("mapped.presented+unread");
  });

  test("for too long is named in the log once, counted, and served again when it answers", () => {
    stage.stop();
    stage = new Stage(new FakeContext("display", config));
    withhold();
    const [one, two] = surfaces(2);
    stage.showDmabuf(one!, 0);
    stage.showDmabuf(two!, 2);
    stage.settle();
    const late = () => stage.runner.context.counters[Counter.updatesUnanswered];
    stage.until(() => late() === 2, "two late answers");
    for (const x of [3, 5]) stage.flush({ x, y: 0, width: 1, height: 1 });
    stage.settle();
    expect(stage.peer.count(DisplayRequest.DMABUF_UPDATE)).toBe(2);
    stage.peer.answerUpdate();
    stage.settle();
    expect(seen().at(-1)).toBe("dmabuf-update 0 3x1+3+0");
    stage.until(() => late() === 3, "another late answer");
    expect(warnings()).toEqual([
      `the VMM's display did not answer DMABUF_UPDATE of scanout 0 within ${timeoutMs} ms: ` +
        "its next picture waits until it does",
    ]);
    expect(sinkState()).toMatchObject({ timeouts: 3, updatesUnanswered: 2 });
  });

  test("and answers in time is named nowhere", () => {
    stage.stop();
    stage = new Stage(new FakeContext("display", config));
    stage.connect();
    stage.showDmabuf(surfaces(1)[0]!);
    stage.settle();
    const end = performance.now() + 3 * timeoutMs;
    stage.until(() => performance.now() > end, "time");
    expect([warnings(), sinkState()["timeouts"]]).toEqual([[], 0]);
  });

  test("and does not read either gets the newest when it does", () => {
    withhold();
    const all = surfaces(30);
    stage.settle();
    const before = openFds();
    stage.peer.pause();
    for (const surface of all) {
      stage.showDmabuf(surface);
      stage.runner.run();
      stage.flush({ x: 0, y: 0, width: 16, height: 8 });
      stage.runner.run();
      if (surface.id > 1) stage.drop(all[surface.id - 2]!);
    }
    expect(openFds()).toBe(before + 2);
    stage.peer.resume();
    stage.settle();
    expectShown(0, () => 1);
    stage.peer.answerUpdate();
    stage.settle();
    expectShown(0, () => 30);
  });
});

describe("a socket that is full", () => {
  test.each([0, 1, 59])("keeps the surface until its descriptor and %d bytes more are sent", (bytes) => {
    stage.connect();
    stage.settle();
    const [one, two] = surfaces(2);
    const before = openFds();
    stage.showDmabuf(one!);
    new Valve(bytes).around(() => stage.runner.run(4));
    stage.drop(one!);
    expect(stage.runner.released).toEqual([]);
    stage.showDmabuf(two!);
    stage.settle();
    expect(stage.runner.released).toEqual([1]);
    expect(seen()).toEqual(["dmabuf-scanout 0 16x8", "dmabuf-scanout 0 16x8", "dmabuf-update 0 16x8+0+0"]);
    expectShown(0, () => 2);
    expect(openFds()).toBe(before + 2);
  });

  test("gives the surface back when it closes", () => {
    stage.connect();
    stage.settle();
    const [one] = surfaces(1);
    stage.showDmabuf(one!);
    new Valve(0).around(() => stage.runner.run(4));
    stage.drop(one!);
    expect(stage.runner.released).toEqual([]);
    stage.peer.close();
    stage.runner.run();
    expect(stage.runner.released).toEqual([1]);
  });
});

describe("the end of a VMM", () => {
  test.each(["between scanout and update", "that keeps its answer"])("%s gives the surface back", (when) => {
    const raw = connectRaw(3);
    const surface = surfaces(1)[0]!;
    const before = openFds();
    stage.showDmabuf(surface);
    if (when === "that keeps its answer") expect(told(raw).length).toBe(2);
    raw.close();
    raws.pop();
    stage.runner.run();
    stage.drop(surface);
    expect(stage.runner.released).toEqual([1]);
    // Both ends of the socket are closed too.
    expect(openFds()).toBe(before - 2);
    expect(stage.runner.takes).toEqual(["modifiers", "no"]);
  });

  test("that has not read the descriptor closes it", () => {
    const raw = connectRaw(3);
    const surface = surfaces(1)[0]!;
    stage.showDmabuf(surface);
    stage.runner.run();
    stage.drop(surface);
    stage.runner.run();
    expect(stage.runner.released).toEqual([]);
    raw.close();
    raws.pop();
    stage.runner.run();
    expect(stage.runner.released).toEqual([1]);
  });

  test("is what answers to nothing that was sent are", () => {
    const raw = connectRaw(3);
    stage.showDmabuf(surfaces(1)[0]!);
    expect(told(raw).length).toBe(2);
    raw.write(updated);
    raw.write(updated);
    stage.runner.run();
    expect(warnings()).toEqual([
      "giving up the VMM's display: the VMM sent request 10, flags 0x4, 0 bytes, which answers nothing we asked",
    ]);
    expect(stage.runner.takes).toEqual(["modifiers", "no"]);
  });
});

describe("what can be shown is told", () => {
  test.each([
    [0, "dmabuf"],
    [1, "dmabuf"],
    [2, "modifiers"],
    [3, "modifiers"],
  ])("when the VMM has said its features, %d, and when it goes", (features, takes) => {
    stage.connect({ features });
    stage.runner.run();
    expect(stage.runner.takes).toEqual([]);
    stage.settle();
    expect(stage.runner.takes).toEqual([takes]);
    stage.peer.close();
    stage.runner.run();
    expect(stage.runner.takes).toEqual([takes, "no"]);
  });

  test("when the socket is taken away or replaced", () => {
    stage.connect();
    stage.settle();
    stage.connect({ features: 1 });
    stage.settle();
    stage.runner.tell({ type: "vmm-socket-closed" }, { type: "vmm-socket-closed" });
    expect(stage.runner.takes).toEqual(["modifiers", "no", "dmabuf", "no"]);
  });

  test("not while the VMM keeps silent about its features; then what had to wait is shown", () => {
    stage.stop();
    stage = new Stage(new FakeContext("display", config));
    const raw = new RawVmm();
    raws.push(raw);
    stage.runner.tell({ type: "take-vmm-socket", fd: raw.backEndFd, socket: raw.backEndFd });
    stage.showDmabuf(stage.surface(1, 8, 8), 0, tiled);
    stage.until(() => warnings().length === 2, "the end of the wait");
    expect(told(raw).map(({ request }) => request)).toEqual([DisplayRequest.GET_PROTOCOL_FEATURES]);
    expect(stage.runner.takes).toEqual([]);
    raw.write(answer(DisplayRequest.GET_PROTOCOL_FEATURES, { 0: 3 }));
    stage.runner.run();
    expect(stage.runner.takes).toEqual(["modifiers"]);
    expect(told(raw).map(({ request }) => request)).toEqual([
      DisplayRequest.SET_PROTOCOL_FEATURES,
      DisplayRequest.DMABUF_SCANOUT2,
      DisplayRequest.DMABUF_UPDATE,
    ]);
  });

  describe("by a restarted display only where it differs", () => {
    /** A display that was crashed, with what it left, and the VMM at its socket. */
    function crashed() {
      const { keep } = stage.runner.context;
      const raw = new RawVmm();
      raws.push(raw);
      stage.runner.tell({ type: "take-vmm-socket", fd: duplicateFd(raw.backEndFd), socket: raw.backEndFd });
      stage.runner.run();
      raw.write(answer(DisplayRequest.GET_PROTOCOL_FEATURES, { 0: 3 }));
      stage.runner.run();
      expect(stage.runner.takes).toEqual(["modifiers"]);
      stage.stop();
      stage = new Stage(new FakeContext("display", undefined, keep));
      return {
        raw,
        resume: { type: "take-vmm-socket", fd: raw.backEndFd, socket: raw.backEndFd } as const,
        keep,
      };
    }

    test("from what its predecessor said", () => {
      const { raw, resume } = crashed();
      stage.runner.tell(resume);
      stage.runner.run();
      expect(stage.runner.takes).toEqual([]);
      raw.close();
      raws.pop();
      stage.runner.run();
      expect(stage.runner.takes).toEqual(["no"]);
    });

    test("since the socket broke, or was replaced", () => {
      const { resume, keep } = crashed();
      keep[outputWords + StreamWord.broken] = 1;
      stage.runner.tell(resume);
      expect(stage.runner.takes).toEqual(["no"]);
      stage.connect();
      stage.settle();
      expect(stage.runner.takes).toEqual(["no", "modifiers"]);
    });
  });
});

describe("snapshots", () => {
  function snapshot(): { fd: number; error: string; width: number; height: number } {
    stage.runner.tell({ type: "ask-snapshot", token: 9, scanout: 0 });
    const message = stage.runner.told("supervisor").at(-1)!;
    if (message.type !== "snapshot") throw new Error("no snapshot");
    return message;
  }

  test.each([
    ["as it lies", {}, (x: number, y: number) => gradient(x + 3, y + 4)],
    ["upside down", { flags: 1 }, (x: number, y: number) => gradient(x + 3, 19 - (y + 4))],
  ])("of a rectangle %s", (_, changes, colourOf) => {
    const surface = stage.surface(1, 20, 20, undefined, 8).paint(gradient);
    const rect = { x: 3, y: 4, width: 7, height: 5 };
    stage.runner.tell(surface.dmabuf(changes), { type: "show-scanout", scanout: 0, surface: 1, ...rect });
    const { fd, width, height, error } = snapshot();
    expect([width, height, error, sizeOfFd(fd)]).toEqual([7, 5, "", 7 * 5 * 4]);
    const memory = NativeMemory.mapShared(fd, 0, 7 * 5 * 4, "read");
    const words = [...new Uint32Array(memory.view())].map((word) => word & 0xffffff);
    expect(words).toEqual(words.map((_, at) => colourOf(at % 7, Math.floor(at / 7))));
    memory.unmap();
    closeFd(fd);
  });

  test.each([
    ["tiled", tiled, "its pixels are tiled by modifier 0x0100000000000002"],
    ["implicit", implicit, "only the GPU's driver knows how its pixels lie"],
    ["of another format", { fourcc: 0x3231_564e }, "its format is NV12"],
    ["too short", { height: 21 }, "20x21 pixels do not lie in its 1600 bytes"],
  ])("of what is %s say why there are none", (_, changes, why) => {
    stage.showDmabuf(stage.surface(1, 20, 20), 0, changes);
    const before = openFds();
    expect(snapshot()).toMatchObject({ fd: -1, error: `no picture of scanout 0: ${why}` });
    expect(openFds()).toBe(before);
  });

  test("of what can't be mapped say why there are none", () => {
    const socket = new RawVmm();
    raws.push(socket);
    stage.showDmabuf(stage.surface(1, 20, 20), 0, { fd: socket.backEndFd });
    expect(snapshot()).toMatchObject({ fd: -1, error: expect.stringContaining("lseek failed with ESPIPE") });
  });
});

describe("surfaces", () => {
  test("keep their one descriptor until they are dropped", () => {
    const surface = surfaces(1)[0]!;
    const before = openFds();
    stage.runner.tell(surface.dmabuf(), surface.dmabuf());
    expect(openFds()).toBe(before + 1);
    expect(stage.runner.context.counters[Counter.surfaces]).toBe(1);
    stage.drop(surface);
    expect(openFds()).toBe(before);
    expect(stage.runner.released).toEqual([1]);
  });

  test.each([
    ["no descriptor", { fd: -1 }],
    ["no pixels", { height: 0 }],
  ])("with %s can't be shown, and can be dropped", (_, changes) => {
    const surface = surfaces(1)[0]!;
    stage.runner.tell(surface.dmabuf(changes));
    stage.runner.tell({ type: "show-scanout", scanout: 0, surface: 1, x: 0, y: 0, width: 4, height: 4 });
    expect(stage.runner.context.logged.map(({ level }) => level)).toEqual(["error"]);
    stage.drop(surface);
    expect(stage.runner.released).toEqual([1]);
  });

  test("are described", () => {
    stage.showDmabuf(surfaces(1)[0]!, 0, { ...tiled, fourcc: Fourcc.ARGB8888 });
    expect(state()["scanouts"]).toMatchObject([
      { shows: { surface: 1, fourcc: "AR24", modifier: "0x0100000000000002", width: 16 } },
    ]);
  });

  test("leave no descriptor behind when the display stops", () => {
    const before = openFds();
    const other = new Stage();
    other.showDmabuf(other.surface(1, 8, 8));
    other.connect({ answersUpdates: false });
    other.settle();
    other.stop();
    expect(openFds()).toBe(before);
  });
});
