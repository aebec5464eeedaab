// Surfaces on loan, snapshots, descriptions, and what a display does with messages that it can't follow.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Counter, counterNames } from "../../../src/actors/display/counters.ts";
import type { DisplayMessage } from "../../../src/actors/display/messages.ts";
import { encodePng } from "../../../src/picture/png.ts";
import { closeFd, createMemfd, sizeOfFd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { Format } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { filesOf } from "../../support/fds.ts";
import { gradient, Stage } from "./stage.ts";

type PagesMessage = Extract<DisplayMessage, { type: "add-guest-surface" }>;

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => {
  stage.stop();
});

const tell = (...messages: Parameters<Stage["runner"]["tell"]>) => stage.runner.tell(...messages);
const released = () => stage.runner.released;

function description() {
  tell({ type: "ask-description", token: 5 });
  const message = stage.runner.told("supervisor").at(-1)!;
  if (message.type !== "description") throw new Error("no description");
  expect(message.token).toBe(5);
  return message.state;
}

function snapshot(scanout = 0) {
  tell({ type: "ask-snapshot", token: 9, scanout });
  const message = stage.runner.told("supervisor").at(-1)!;
  if (message.type !== "snapshot") throw new Error("no snapshot");
  expect(message.token).toBe(9);
  return message;
}

/** Open descriptors of memfds by name. */
const memfds = (name: string): number =>
  filesOf("self").filter(({ file }) => file.includes(`memfd:${name}`)).length;

