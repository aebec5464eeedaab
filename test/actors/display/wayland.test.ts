// What a compositor sees of scanouts, damage and cursors.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pump } from "../../../lab/driver/pump.ts";
import { Fourcc } from "../../../src/picture/drm-formats.ts";
import { closeFd, createMemfd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { Counter } from "../../../src/actors/display/counters.ts";
import { Format } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { FakeContext, serverConfig } from "../../support/fake-context.ts";
import { withoutDuplicates } from "../../support/errno.ts";
import { openFds } from "../../support/fds.ts";
import { ScriptedCompositor, type ServerObject, usualGlobals } from "../../../lab/vmm/scripted-compositor.ts";
import { gradient, Stage, type TestSurface } from "./stage.ts";

const width = 37;
const height = 21;
const [maximized, fullscreen, activated] = [1, 2, 4];

let directory: string;
let path: string;
let stage: Stage;
let compositor: ScriptedCompositor;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "fencepost-wayland-"));
  path = join(directory, "wayland-0");
});
afterEach(() => {
  stage.stop();
  compositor.close();
  rmSync(directory, { recursive: true });
});

/** A display that shows windows, and a compositor for it. */
function begin(globals: Record<string, number> = usualGlobals): void {
  const pump = new Pump();
  compositor = new ScriptedCompositor(path, pump, globals);
  stage = new Stage(new FakeContext("display", serverConfig(`--wayland=${path}`)), pump);
  settle();
}

/** Runs both until neither has more to say. */
function settle(): void {
  for (let round = 0; round < 6; round++) {
    stage.runner.run();
    stage.pump.drain();
  }
}

/** Shows a painted surface in a window that is configured. */
function show(surface = stage.surface(1, width, height).paint(gradient)): TestSurface {
  stage.show(surface);
  settle();
  compositor.configure();
  settle();
  return surface;
}

const window = (): ServerObject => compositor.one("wl_surface");
const asked = (object: ServerObject, name: string) =>
  object.requests.filter((request) => request.name === name).map(({ args }) => args);
const commits = (): number => asked(window(), "commit").length;
const attached = (): ServerObject => asked(window(), "attach").at(-1)![0] as ServerObject;
const logged = (): string[] => stage.runner.context.logged.map(({ text }) => text);

function expectPixels(colourOf: (x: number, y: number) => number, columns = width): void {
  const pixels = compositor.pixelsOf(attached());
  const expected = Uint32Array.from(pixels, (_, at) => colourOf(at % columns, Math.floor(at / columns)));
  expect(pixels.map((pixel) => pixel & 0xffffff)).toEqual(expected);
}

function sinkState(): Record<string, unknown> {
  stage.runner.tell({ type: "ask-description", token: 1 });
  const description = stage.runner.told("supervisor").findLast(({ type }) => type === "description");
  if (description?.type !== "description") throw new Error("no description");
  return (description.state["sinks"] as Record<string, unknown>[])[0]!;
}

