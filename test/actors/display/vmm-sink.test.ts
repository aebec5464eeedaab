// What a VMM sees of scanouts, damage and cursors.

import { heapStats } from "bun:jsc";
import { afterEach, beforeEach, describe, expect, spyOn, test } from "bun:test";
import { Counter } from "../../../src/actors/display/counters.ts";
import { DisplayRequest } from "../../../src/transport/wire/vhost-user-gpu/protocol.ts";
import { duplicateFd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { Format } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import type { DisplayPeerOptions } from "../../../lab/vmm/display-options.ts";
import { generateEdid } from "../../../src/picture/edid.ts";
import type { ServerConfig } from "../../../src/config.ts";
import { FakeContext, serverConfig } from "../../support/fake-context.ts";
import { gradient, Stage } from "./stage.ts";

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => {
  for (const peer of stage.peers) expect(peer.violations).toEqual([]);
  stage.stop();
});

function expectShown(id: number, colourOf: (x: number, y: number) => number): void {
  const { width, height, pixels } = stage.peer.framebuffer(id)!;
  const expected = Uint32Array.from(pixels, (_, at) => colourOf(at % width, Math.floor(at / width)));
  expect(pixels.map((pixel) => pixel & 0xffffff)).toEqual(expected);
  expect(pixels.length).toBe(width * height);
}

const sinkState = () => {
  stage.runner.tell({ type: "ask-description", token: 1 });
  const description = stage.runner.told("supervisor").at(-1)!;
  if (description.type !== "description") throw new Error("no description");
  return (description.state["sinks"] as Record<string, unknown>[])[0]!;
};

describe("features", () => {
  test("asks for protocol features first and sets what both know", () => {
    stage.connect({ features: 3 });
    stage.settle();
    expect(stage.peer.events).toEqual([{ kind: "asked", request: DisplayRequest.GET_PROTOCOL_FEATURES }]);
    expect(stage.peer.negotiated).toBe(3n);
    expect(sinkState()["features"]).toEqual(["EDID", "DMABUF2"]);
  });

  test("sets none where the VMM has none", () => {
    stage.connect({ features: 0 });
    stage.settle();
    expect(stage.peer.negotiated).toBe(0n);
  });
});

