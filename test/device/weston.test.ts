// Windows on a real compositor: Weston, whose screen is compared with what the guest has drawn.

import { afterEach, describe, expect, test } from "bun:test";
import { playScene } from "../../lab/demo/scene-2d.ts";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { type GuestOptions, SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { ConfigSpace, Event, Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import type { Picture } from "../support/wayland/shooter.ts";
import { Weston, type WestonOptions } from "../support/wayland/weston.ts";
import { expectOk, expectShown, expectWorking } from "./support.ts";

const screen = { width: 640, height: 480 };
/** What crosvm is to the device: it has no display of its own, and hears of changes of the configuration. */
const asCrosvm: GuestOptions = { frontend: "crosvm", display: null, patienceMs: 10_000 };

let weston: Weston;
let server: ServerProcess;
let guest: SyntheticGuest;

/** Ends what a test has started, the last first. */
const ends: (() => unknown)[] = [];

async function begin(options: WestonOptions, guestOptions: GuestOptions): Promise<void> {
  weston = new Weston(options);
  ends.push(() => weston.end());
  await weston.start();
  server = await ServerProcess.start({ args: [`--wayland=${weston.path}`] });
  ends.push(() => server.stop());
  guest = SyntheticGuest.boot(server.socketPath, guestOptions);
  ends.push(() => guest.close());
}

afterEach(async () => {
  const log = ends.length > 2 ? server.log() : "";
  for (const end of ends.splice(0).toReversed()) await end();
  expect(log).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m);
});

/** Shows a picture of which no two pixels are the same. */
function show(width: number, height: number, id = 1): Uint32Array {
  const image = guest.gpu.createImage(id, Format.B8G8R8X8, width, height);
  image.pixels.forEach((_, at) => (image.pixels[at] = (id << 20) + at));
  expectOk(guest.gpu.transferToHost2d(id, areaOf(image)));
  guest.gpu.show(0, image);
  return image.pixels;
}

const isPicture =
  (expected: ArrayLike<number>) =>
  ({ pixels }: Picture): boolean =>
    pixels.length === expected.length && pixels.every((pixel, at) => pixel === (expected[at]! & 0xffffff));

/** Where a window that shows `expected` has its top left corner; null where it is not on the screen. */
function findWindow(
  { width, pixels }: Picture,
  expected: Uint32Array,
  columns: number,
): [number, number] | null {
  const isWholeAt = (start: number): boolean =>
    expected.every((pixel, at) => {
      const row = Math.floor(at / columns);
      return pixels[start + row * width + (at % columns)] === (pixel & 0xffffff);
    });
  const first = expected[0]! & 0xffffff;
  for (let start = pixels.indexOf(first); start >= 0; start = pixels.indexOf(first, start + 1)) {
    if (isWholeAt(start)) return [start % width, Math.floor(start / width)];
  }
  return null;
}

describe("a window on a screen without a seat", () => {
  const size = { width: 480, height: 320 };
  const beside: GuestOptions = { display: { modes: [{ x: 0, y: 0, ...size }] }, patienceMs: 10_000 };
  const untilSeen = (pixels: Uint32Array, what: string): Promise<Picture> =>
    weston.untilShown((picture) => findWindow(picture, pixels, size.width) !== null, what);

  test("equals what the VMM shows of the demo", async () => {
    await begin({ width: 1000, height: 800 }, beside);
    await playScene(
      guest,
      { ...size, seconds: 1 },
      () => false,
      () => undefined,
    );
    guest.pump.serve(100);
    await untilSeen(guest.display!.framebuffer(0)!.pixels, "the demo's last frame");
  });

  test("that freezes keeps neither the guest nor the VMM waiting, and shows the newest picture later", async () => {
    await begin({ width: 1000, height: 800 }, beside);
    await untilSeen(show(size.width, size.height), "the picture");
    weston.freeze();
    let newest = new Uint32Array();
    for (let id = 2; id < 10; id++) {
      newest = show(size.width, size.height, id).slice();
      expectWorking(guest);
    }
    expectShown(guest, 0, size.width, size.height, newest);
    weston.thaw();
    await untilSeen(newest, "the newest picture");
  });

  test("is there again when the display actor was lost", async () => {
    await begin({ width: 1000, height: 800 }, beside);
    const pixels = show(size.width, size.height);
    await untilSeen(pixels, "the picture");
    expect(await server.control({ command: "kill", actor: "display" })).toEqual({ ok: true });
    pixels.reverse();
    const image = { x: 0, y: 0, ...size };
    expectOk(guest.gpu.transferToHost2d(1, image));
    expectOk(guest.gpu.flushResource(1, image));
    await untilSeen(pixels, "the picture of now");
  });
});

describe("a window that fills the screen", () => {
  test("equals what the VMM shows of the demo", async () => {
    await begin(
      { ...screen, shell: "kiosk", hasSeat: true },
      { display: { modes: [{ x: 0, y: 0, ...screen }] }, patienceMs: 10_000 },
    );
    await playScene(
      guest,
      { ...screen, seconds: 1 },
      () => false,
      () => undefined,
    );
    // The pointer of the screen is somewhere else than the guest thinks.
    expectOk(guest.gpu.updateCursor({ scanoutId: 0, x: 0, y: 0 }, 0));
    guest.pump.serve(100);
    const shown = guest.display!.framebuffer(0)!;
    await weston.untilShown(isPicture(shown.pixels), "the demo's last frame");
  });

  test("follows every format", async () => {
    await begin({ ...screen, shell: "kiosk", hasSeat: true }, asCrosvm);
    let id = 0;
    for (const format of Object.values(Format)) {
      const image = guest.gpu.createImage(++id, format, screen.width, screen.height);
      image.pixels.fill(0x1122_3344);
      expectOk(guest.gpu.transferToHost2d(id, areaOf(image)));
      guest.gpu.show(0, image);
      const colour = colourOf(format);
      await weston.untilShown(({ pixels }) => pixels.every((pixel) => pixel === colour), `format ${format}`);
    }
  });

  test("offers the guest the screen's size, which it takes", async () => {
    await begin({ width: 800, height: 600, shell: "kiosk", hasSeat: true }, asCrosvm);
    show(640, 480);
    guest.pump.until(() => guest.frontend.backendRequests.length > 0, "the change of the configuration");
    expect(guest.frontend.backendRequests.map(({ request }) => request)).toEqual([2]);
    const events = new DataView(guest.frontend.getConfig(ConfigSpace.eventsRead, 4, 1).slice().buffer);
    expect(events.getUint32(0, true)).toBe(Event.DISPLAY);
    expect(guest.gpu.getDisplayInfo().modes[0]).toMatchObject({ width: 800, height: 600, enabled: true });
    const pixels = show(800, 600, 2);
    await weston.untilShown(isPicture(pixels), "the picture in the new mode");
  });

  test("is there again when its compositor was killed and has returned", async () => {
    await begin({ ...screen, shell: "kiosk", hasSeat: true }, asCrosvm);
    const pixels = show(screen.width, screen.height);
    await weston.untilShown(isPicture(pixels), "the picture");
    await weston.kill();
    expectWorking(guest);
    const next = show(screen.width, screen.height, 3);
    await weston.start();
    await weston.untilShown(isPicture(next), "the picture of now");
    expectWorking(guest);
  });
});

describe("a window among others", () => {
  const desktop = { width: 1000, height: 800, hasSeat: true };

  async function open(): Promise<{ pixels: Uint32Array; x: number; y: number }> {
    await begin(desktop, asCrosvm);
    const pixels = show(320, 200);
    let place: [number, number] | null = null;
    await weston.untilShown((picture) => (place = findWindow(picture, pixels, 320)) !== null, "the window");
    return { pixels, x: place![0], y: place![1] };
  }

  test("has the guest's cursor, with its hot spot, and hides it when the guest does", async () => {
    const { x, y } = await open();
    const cursor = guest.gpu.createImage(9, Format.B8G8R8A8, 64, 64);
    cursor.pixels.fill(0xff_fe_dc_ba);
    expectOk(guest.gpu.transferToHost2d(9, areaOf(cursor)));
    expectOk(guest.gpu.updateCursor({ scanoutId: 0, x: 0, y: 0 }, 9, 10, 20));
    weston.pointer("mousemove", x + 150, y + 100);
    const square = (picture: Picture): [number, number, number] => {
      const first = picture.pixels.indexOf(0xfedcba);
      const count = picture.pixels.reduce((sum, pixel) => sum + (pixel === 0xfedcba ? 1 : 0), 0);
      return [first % picture.width, Math.floor(first / picture.width), count];
    };
    await weston.untilShown(
      (picture) => Bun.deepEquals(square(picture), [x + 140, y + 80, 64 * 64]),
      "the cursor",
    );
    expectOk(guest.gpu.updateCursor({ scanoutId: 0, x: 0, y: 0 }, 0));
    await weston.untilShown((picture) => square(picture)[2] === 0, "the cursor to hide");
  });

  test("that is drawn larger by hand is a larger mode", async () => {
    const { x, y } = await open();
    const pause = ["sleep", 0.2] as const;
    weston.pointer(
      "mousemove",
      x + 300,
      y + 180,
      ...pause,
      "keydown",
      "Super_L",
      ...pause,
      "mousedown",
      3,
      ...pause,
    );
    weston.pointer("mousemove_relative", "--sync", 40, 30, ...pause, "mousemove_relative", "--sync", 40, 30);
    const isLarger = (): boolean => {
      const [mode] = guest.gpu.getDisplayInfo().modes;
      return mode!.width === 400 && mode!.height === 260;
    };
    await weston.untilShown(isLarger, "the larger mode");
    weston.pointer(...pause, "mouseup", 3, "keyup", "Super_L");
    guest.pump.until(
      () => guest.frontend.backendRequests.at(-1)?.request === 2,
      "the change of configuration",
    );
    const pixels = show(400, 260, 2);
    await weston.untilShown((picture) => findWindow(picture, pixels, 400) !== null, "the larger picture");
  });
});

/** What bytes 0x44, 0x33, 0x22, 0x11 are in a format, as 0xRRGGBB. */
function colourOf(format: number): number {
  const orders: Record<number, number> = {
    [Format.B8G8R8A8]: 0x223344,
    [Format.B8G8R8X8]: 0x223344,
    [Format.R8G8B8A8]: 0x443322,
    [Format.R8G8B8X8]: 0x443322,
    [Format.A8R8G8B8]: 0x332211,
    [Format.X8R8G8B8]: 0x332211,
    [Format.A8B8G8R8]: 0x112233,
    [Format.X8B8G8R8]: 0x112233,
  };
  return orders[format]!;
}