describe("a window", () => {
  beforeEach(() => begin());

  test("opens with its scanout, by its title and app id", () => {
    expect(compositor.all("xdg_toplevel")).toEqual([]);
    show();
    const toplevel = compositor.one("xdg_toplevel");
    expect(asked(toplevel, "set_title")).toEqual([["Fencepost — scanout 0"]]);
    expect(asked(toplevel, "set_app_id")).toEqual([["fencepost"]]);
  });

  test("shows nothing before it is configured, and answers the configure", () => {
    stage.show(stage.surface(1, width, height));
    settle();
    expect(asked(window(), "attach")).toEqual([]);
    compositor.configure();
    settle();
    expect(asked(window(), "attach").length).toBe(1);
    expect(asked(compositor.one("xdg_surface"), "ack_configure")).toEqual([[1]]);
  });

  test("shows the storage itself, whose changes need no copy", () => {
    const surface = show();
    expectPixels(gradient);
    surface.paint((x) => x);
    expectPixels((x) => x);
    expect(sinkState()["windows"]).toMatchObject([{ frames: 1, copiedFrames: 0 }]);
  });

  test("is one a scanout", () => {
    show();
    stage.show(stage.surface(2, 8, 8), 1);
    settle();
    expect(compositor.all("xdg_toplevel").length).toBe(2);
  });

  test("tells damage where it is, and a frame at a time", () => {
    show();
    const before = commits();
    stage.flush({ x: 1, y: 2, width: 3, height: 4 });
    stage.flush({ x: 10, y: 2, width: 3, height: 5 });
    settle();
    expect(commits()).toBe(before);
    compositor.drawFrame();
    settle();
    expect(commits()).toBe(before + 1);
    expect(asked(window(), "damage_buffer").at(-1)).toEqual([1, 2, 12, 5]);
    expect(sinkState()).toMatchObject({ frames: 2, merged: 1 });
  });

  test("shows the newest of many flips", () => {
    show();
    for (let id = 2; id < 50; id++) stage.show(stage.surface(id, width, height).paint(() => id));
    settle();
    expect(asked(window(), "attach").length).toBe(1);
    compositor.drawFrame();
    settle();
    expect(asked(window(), "attach").length).toBe(2);
    expectPixels(() => 49);
  });

  test("that shows two surfaces in turn keeps their buffers", () => {
    const first = show();
    const second = stage.surface(2, width, height);
    for (let flip = 0; flip < 6; flip++) {
      const { id } = flip % 2 === 0 ? second : first;
      if (flip === 0) stage.show(second);
      else stage.runner.tell({ type: "show-scanout", scanout: 0, surface: id, x: 0, y: 0, width, height });
      compositor.drawFrame();
      settle();
    }
    expect(asked(window(), "attach").length).toBe(7);
    expect(compositor.all("wl_buffer").length).toBe(2);
  });

  test("shows a part of a surface through a viewport", () => {
    const surface = stage.surface(1, width, height).paint(gradient);
    stage.showPart(surface, { x: 5, y: 6, width: 7, height: 8 });
    settle();
    compositor.configure();
    settle();
    expect(asked(compositor.one("wp_viewport"), "set_source")).toEqual([[5, 6, 7, 8]]);
    expect(asked(compositor.one("wp_viewport"), "set_destination")).toEqual([[7, 8]]);
    compositor.drawFrame();
    stage.flush({ x: 1, y: 1, width: 2, height: 2 });
    settle();
    expect(asked(window(), "damage_buffer").at(-1)).toEqual([6, 7, 2, 2]);
  });

  test.each(Object.entries(Format))(
    "shows %s, by a copy where the compositor does not take it",
    (_, format) => {
      show(stage.surface(1, width, height, format, 12, 64).paint(gradient));
      expectPixels(gradient);
      const isTaken = format === Format.B8G8R8A8 || format === Format.B8G8R8X8;
      expect(sinkState()["windows"]).toMatchObject([{ frames: 1, copiedFrames: isTaken ? 0 : 1 }]);
    },
  );

  test("brings a copy up to date that missed some frames", () => {
    const surface = stage.surface(1, width, height, Format.R8G8B8X8).paint(() => 1);
    show(surface);
    let kept: ServerObject | null = null;
    for (let frame = 2; frame < 12; frame++) {
      surface.set(frame, frame, frame);
      stage.flush({ x: frame, y: frame, width: 1, height: 1 });
      compositor.drawFrame();
      const before = attached();
      settle();
      expectPixels((x, y) => (x === y && x > 1 && x <= frame ? x : 1));
      // One is kept for a while.
      if (frame === 4) kept = before;
      else compositor.send(before, "release");
      if (frame === 8) compositor.send(kept!, "release");
    }
  });

  test("waits where the compositor has all its copies", () => {
    const surface = show(stage.surface(1, width, height, Format.R8G8B8X8));
    for (let frame = 0; frame < 5; frame++) {
      stage.flush({ x: 0, y: 0, width: 1, height: 1 });
      compositor.drawFrame();
      settle();
    }
    expect(asked(window(), "attach").length).toBe(3);
    surface.paint(gradient);
    stage.flush({ x: 0, y: 0, width, height });
    compositor.send(asked(window(), "attach")[0]![0] as ServerObject, "release");
    settle();
    expect(asked(window(), "attach").length).toBe(4);
    expectPixels(gradient);
  });

  test("has fewer copies of a large picture, and none of a huge one", () => {
    show(stage.surface(1, 6000, 6000, Format.R8G8B8X8));
    const pool = compositor.objects.find((one) => one.interface.name === "wl_shm_pool")!;
    expect(asked(pool, "create_buffer").length).toBe(1);
    stage.show(stage.surface(2, 9000, 9000, Format.R8G8B8X8));
    compositor.drawFrame();
    settle();
    expect(asked(window(), "attach").length).toBe(1);
    expect(logged().at(-1)).toContain(
      "scanout 0 cannot be shown in its window: 324000000 bytes are too many",
    );
    expect(compositor.isConnected).toBe(true);
  });

  test("closes when its scanout has been off for a while, and not in a change of modes", async () => {
    const surface = show();
    stage.off();
    settle();
    stage.show(stage.surface(2, 8, 8));
    stage.drop(surface);
    settle();
    expect(compositor.all("xdg_toplevel").length).toBe(1);
    stage.off();
    await Bun.sleep(1100);
    settle();
    expect(compositor.all("xdg_toplevel")).toEqual([]);
    expect(compositor.all("wl_surface")).toEqual([]);
    expect(compositor.all("wl_buffer")).toEqual([]);
    expect(stage.runner.released).toEqual([1]);
  });

  test("that somebody closes ends the device", () => {
    show();
    compositor.send(compositor.one("xdg_toplevel"), "close");
    settle();
    expect(stage.runner.told("supervisor")).toEqual([{ type: "shut-down", reason: "its window was closed" }]);
  });

  test("answers pings", () => {
    compositor.send(compositor.one("xdg_wm_base"), "ping", 77);
    settle();
    expect(asked(compositor.one("xdg_wm_base"), "pong")).toEqual([[77]]);
  });
});