describe("scanouts", () => {
  test.each(Object.entries(Format))("%s is shown in its colours", (_, format) => {
    stage.connect();
    stage.show(stage.surface(1, 37, 21, format, 12, 64).paint(gradient));
    stage.settle();
    expectShown(0, gradient);
  });

  test.each(Object.entries(Format))("a rectangle of a surface in %s", (_, format) => {
    stage.connect();
    const surface = stage.surface(1, 40, 30, format).paint(gradient);
    stage.showPart(surface, { x: 5, y: 7, width: 20, height: 11 }, 3);
    stage.settle();
    expectShown(3, (x, y) => gradient(x + 5, y + 7));

    surface.paint(() => 0xff0000);
    stage.flush({ x: 2, y: 3, width: 4, height: 5 }, 3);
    stage.settle();
    expect(stage.peer.updates(3).at(-1)).toEqual({ x: 2, y: 3, width: 4, height: 5 });
    expectShown(3, (x, y) => (x >= 2 && x < 6 && y >= 3 && y < 8 ? 0xff0000 : gradient(x + 5, y + 7)));
  });

  test("more rows than one gather list holds", () => {
    stage.connect();
    const surface = stage.surface(1, 4, 3000).paint(gradient);
    stage.showPart(surface, { x: 1, y: 0, width: 2, height: 3000 });
    stage.settle();
    expectShown(0, (x, y) => gradient(x + 1, y));
  });

  test("one surface on two scanouts, and two heads of it side by side", () => {
    stage.connect();
    const surface = stage.surface(1, 32, 8).paint(gradient);
    stage.showPart(surface, { x: 0, y: 0, width: 16, height: 8 }, 0);
    stage.showPart(surface, { x: 16, y: 0, width: 16, height: 8 }, 1);
    stage.settle();
    expectShown(0, gradient);
    expectShown(1, (x, y) => gradient(x + 16, y));
  });

  test("a page flip of the same size sends no SCANOUT", () => {
    stage.connect();
    stage.show(stage.surface(1, 16, 16).paint(() => 1));
    stage.settle();
    stage.show(stage.surface(2, 16, 16).paint(() => 2));
    stage.settle();
    expect(stage.peer.count(DisplayRequest.SCANOUT)).toBe(1);
    expectShown(0, () => 2);
  });

  test("another size and off", () => {
    stage.connect();
    stage.show(stage.surface(1, 16, 16));
    stage.settle();
    stage.show(stage.surface(2, 8, 24).paint(gradient));
    stage.settle();
    expectShown(0, gradient);
    stage.runner.tell({ type: "hide-scanout", scanout: 0 });
    stage.settle();
    expect(stage.peer.framebuffer(0)).toBeNull();
  });

  test("a scanout that was never on is not turned off", () => {
    stage.connect();
    stage.runner.tell({ type: "hide-scanout", scanout: 0 });
    stage.settle();
    expect(stage.peer.count(DisplayRequest.SCANOUT)).toBe(0);
  });

  test("a flush of nothing, and of a scanout that is off, sends nothing", () => {
    stage.connect();
    stage.show(stage.surface(1, 16, 16));
    stage.settle();
    stage.flush({ x: 3, y: 3, width: 0, height: 5 });
    stage.flush({ x: 0, y: 0, width: 5, height: 5 }, 1);
    stage.settle();
    expect(stage.peer.count(DisplayRequest.UPDATE)).toBe(1);
  });

  test("damage of several flushes is sent as one rectangle", () => {
    stage.connect();
    const surface = stage.surface(1, 64, 64);
    stage.show(surface);
    stage.settle();
    surface.paint(gradient);
    stage.flush({ x: 10, y: 20, width: 1, height: 2 });
    stage.flush({ x: 30, y: 4, width: 5, height: 6 });
    stage.settle();
    expect(stage.peer.updates().at(-1)).toEqual({ x: 10, y: 4, width: 25, height: 18 });
    expect(sinkState()).toMatchObject({ frames: 2, merged: 1, skipped: 0 });
    expect(stage.runner.context.counters[Counter.flushesMerged]).toBe(1);
  });
});