describe("surfaces", () => {
  test("are given back when they are dropped", () => {
    const surface = stage.surface(1, 8, 8);
    tell(surface.message);
    expect(stage.runner.context.counters[Counter.surfaces]).toBe(1);
    tell({ type: "drop-surface", surface: 1 });
    expect(released()).toEqual([1]);
    expect(stage.runner.context.counters[Counter.surfaces]).toBe(0);
  });

  test("of a ctrl queue that is gone are nobody's by their number, which its successor may give again", () => {
    const [before, after] = [stage.surface(1, 8, 8), stage.surface(1, 4, 4)];
    stage.show(before);
    stage.runner.display.peerLost("ctrl-queue");
    stage.show(after);
    const picture = snapshot();
    expect([picture.width, picture.height]).toEqual([4, 4]);
    closeFd(picture.fd);
    expect(released()).toEqual([]);
    tell({ type: "hide-scanout", scanout: 0 }, { type: "drop-surface", surface: 1 });
    expect(released()).toEqual([1]);
    expect(stage.runner.context.counters[Counter.surfaces]).toBe(0);
  });

  test("keep no descriptor", () => {
    const surface = stage.surface(1, 8, 8);
    const before = memfds("test");
    tell(surface.message, surface.message);
    expect(memfds("test")).toBe(before);
  });

  const pages = (order: readonly number[], change: Partial<PagesMessage> = {}): PagesMessage => {
    const fd = createMemfd("test", 4 * 4096);
    const memory = NativeMemory.mapShared(fd, 0, 4 * 4096, "write");
    new Uint32Array(memory.view()).forEach((_, at, words) => (words[at] = at));
    memory.unmap();
    return {
      type: "add-guest-surface",
      surface: 7,
      regions: [{ fd }],
      pieces: order.flatMap((page) => [0, page * 4096, 4096]),
      ...{ offset: 0, bytes: order.length * 4096, stride: 4096, width: 1024, height: order.length },
      format: Format.B8G8R8X8,
      ...change,
    };
  };

  test("in a guest's pages show these one behind the other, and are lent to nobody", () => {
    const before = memfds("test");
    tell(pages([3, 0, 2]));
    expect(memfds("test")).toBe(before);
    tell({ type: "show-scanout", scanout: 0, surface: 7, x: 0, y: 0, width: 1024, height: 3 });
    const { fd } = snapshot();
    const copy = NativeMemory.mapShared(fd, 0, 3 * 4096, "read");
    const words = new Uint32Array(copy.view());
    expect([words[0], words[1024], words[2048], words[3071]]).toEqual([3072, 0, 2048, 3071]);
    copy.unmap();
    closeFd(fd);
    tell({ type: "drop-surface", surface: 7 });
    expect(released()).toEqual([7]);
  });

  const wrong: [string, Partial<PagesMessage>][] = [
    ["behind the end of their file", { pieces: [0, 0, 4096, 0, 3 * 4096, 8192], bytes: 12288 }],
    ["in a file that there is not", { pieces: [1, 0, 4096, 0, 0, 4096] }],
    ["fewer than it says", { pieces: [0, 0, 4096] }],
    ["more than it says", { pieces: [0, 0, 4096, 0, 0, 4096, 0, 0, 4096] }],
    ["of no bytes", { pieces: [0, 0, 0, 0, 0, 8192] }],
    ["that are no whole pages", { pieces: [0, 0, 4000, 0, 0, 4192] }],
    ["in a part of a triple", { pieces: [0, 0, 4096, 0, 0] }],
    ["that hold fewer rows", { height: 3 }],
    ["in rows between pixels", { stride: 4095 }],
  ];
  test.each(wrong)("in a guest's pages %s are not shown, and keep nothing", (_, change) => {
    const before = memfds("test");
    tell(pages([0, 1], change));
    expect(memfds("test")).toBe(before);
    tell({ type: "show-scanout", scanout: 0, surface: 7, x: 0, y: 0, width: 1024, height: 2 });
    expect(snapshot().error).toBe("scanout 0 is off");
    tell({ type: "drop-surface", surface: 7 });
    expect(released()).toEqual([7]);
  });

  test("that are dropped while they are shown turn their scanouts off", () => {
    stage.connect();
    const surface = stage.surface(1, 8, 8);
    stage.show(surface, 0);
    stage.show(surface, 2);
    stage.settle();
    tell({ type: "drop-surface", surface: 1 });
    stage.settle();
    expect(released()).toEqual([1]);
    expect(stage.peer.framebuffer(0)).toBeNull();
    expect(stage.peer.framebuffer(2)).toBeNull();
    stage.flush({ x: 0, y: 0, width: 8, height: 8 });
    stage.settle();
    expect(stage.peer.violations).toEqual([]);
  });

  test("that are unknown are released at once, and show nothing", () => {
    tell({ type: "drop-surface", surface: 77 });
    tell({ type: "show-scanout", scanout: 0, surface: 78, x: 0, y: 0, width: 1, height: 1 });
    tell({ type: "flush", scanout: 0, x: 0, y: 0, width: 1, height: 1 });
    expect(released()).toEqual([77]);
    expect(snapshot().fd).toBe(-1);
  });

  test.each([
    ["rows beyond its bytes", { stride: 36 }],
    ["no pixels", { width: 0 }],
    ["rows that are not aligned to pixels", { stride: 30, width: 7 }],
    ["storage shorter than it says", { bytes: 512 }],
    ["an offset beyond its storage", { offset: 4096 }],
    ["more bytes than one view holds", { bytes: 2 ** 32 + 4 }],
  ])("with %s can't be shown, and can be dropped", (_, wrong) => {
    tell({ ...stage.surface(1, 8, 8).message, ...wrong });
    tell({ type: "show-scanout", scanout: 0, surface: 1, x: 0, y: 0, width: 4, height: 4 });
    tell({ type: "flush", scanout: 0, x: 0, y: 0, width: 1, height: 1 });
    expect(snapshot().fd).toBe(-1);
    expect(stage.runner.context.logged.map(({ level }) => level)).toEqual(["error"]);
    tell({ type: "drop-surface", surface: 1 });
    expect(released()).toEqual([1]);
  });

  test("without a descriptor can't be shown", () => {
    const { message } = stage.surface(1, 8, 8);
    closeFd(message.fd);
    tell({ ...message, fd: -1 });
    expect(stage.runner.context.logged.length).toBe(1);
  });

  test("of which a scanout or flush asks too much are our own bug", () => {
    const surface = stage.surface(1, 8, 8);
    expect(() => stage.showPart(surface, { x: 1, y: 0, width: 8, height: 8 })).toThrow(RangeError);
    expect(() => stage.showPart(surface, { x: 0, y: 0, width: 8, height: 0 })).toThrow(RangeError);
    stage.showPart(surface, { x: 4, y: 4, width: 4, height: 4 });
    expect(() => stage.flush({ x: 0, y: 0, width: 5, height: 1 })).toThrow(RangeError);
    expect(() => stage.flush({ x: 0xffff_ffff, y: 0, width: 2, height: 1 })).toThrow(RangeError);
  });

  test("are stale until every sink has shown them", () => {
    const shows = () => (description()["scanouts"] as { shows: { surfaceState: unknown } }[])[0]!.shows;
    stage.connect();
    stage.settle();
    stage.peer.pause();
    stage.show(stage.surface(1, 800, 600));
    stage.runner.run();
    expect(shows().surfaceState).toBe("mapped.stale+read");
    stage.peer.resume();
    stage.settle();
    expect(shows().surfaceState).toBe("mapped.presented+unread");
    stage.flush({ x: 0, y: 0, width: 1, height: 1 });
    expect(shows().surfaceState).toBe("mapped.stale+unread");
  });
});