describe("a guest's own pages", () => {
  beforeEach(() => begin());

  test("are copied for the compositor, damage by damage: it never gets a descriptor of them", () => {
    const surface = stage.surface(1, width, height).paint(gradient);
    const { fd, type: _, offset, bytes, ...form } = surface.message;
    const pieces = [0, 0, bytes];
    stage.runner.tell({ type: "add-guest-surface", regions: [{ fd }], pieces, offset, bytes, ...form });
    stage.runner.tell({ type: "show-scanout", scanout: 0, surface: 1, x: 0, y: 0, width, height });
    settle();
    compositor.configure();
    settle();
    expectPixels(gradient);
    const pool = asked(compositor.one("wl_shm"), "create_pool");
    for (let x = 0; x < width; x++) surface.set(x, 0, gradient(x, 0) ^ 0xff_ffff);
    // What lies in the compositor's buffer is as it was copied.
    expectPixels(gradient);
    stage.flush({ x: 0, y: 0, width, height: 1 });
    compositor.drawFrame();
    settle();
    expectPixels((x, y) => (y === 0 ? gradient(x, y) ^ 0xff_ffff : gradient(x, y)));
    expect(asked(compositor.one("wl_shm"), "create_pool")).toEqual(pool);
    stage.drop(surface);
    settle();
    // Nobody has them any more, though the compositor still shows its copy.
    expect(stage.runner.released).toEqual([1]);
  });
});