describe("a VMM that does not read", () => {
  const width = 800;
  const height = 600;

  function stall(): void {
    stage.connect();
    stage.settle();
    stage.peer.pause();
  }

  test("gets the newest frame when it reads again", () => {
    stall();
    const surface = stage.surface(1, width, height, Format.R8G8B8X8);
    stage.show(surface);
    for (let frame = 1; frame <= 500; frame++) {
      surface.bytes.fill(frame & 0xff);
      stage.flush({ x: 0, y: 0, width, height });
      stage.runner.run();
    }
    expect(sinkState()["blocked"]).toBe(true);
    expect(stage.runner.context.counters[Counter.flushesMerged]).toBeGreaterThan(490);
    stage.peer.resume();
    stage.settle();
    const last = (500 & 0xff) * 0x010101;
    expectShown(0, () => last);
    // The one that was under way, and the newest.
    expect(stage.peer.count(DisplayRequest.UPDATE)).toBe(2);
  });

  test("costs no memory", () => {
    stall();
    stage.show(stage.surface(1, width, height, Format.X8B8G8R8));
    const flood = (count: number): void => {
      for (let frame = 0; frame < count; frame++) {
        stage.flush({ x: 0, y: 0, width, height });
        stage.runner.tell({ type: "move-cursor", scanout: 0, x: frame, y: frame });
        stage.runner.run();
      }
      Bun.gc(true);
    };
    flood(2000);
    // What is reachable, and not the resident set, in which every test of this process has left its garbage.
    const before = heapStats().heapSize;
    flood(20_000);
    expect(heapStats().heapSize - before).toBeLessThan(1024 * 1024);
  });

  test("never holds up who draws", () => {
    stall();
    stage.show(stage.surface(1, width, height));
    stage.runner.run();
    // A write that waits would never come back: nobody reads.
    for (let frame = 0; frame < 1000; frame++) {
      stage.flush({ x: 0, y: 0, width, height });
      stage.runner.run();
    }
    expect(sinkState()["blocked"]).toBe(true);
  });

  test("does not keep a surface longer than the message that is half sent", () => {
    stall();
    const surface = stage.surface(1, width, height).paint(gradient);
    stage.show(surface);
    stage.runner.run();
    stage.runner.tell({ type: "hide-scanout", scanout: 0 }, { type: "drop-surface", surface: 1 });
    stage.runner.run();
    expect(stage.runner.released).toEqual([]);
    stage.peer.resume();
    stage.settle();
    expect(stage.runner.released).toEqual([1]);
    expect(stage.peer.framebuffer(0)).toBeNull();
  });

  test("finishes a frame under page flips, so that all of the screen is seen", () => {
    stall();
    const tall = 2 * 1024 * 1024;
    const [one, two] = [1, 2].map((id) => stage.surface(id, 4, tall));
    one!.bytes.fill(1);
    two!.bytes.fill(2);
    stage.show(one!);
    stage.runner.run();
    stage.show(two!);
    stage.runner.run();
    stage.peer.resume();
    stage.settle();
    // Two bands of 16 MiB each.
    expect(stage.peer.count(DisplayRequest.UPDATE)).toBe(4);
    expect(stage.peer.framebuffer(0)!.pixels.every((pixel) => pixel === 0x02020202)).toBe(true);
    expect(sinkState()).toMatchObject({ frames: 2, skipped: 0 });
  });

  test("sends rows that are longer than a message may be in pieces", () => {
    const width = 5 * 2 ** 20;
    stage.connect();
    const wide = stage.surface(1, width, 2, Format.R8G8B8X8);
    const words = new Uint32Array(wide.memory.view());
    for (let at = 0; at < words.length; at++) words[at] = at & 0xff_ffff;
    stage.show(wide);
    stage.settle();
    expect(stage.peer.count(DisplayRequest.UPDATE)).toBe(3);
    const shown = stage.peer.framebuffer(0)!.pixels;
    const swapped = (colour: number): number =>
      ((colour & 0xff) << 16) | (colour & 0xff00) | ((colour >> 16) & 0xff);
    expect(shown.findIndex((pixel, at) => (pixel & 0xff_ffff) !== swapped(words[at]!))).toBe(-1);
    expect(sinkState()).toMatchObject({ frames: 1, skipped: 0 });
  });

  test("loses the rest of a frame when the size changes", () => {
    stall();
    stage.show(stage.surface(1, 4, 2 * 1024 * 1024));
    stage.runner.run();
    stage.show(stage.surface(2, 8, 8).paint(gradient));
    stage.runner.run();
    stage.peer.resume();
    stage.settle();
    expectShown(0, gradient);
    expect(sinkState()).toMatchObject({ frames: 1, skipped: 1 });
    expect(stage.peer.count(DisplayRequest.UPDATE)).toBe(2);
  });
});