describe("snapshots", () => {
  test.each(Object.entries(Format))("of a rectangle in %s", async (_, format) => {
    stage.showPart(stage.surface(1, 20, 20, format, 8).paint(gradient), { x: 3, y: 4, width: 7, height: 5 });
    const { fd, width, height } = snapshot();
    expect([width, height, sizeOfFd(fd)]).toEqual([7, 5, 7 * 5 * 4]);
    const memory = NativeMemory.mapShared(fd, 0, 7 * 5 * 4, "read");
    const words = new Uint32Array(memory.view());
    for (let y = 0; y < 5; y++) {
      for (let x = 0; x < 7; x++) expect(words[y * 7 + x]! & 0xffffff).toBe(gradient(x + 3, y + 4));
    }
    const png = await encodePng(new Uint8Array(memory.view()).slice(), width, height);
    expect([...png.subarray(0, 4)]).toEqual([0x89, 0x50, 0x4e, 0x47]);
    memory.unmap();
    closeFd(fd);
  });

  test("of more pixels than the host is to pay for have no descriptor", () => {
    stage.show(stage.surface(1, 8192, 8193));
    expect(snapshot()).toMatchObject({
      fd: -1,
      error: "no picture of scanout 0: 8192x8193 pixels are too many to be copied",
    });
    tell({ type: "ask-pixels", token: 9, scanout: 0, x: 0, y: 0, width: 2 ** 31 - 1, height: 2 ** 31 - 1 });
    const [answer] = stage.runner.told("inspector").slice(-1);
    expect(answer).toMatchObject({ fd: -1, error: "8192x8193 pixels are too many to be copied" });
    tell({ type: "ask-pixels", token: 9, scanout: 0, x: 1, y: 1, width: 8, height: 8 });
    const part = stage.runner.told("inspector").at(-1)!;
    if (part.type !== "pixels") throw new Error("no pixels");
    expect(part).toMatchObject({ error: "", width: 8, height: 8 });
    closeFd(part.fd);
  });

  test("of a scanout that is off have no descriptor", () => {
    const error = "scanout 3 is off";
    expect(snapshot(3)).toEqual({ type: "snapshot", token: 9, fd: -1, width: 0, height: 0, error });
  });
});

test("a description names scanouts, cursors, sinks and what they did", () => {
  stage.connect();
  stage.showPart(stage.surface(3, 20, 20), { x: 1, y: 2, width: 10, height: 11 }, 1);
  tell({ type: "show-cursor", scanout: 1, slot: 0, x: 4, y: 5, hotX: 6, hotY: 7 });
  stage.settle();
  const state = description();
  expect(state).toMatchObject({
    surfaces: 1,
    scanouts: [
      {
        scanout: 1,
        shows: { surface: 3, format: 2, formatName: "B8G8R8X8", x: 1, y: 2, width: 10, height: 11 },
        cursor: {
          visible: true,
          x: 4,
          y: 5,
          hotX: 6,
          hotY: 7,
          imageHash: expect.stringMatching(/^[0-9a-f]{16}$/),
        },
      },
    ],
    sinks: [{ sink: "vmm", ready: true, blocked: false, frames: 1, frameBytes: 440, merged: 0, skipped: 0 }],
  });
  const counters = Object.fromEntries(
    counterNames.map((name, index) => [name, stage.runner.context.counters[index]]),
  );
  expect(counters).toMatchObject({ scanouts: 1, cursorImages: 1, surfaces: 1, frames: 1, bytes: 440 });
});

test("a display that stops leaves no mapping of a surface behind", async () => {
  const mappings = async () => (await Bun.file("/proc/self/maps").text()).split("memfd:leaving").length - 1;
  const other = new Stage();
  const fd = createMemfd("leaving", 4096);
  const format = Format.B8G8R8X8;
  const size = { offset: 0, bytes: 4096, stride: 128, width: 32, height: 32 };
  other.runner.tell({ type: "add-surface", surface: 1, fd, format, ...size });
  expect(await mappings()).toBe(1);
  other.stop();
  expect(await mappings()).toBe(0);
});