describe("the lease of a surface", () => {
  beforeEach(() => begin());

  test("lasts until the compositor has released its buffer", () => {
    const surface = show();
    const buffer = attached();
    stage.show(stage.surface(2, width, height));
    stage.drop(surface);
    compositor.drawFrame();
    settle();
    expect(stage.runner.released).toEqual([]);
    compositor.send(buffer, "release");
    settle();
    expect(stage.runner.released).toEqual([1]);
    expect(compositor.all("wl_buffer").length).toBe(1);
  });

  test("lasts as long where the ctrl queue has dropped it, and dies then", () => {
    show();
    const held = attached();
    stage.off();
    stage.drop(stage.surfaces[0]!);
    stage.runner.display.peerLost("ctrl-queue");
    settle();
    const { counters } = stage.runner.context;
    expect(counters[Counter.surfaces]).toBe(1);
    compositor.send(held, "release");
    settle();
    expect(counters[Counter.surfaces]).toBe(0);
    // Its successor may have another one of that number.
    expect(stage.runner.released).toEqual([]);
  });

  test("ends at once where the compositor has released it before, and the buffer goes too", () => {
    const surface = show();
    compositor.send(attached(), "release");
    stage.show(stage.surface(2, width, height));
    compositor.drawFrame();
    settle();
    expect(compositor.all("wl_buffer").length).toBe(2);
    stage.drop(surface);
    settle();
    expect(stage.runner.released).toEqual([1]);
    expect(compositor.all("wl_buffer").length).toBe(1);
  });

  test("ends with the connection", () => {
    const surface = show();
    stage.off();
    stage.drop(surface);
    settle();
    expect(stage.runner.released).toEqual([]);
    compositor.drop();
    settle();
    expect(stage.runner.released).toEqual([1]);
  });

  test("costs no descriptor once it is over", () => {
    show();
    const before = openFds();
    for (let id = 2; id < 300; id++) {
      const surface = stage.surface(id, 4, 4);
      stage.show(surface);
      compositor.drawFrame();
      settle();
      stage.show(stage.surface(id + 1000, 4, 4));
      stage.drop(surface);
      compositor.send(attached(), "release");
      compositor.drawFrame();
      settle();
      stage.runner.tell({ type: "drop-surface", surface: id + 1000 });
      settle();
    }
    // The test's own storage has one each; the compositor keeps those of its pools.
    expect(openFds() - before).toBeLessThan(2 * 298 + 2 * 298 + 8);
  });
});

describe("sizes", () => {
  const modes = () => {
    stage.runner.tell({ type: "ask-display-info", token: 5 });
    stage.runner.run();
    const answer = stage.runner.answers.at(-1)!;
    return answer.type === "display-info" ? answer.modes : [];
  };

  async function resize(toWidth: number, toHeight: number, states: number[] = []): Promise<void> {
    compositor.configure(undefined, toWidth, toHeight, states);
    settle();
    await Bun.sleep(120);
    settle();
  }

  test("that somebody gives the window are offered to the guest, once they settle", async () => {
    begin();
    show();
    compositor.configure(undefined, 100, 50);
    settle();
    expect(modes()[0]).toMatchObject({ width: 1280, height: 800 });
    await resize(640, 480);
    expect(modes()[0]).toMatchObject({ width: 640, height: 480 });
    expect(stage.runner.told("vhost-session")).toEqual([{ type: "display-changed" }]);
  });

  test("of an output that is off are nobody's", async () => {
    begin();
    show();
    stage.runner.tell({
      ...{ type: "ask-outputs", token: 1 },
      changes: { changes: [{ output: 0, isOn: false, size: null }], isAll: false },
    });
    await resize(640, 480);
    expect(modes()[0]).toMatchObject({ enabled: false, width: 0 });
    expect(stage.runner.told("vhost-session")).toEqual([{ type: "display-changed" }]);
  });

  test("are the VMM's business where it shows the picture", async () => {
    begin();
    stage.connect();
    show();
    await resize(640, 480);
    expect(stage.runner.told("vhost-session")).toEqual([]);
  });

  test("that the guest has already are not offered", async () => {
    begin();
    show();
    await resize(width, height, [activated]);
    expect(stage.runner.told("vhost-session")).toEqual([]);
  });

  test("of a maximised or full-screen window are met by stretching, until the guest follows", async () => {
    begin();
    show();
    const destination = () => asked(compositor.one("wp_viewport"), "set_destination").at(-1);
    await resize(640, 480, [maximized]);
    expect(destination()).toEqual([640, 480]);
    await resize(800, 600, [fullscreen]);
    expect(destination()).toEqual([800, 600]);
    await resize(0, 0, [activated]);
    expect(destination()).toEqual([width, height]);
  });

  test("are in the pixels of a screen that has more of them (fractional scale)", async () => {
    begin({ ...usualGlobals, wp_fractional_scale_manager_v1: 1 });
    show(stage.surface(1, 300, 150));
    compositor.send(compositor.one("wp_fractional_scale_v1"), "preferred_scale", 180);
    settle();
    expect(asked(compositor.one("wp_viewport"), "set_destination").at(-1)).toEqual([200, 100]);
    await resize(400, 200);
    expect(modes()[0]).toMatchObject({ width: 600, height: 300 });
  });

  test("are in the pixels of a screen that has more of them (the output's scale)", () => {
    begin();
    show(stage.surface(1, 300, 150));
    compositor.send(compositor.one("wl_output"), "scale", 2);
    compositor.send(window(), "enter", compositor.one("wl_output"));
    settle();
    expect(asked(compositor.one("wp_viewport"), "set_destination").at(-1)).toEqual([150, 75]);
  });
});