describe("cursors", () => {
  const cursorBytes = 64 * 64 * 4;
  let pool: NativeMemory;
  let images: Uint8Array;

  beforeEach(() => {
    pool = stage.runner.context.area("cursor-images", "write");
    images = new Uint8Array(pool.view());
    images.fill(0x11, 0, cursorBytes);
    images.fill(0x22, cursorBytes);
  });
  afterEach(() => {
    pool.unmap();
  });

  const load = (slot: number, x: number, y: number, scanout = 0) =>
    stage.runner.tell({ type: "show-cursor", scanout, slot, x, y, hotX: 3, hotY: 4 });

  test("image, hot spot and position", () => {
    stage.connect();
    load(1, 10, 20, 2);
    stage.settle();
    const cursor = stage.peer.cursors[2]!;
    expect(cursor).toMatchObject({ visible: true, x: 10, y: 20, hotX: 3, hotY: 4 });
    expect(cursor.pixels.every((pixel) => pixel === 0x22222222)).toBe(true);
  });

  test("the image is the one of the time of the message", () => {
    load(0, 1, 1);
    images.fill(0x99);
    stage.connect();
    stage.settle();
    expect(stage.peer.cursors[0]!.pixels[0]).toBe(0x11111111);
  });

  test("moves are merged, and the image goes once", () => {
    stage.connect();
    stage.settle();
    load(0, 0, 0);
    for (let x = 1; x <= 100; x++) stage.runner.tell({ type: "move-cursor", scanout: 0, x, y: 2 * x });
    stage.settle();
    expect(stage.peer.events.slice(1)).toEqual([{ kind: "cursor-update", scanoutId: 0, x: 100, y: 200 }]);
    stage.runner.tell({ type: "move-cursor", scanout: 0, x: -5, y: 7 });
    stage.settle();
    expect(stage.peer.events.at(-1)).toEqual({
      kind: "cursor-move",
      scanoutId: 0,
      x: 0xffff_fffb,
      y: 7,
    });
  });

  test("hidden, moved while hidden, and shown with a new image", () => {
    stage.connect();
    load(0, 5, 5);
    stage.settle();
    stage.runner.tell({ type: "hide-cursor", scanout: 0, x: 6, y: 6 });
    stage.settle();
    expect(stage.peer.events.at(-1)).toEqual({ kind: "cursor-hide", scanoutId: 0, x: 6, y: 6 });
    stage.runner.tell({ type: "move-cursor", scanout: 0, x: 7, y: 7 });
    stage.settle();
    expect(stage.peer.count(DisplayRequest.CURSOR_POS)).toBe(0);
    load(1, 8, 8);
    stage.settle();
    expect(stage.peer.cursors[0]).toMatchObject({ visible: true, x: 8, y: 8 });
    expect(stage.peer.cursors[0]!.pixels[0]).toBe(0x22222222);
  });

  test("an image that was hidden before it was sent is never sent", () => {
    stage.connect();
    load(0, 5, 5);
    stage.runner.tell({ type: "hide-cursor", scanout: 0, x: 6, y: 6 });
    stage.settle();
    expect(stage.peer.count(DisplayRequest.CURSOR_UPDATE)).toBe(0);
    expect(stage.peer.cursors[0]!.visible).toBe(false);
  });

  test("a cursor passes between the bands of a large frame", () => {
    stage.connect();
    stage.settle();
    stage.show(stage.surface(1, 8, 1024 * 1024));
    stage.runner.run();
    load(0, 1, 2);
    stage.settle();
    const kinds = stage.peer.events.slice(1).map(({ kind }) => kind);
    expect(kinds).toEqual(["scanout", "update", "cursor-update", "update"]);
  });

  test("a slot outside of the pool is our bug", () => {
    const slots = pool.length / cursorBytes;
    expect(() => load(slots, 0, 0)).toThrow(RangeError);
    expect(() => load(-1, 0, 0)).toThrow(RangeError);
  });

  test("a new VMM gets the scanout, a full update and the cursor", () => {
    stage.connect();
    load(1, 30, 40);
    stage.show(stage.surface(1, 20, 10).paint(gradient));
    stage.settle();
    stage.peer.close();
    stage.runner.run();
    expect(stage.runner.context.logged.map(({ text }) => text)).toContain("the VMM closed its display");
    stage.flush({ x: 1, y: 1, width: 2, height: 2 });
    stage.runner.tell({ type: "move-cursor", scanout: 0, x: 31, y: 41 });

    stage.connect();
    stage.settle();
    expectShown(0, gradient);
    expect(stage.peer.cursors[0]).toMatchObject({ visible: true, x: 31, y: 41, hotX: 3, hotY: 4 });
    expect(stage.peer.cursors[0]!.pixels[0]).toBe(0x22222222);
  });

  test("a second socket replaces the first, which is closed", () => {
    const first = stage.connect();
    load(0, 1, 1);
    stage.settle();
    stage.connect();
    stage.settle();
    expect(first.closed).toBe(true);
    expect(stage.peer.cursors[0]!.visible).toBe(true);
  });
});