describe("the cursor", () => {
  const size = 64;
  let image: NativeMemory;

  beforeEach(() => {
    begin();
    image = stage.runner.context.area("cursor-images", "write");
    new Uint32Array(image.view()).forEach((_, at, pixels) => (pixels[at] = 0x8000_0000 + at));
    show();
  });
  afterEach(() => image.unmap());

  function pointAt(): ServerObject {
    compositor.send(compositor.one("wl_seat"), "capabilities", 1);
    settle();
    const pointer = compositor.one("wl_pointer");
    compositor.send(pointer, "enter", 9, window(), 0, 0);
    settle();
    return pointer;
  }

  const load = (slot = 1): void =>
    stage.runner.tell({ type: "show-cursor", scanout: 0, slot, x: 3, y: 4, hotX: 5, hotY: 6 });

  test("of the guest is the window's, with its hot spot", () => {
    load();
    const pointer = pointAt();
    const [serial, surface, hotX, hotY] = asked(pointer, "set_cursor").at(-1)!;
    expect([serial, hotX, hotY]).toEqual([9, 5, 6]);
    const buffer = asked(surface as ServerObject, "attach").at(-1)![0] as ServerObject;
    expect(compositor.pixelsOf(buffer)).toEqual(
      Uint32Array.from({ length: size * size }, (_, at) => 0x8000_0000 + size * size + at),
    );
  });

  test("that is hidden is hidden, and comes back", () => {
    load();
    const pointer = pointAt();
    stage.runner.tell({ type: "hide-cursor", scanout: 0, x: 0, y: 0 });
    settle();
    expect(asked(pointer, "set_cursor").at(-1)).toEqual([9, 0, 0, 0]);
    load(0);
    settle();
    expect(asked(pointer, "set_cursor").at(-1)![1]).not.toBe(0);
  });

  test("changes its image while the compositor has an old one, but not all of them", () => {
    load();
    const pointer = pointAt();
    const surface = asked(pointer, "set_cursor")[0]![1] as ServerObject;
    for (let change = 0; change < 10; change++) {
      load(change % 2);
      settle();
    }
    expect(asked(surface, "attach").length).toBe(3);
    compositor.send(asked(surface, "attach")[0]![0] as ServerObject, "release");
    settle();
    expect(asked(surface, "attach").length).toBe(4);
  });

  test("that only moves is no news to the compositor, which moves the pointer itself", () => {
    load();
    const pointer = pointAt();
    for (let x = 0; x < 10; x++) {
      stage.runner.tell({ type: "move-cursor", scanout: 0, x, y: 0 });
      settle();
    }
    expect(asked(pointer, "set_cursor").length).toBe(1);
  });

  test("is as large as its window's pixels, whose scale may change under it", () => {
    load();
    const pointer = pointAt();
    compositor.send(compositor.one("wl_output"), "scale", 2);
    compositor.send(compositor.all("wl_surface")[0]!, "enter", compositor.one("wl_output"));
    settle();
    expect(asked(pointer, "set_cursor").at(-1)!.slice(2)).toEqual([3, 3]);
    const viewport = compositor.all("wp_viewport").at(-1)!;
    expect(asked(viewport, "set_destination").at(-1)).toEqual([32, 32]);
  });

  test("is nobody's while the pointer is elsewhere", () => {
    const pointer = pointAt();
    expect(asked(pointer, "set_cursor")).toEqual([[9, 0, 0, 0]]);
    compositor.send(pointer, "leave", 10, window());
    settle();
    load();
    settle();
    expect(asked(pointer, "set_cursor").length).toBe(1);
  });
});

describe("dma-bufs", () => {
  const withDmabufs = { ...usualGlobals, zwp_linux_dmabuf_v1: 4 };

  /** Tells the client of formats, as {fourcc, modifier} rows. */
  function feedback(rows: readonly [number, bigint][]): void {
    const table = createMemfd("formats", rows.length * 16);
    const memory = NativeMemory.mapShared(table, 0, rows.length * 16, "write");
    const data = new DataView(memory.view());
    rows.forEach(([fourcc, modifier], at) => {
      data.setUint32(at * 16, fourcc, true);
      data.setBigUint64(at * 16 + 8, modifier, true);
    });
    const object = compositor.one("zwp_linux_dmabuf_feedback_v1");
    compositor.send(object, "format_table", table, rows.length * 16);
    const indices = Uint16Array.from(rows, (_, at) => at);
    compositor.send(object, "tranche_formats", new Uint8Array(indices.buffer));
    compositor.send(object, "tranche_done");
    compositor.send(object, "done");
    memory.unmap();
    closeFd(table);
    settle();
  }

  test("that the compositor takes are lent to it, with their modifier", () => {
    begin(withDmabufs);
    feedback([
      [Fourcc.XRGB8888, 0n],
      [Fourcc.XRGB8888, 0x0100_0000_0000_0002n],
    ]);
    const surface = stage.surface(1, width, height, Format.B8G8R8A8, 28);
    const changes = { fourcc: Fourcc.ARGB8888, modifierHigh: 0x0100_0000, modifierLow: 2 };
    stage.showDmabuf(surface, 0, changes);
    settle();
    compositor.configure();
    settle();
    const params = compositor.objects.find((one) => one.interface.name === "zwp_linux_buffer_params_v1")!;
    expect(asked(params, "add")[0]!.slice(1)).toEqual([0, 0, surface.stride, 0x0100_0000, 2]);
    expect(asked(params, "create_immed")[0]!.slice(1)).toEqual([width, height, Fourcc.XRGB8888, 0]);
    expect(attached()).toBe(asked(params, "create_immed")[0]![0] as ServerObject);
  });

  test("that it fails to import are not lent to it again, and copied", async () => {
    begin(withDmabufs);
    feedback([[Fourcc.XRGB8888, 0n]]);
    compositor.failsImports = true;
    stage.showDmabuf(stage.surface(1, width, height).paint(gradient));
    settle();
    compositor.configure();
    settle();
    expect(logged().at(-1)).toContain("error 7 of zwp_linux_buffer_params_v1: importing failed");
    expect(stage.runner.told("ctrl-queue").at(-1)).toMatchObject({ type: "sinks-changed", dmabuf: false });
    await Bun.sleep(1100);
    settle();
    expect(compositor.all("zwp_linux_dmabuf_v1")).toEqual([]);
    compositor.configure();
    settle();
    expectPixels(gradient);
    expect(sinkState()).toMatchObject({ connected: true, dmabuf: false });
  });

  test("that lie upside down are shown the right way up", () => {
    begin(withDmabufs);
    feedback([[Fourcc.XRGB8888, 0n]]);
    stage.showDmabuf(stage.surface(1, width, height), 0, { flags: 1 });
    settle();
    compositor.configure();
    settle();
    const params = compositor.objects.find((one) => one.interface.name === "zwp_linux_buffer_params_v1")!;
    expect(asked(params, "create_immed")[0]!.at(-1)).toBe(1);
  });

  test("that it does not take are copied where the CPU can read them", () => {
    begin(withDmabufs);
    feedback([[Fourcc.XBGR8888, 0n]]);
    stage.showDmabuf(stage.surface(1, width, height).paint(gradient));
    settle();
    compositor.configure();
    settle();
    expectPixels(gradient);
    expect(compositor.all("zwp_linux_buffer_params_v1")).toEqual([]);
  });

  test("that nobody can read leave the window as it is, and a line in the log", () => {
    begin(withDmabufs);
    feedback([[Fourcc.XRGB8888, 0n]]);
    stage.showDmabuf(stage.surface(1, width, height), 0, { modifierHigh: 0x0100_0000, modifierLow: 9 });
    settle();
    compositor.configure();
    settle();
    expect(asked(window(), "attach")).toEqual([]);
    expect(logged().join("\n")).toContain("scanout 0 cannot be shown in its window");
  });

  test("are taken from the ctrl queue only where every sink shows them", () => {
    begin(withDmabufs);
    expect(stage.runner.takes).toEqual([]);
    feedback([[Fourcc.XRGB8888, 0n]]);
    expect(stage.runner.takes).toEqual(["modifiers"]);
    stage.connect({ features: 0 });
    settle();
    expect(stage.runner.takes).toEqual(["modifiers", "no", "dmabuf"]);
    compositor.drop();
    settle();
    expect(stage.runner.takes.at(-1)).toBe("no");
  });

  test("are told by an older compositor one by one", () => {
    begin({ ...usualGlobals, zwp_linux_dmabuf_v1: 3 });
    compositor.send(compositor.one("zwp_linux_dmabuf_v1"), "modifier", Fourcc.XRGB8888, 0, 0);
    settle();
    stage.showDmabuf(stage.surface(1, width, height));
    settle();
    compositor.configure();
    settle();
    expect(compositor.objects.some((one) => one.interface.name === "zwp_linux_buffer_params_v1")).toBe(true);
  });

  test("of a table that is none end the connection", () => {
    begin(withDmabufs);
    const table = createMemfd("formats", 16);
    compositor.send(compositor.one("zwp_linux_dmabuf_feedback_v1"), "format_table", table, 4096);
    closeFd(table);
    settle();
    expect(logged().at(-1)).toContain("a format table is shorter than it says");
  });
});