describe("the end of a VMM", () => {
  test("in the middle of a frame gives the surface back", () => {
    stage.connect();
    stage.settle();
    stage.peer.pause();
    stage.show(stage.surface(1, 800, 600));
    stage.runner.run();
    stage.runner.tell({ type: "drop-surface", surface: 1 });
    stage.runner.run();
    expect(stage.runner.released).toEqual([]);
    stage.peer.close();
    stage.runner.run();
    expect(stage.runner.released).toEqual([1]);
  });

  test("that is noticed by sending costs the sink only", () => {
    stage.connect();
    stage.settle();
    stage.peer.close();
    stage.show(stage.surface(1, 8, 8).paint(gradient));
    expect(stage.runner.display.turn()).toBe(false);
    expect(stage.runner.context.logged.at(-1)).toEqual({
      level: "info",
      text: "the VMM closed its display",
    });
    stage.connect();
    stage.settle();
    expectShown(0, gradient);
  });

  test("by message closes the socket", () => {
    stage.connect();
    stage.settle();
    stage.runner.tell({ type: "vmm-socket-closed" }, { type: "vmm-socket-closed" });
    stage.pump.drain();
    expect(stage.peer.closed).toBe(true);
  });

  test("a duplicate of a dead socket is not used", () => {
    stage.connect();
    stage.settle();
    stage.peer.close();
    stage.runner.run();
    const surface = stage.surface(1, 8, 8);
    stage.runner.tell({ type: "take-vmm-socket", fd: duplicateFd(surface.fd), socket: stage.socket });
    stage.runner.tell({ type: "ask-description", token: 1 });
    expect(stage.runner.told("supervisor").at(-1)).toMatchObject({ state: { sinks: [] } });
  });
});

describe("pace", () => {
  const all = { x: 0, y: 0, width: 8, height: 8 };
  let clock = 1_000_000;
  /** After so many looks at the clock it jumps; 0: not. */
  let looks = 0;
  const frames = (): number => stage.peer.count(DisplayRequest.UPDATE);

  function paced(frameRate: ServerConfig["frameRate"], options: DisplayPeerOptions = {}): void {
    stage.stop();
    const nanoseconds = spyOn(Bun, "nanoseconds").mockImplementation(() => {
      if (looks > 0 && --looks === 0) clock += 0.2;
      return clock * 1e6;
    });
    restore = () => nanoseconds.mockRestore();
    stage = new Stage(new FakeContext("display", { ...serverConfig(), frameRate }));
    stage.connect(options);
    stage.show(stage.surface(1, 8, 8).paint(gradient));
    stage.settle();
    pass(1000);
  }

  let restore = (): void => undefined;
  afterEach(() => restore());

  function pass(ms: number): void {
    clock += ms;
    stage.settle();
  }

  /** Frames that a guest gets shown which flushes every millisecond for a second. */
  function framesASecond(): number {
    const before = frames();
    for (let ms = 0; ms < 1000; ms++) {
      stage.flush(all);
      pass(1);
    }
    return frames() - before;
  }

  /** As the queues see it. */
  function periodTold(): number {
    const area = stage.runner.context.area("display-period", "read");
    const [period] = new Int32Array(area.view());
    area.unmap();
    return period!;
  }

  test("is 60 pictures a second where nobody says another", () => {
    paced(undefined);
    expect(framesASecond()).toBe(60);
    expect(sinkState()["frameRate"]).toBe(60);
    expect(periodTold()).toBe(16_667);
  });

  test("is what the VMM's EDID says, as soon as it has said it", () => {
    const edid = new Uint8Array(generateEdid(1280, 800, 0));
    // The pixel clock of the preferred mode, which is 75 Hz then.
    const clockOf = new DataView(edid.buffer);
    clockOf.setUint16(54, Math.round(clockOf.getUint16(54, true) * 1.25), true);
    edid[127] = 0;
    edid[127] = -edid.reduce((sum, byte) => sum + byte, 0) & 0xff;
    paced(undefined, { edid });
    expect(sinkState()["frameRate"]).toBe(60);
    stage.runner.tell({ type: "ask-edid", token: 1, scanout: 0 });
    stage.settle();
    expect(sinkState()["frameRate"]).toBe(75);
    expect(framesASecond()).toBe(75);
    expect(periodTold()).toBeCloseTo(1e6 / 75, -2);
  });

  test("is the same when another output's EDID is the first that is asked for", () => {
    paced(undefined);
    stage.runner.tell({ type: "ask-edid", token: 1, scanout: 1 });
    stage.settle();
    expect(framesASecond()).toBe(60);
    expect(periodTold()).toBe(16_667);
  });

  test("is what the settings say, whatever the EDID does", () => {
    paced(25);
    stage.runner.tell({ type: "ask-edid", token: 1, scanout: 0 });
    stage.settle();
    expect(framesASecond()).toBe(25);
    expect(periodTold()).toBe(40_000);
  });

  test("is none where the settings want none", () => {
    paced("unlimited");
    expect(framesASecond()).toBe(1000);
    expect(periodTold()).toBe(0);
    expect(sinkState()["frameRate"]).toBe("unlimited");
  });

  test("lets no pixels come before the picture that they are of, wherever in a turn their slot begins", () => {
    paced(50);
    for (let look = 1; look <= 40; look++) {
      pass(1000);
      stage.show(stage.surface(2 * look, 8, 8).paint(gradient));
      stage.settle();
      pass(5);
      stage.show(stage.surface(2 * look + 1, 9, 7).paint(gradient));
      pass(14.9);
      looks = look;
      stage.settle();
      looks = 0;
      pass(100);
      expectShown(0, gradient);
      expect(stage.peer.framebuffer(0)).toMatchObject({ width: 9, height: 7 });
    }
  });

  test("is a cursor's too, which never waits for a picture's slot", () => {
    paced(50);
    const moves = (): number => stage.peer.count(DisplayRequest.CURSOR_POS);
    stage.runner.tell({ type: "show-cursor", scanout: 0, slot: 0, x: 0, y: 0, hotX: 0, hotY: 0 });
    stage.settle();
    pass(100);
    stage.flush(all);
    stage.settle();

    stage.runner.tell({ type: "move-cursor", scanout: 0, x: 1, y: 1 });
    stage.settle();
    expect(moves()).toBe(1);
    for (let x = 2; x <= 30; x++) {
      stage.runner.tell({ type: "move-cursor", scanout: 0, x, y: 1 });
      stage.settle();
    }
    expect(moves()).toBe(1);
    pass(20);
    expect(moves()).toBe(2);
    expect(stage.peer.cursors[0]).toMatchObject({ x: 30, y: 1, visible: true });
  });

  for (const [lateMs, waits, how, wakeUps] of [
    [0, true, "until it looks", 0],
    [0, false, "without end", 0],
    [10, true, "until it is read", 1],
    [10, false, "without end", 0],
  ] as const) {
    const when = `its reader takes a picture ${lateMs} ms later and ${waits ? "another" : "no other"} waits`;
    test(`lets the display sleep ${how} while ${when}`, () => {
      paced(50);
      const { timers, epoll } = stage.runner.context;
      stage.peer.pause();
      stage.flush(all);
      stage.runner.run();
      if (waits) stage.flush(all);
      stage.runner.run();
      clock += lateMs;
      stage.runner.run();
      expect(timers.timeout() >= 0).toBe(how === "until it looks");
      stage.peer.resume();
      stage.pump.drain();
      expect(epoll.wait(0)).toBe(wakeUps);
      pass(8);
      pass(100);
      expect(timers.timeout()).toBe(-1);
    });
  }

  test("shows a guest that draws once a slot each picture at once, where its reader takes them in time", () => {
    paced(50);
    for (let count = 1; count <= 20; count++) {
      const before = frames();
      stage.peer.pause();
      stage.flush(all);
      stage.runner.run();
      // Taken with nobody awake who would see that.
      stage.peer.resume();
      stage.pump.drain();
      expect(frames() - before).toBe(1);
      clock += 20;
    }
  });

  test("is kept by a reader that takes long, with half a slot of rest between two pictures", () => {
    paced(50);
    const before = frames();
    for (let round = 0; round < 10; round++) {
      stage.peer.pause();
      stage.flush(all);
      clock += 1;
      stage.runner.run();
      clock += 29;
      stage.flush(all);
      stage.runner.run();
      stage.peer.resume();
      stage.settle();
      const sent = frames();
      pass(9);
      expect(frames()).toBe(sent);
      pass(1);
    }
    expect(frames() - before).toBeLessThanOrEqual(20);
    expect(frames() - before).toBeGreaterThanOrEqual(10);
  });
});