describe("a compositor", () => {
  test("that is not there yet is found when it comes, and told of what is shown", async () => {
    stage = new Stage(new FakeContext("display", serverConfig(`--wayland=${path}`)));
    stage.show(stage.surface(1, width, height).paint(gradient));
    stage.runner.run();
    expect(logged().filter((text) => text.includes("no window"))).toHaveLength(1);
    compositor = new ScriptedCompositor(path, stage.pump);
    await Bun.sleep(1100);
    settle();
    compositor.configure();
    settle();
    expectPixels(gradient);
    expect(logged().filter((text) => text.includes("no window"))).toHaveLength(1);
  });

  test("that goes costs a window and not the guest; it is shown again when one returns", async () => {
    begin();
    show();
    compositor.drop();
    settle();
    expect(sinkState()).toMatchObject({ connected: false, windows: [] });
    stage.flush({ x: 0, y: 0, width: 1, height: 1 });
    settle();
    await Bun.sleep(1100);
    settle();
    expect(compositor.connections).toBe(2);
    compositor.configure();
    settle();
    expectPixels(gradient);
  });

  test("that lacks what a window needs is named", () => {
    begin({ wl_compositor: 3, wl_shm: 1 });
    expect(logged().at(-1)).toContain("it lacks wl_compositor 4 and xdg_wm_base");
  });

  test("that reports an error is left, with the error in the log", () => {
    begin();
    show();
    compositor.send(compositor.one("wl_display"), "error", window(), 2, "no such thing");
    settle();
    expect(logged().at(-1)).toContain("error 2 of wl_surface: no such thing");
    expect(compositor.isConnected).toBe(false);
  });

  test.each([
    ["an object that is none", Uint8Array.of(0x99, 0, 0, 0, 0, 0, 8, 0)],
    ["an event that is none", Uint8Array.of(1, 0, 0, 0, 9, 0, 8, 0)],
    ["a size that is none", Uint8Array.of(1, 0, 0, 0, 0, 0, 3, 0)],
    ["arguments that are missing", Uint8Array.of(1, 0, 0, 0, 1, 0, 8, 0)],
    [
      "a string of 2 GiB",
      Uint8Array.of(1, 0, 0, 0, 0, 0, 20, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff),
    ],
    ["an id that was never given", Uint8Array.of(1, 0, 0, 0, 1, 0, 12, 0, 0xff, 0xff, 0xff, 0xff)],
  ])("that sends %s is left", (_, bytes) => {
    begin();
    show();
    compositor.sendBytes(bytes);
    settle();
    expect(compositor.isConnected).toBe(false);
    expect(logged().at(-1)).toContain("no window: lost");
  });

  test("that sends more than a turn takes is heard to the end, and a VMM is served between", () => {
    begin();
    show();
    stage.connect();
    stage.settle();
    const serials = Array.from({ length: 12_000 }, (_, serial) => serial);
    const wmBase = compositor.one("xdg_wm_base");
    compositor.flood(wmBase, "ping", serials);
    stage.flush({ x: 0, y: 0, width: 1, height: 1 });
    const updates = stage.peer.updates().length;

    // One event of the compositor's, and one turn.
    stage.runner.context.epoll.wait(0);
    expect(stage.runner.display.turn()).toBe(true);
    stage.pump.drain();

    expect(stage.peer.updates().length).toBe(updates + 1);
    expect(asked(wmBase, "pong").length).toBeLessThan(serials.length);
    settle();
    expect(asked(wmBase, "pong").flat()).toEqual(serials);
  });

  test("that has no end of formats is left", () => {
    begin();
    const shm = compositor.one("wl_shm");
    for (let round = 0; round < 10 && compositor.isConnected; round++) {
      const formats = Array.from({ length: 7_000 }, (_, at) => round * 7_000 + at);
      compositor.flood(shm, "format", formats);
      settle();
    }
    expect(logged().at(-1)).toContain("it has no end of formats");
  });

  test("that cannot be given a buffer for want of descriptors costs the window until there are some", async () => {
    begin();
    stage.show(stage.surface(1, width, height).paint(gradient));
    withoutDuplicates(() => {
      settle();
      compositor.configure();
      settle();
    });
    expect(logged().at(-1)).toContain("fcntl failed with EMFILE");
    await Bun.sleep(1100);
    settle();
    compositor.configure();
    settle();
    expectPixels(gradient);
  });

  test("that reads nothing is waited for by nobody", () => {
    begin();
    show();
    compositor.isReading = false;
    for (let id = 2; id < 200; id++) {
      const surface = stage.surface(id, width, height);
      stage.show(surface);
      stage.flush({ x: 0, y: 0, width: 1, height: 1 });
      stage.runner.run();
    }
    compositor.isReading = true;
    settle();
    expect(compositor.isConnected).toBe(true);
  });

  test("is told nothing more by a display that ends", () => {
    begin();
    show();
    stage.runner.stopDisplay();
    stage.pump.drain();
    expect(compositor.isConnected).toBe(false);
  });
});
