// Deaths that seeds have found something wrong with.

import { afterEach, expect, test } from "bun:test";
import { chanceOf } from "../../lab/fuzz/chance.ts";
import * as commands from "../../lab/driver/commands.ts";
import type { GuestOptions, SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { areaOf, type Image } from "../../lab/driver/gpu-driver.ts";
import { Feature, Format, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { World } from "./world.ts";

/** Stores of the ctrl queue from a command on, after which nothing of it is left to be told. */
const storesMax = 30;
const { OK_NODATA, OK_RESOURCE_UUID, ERR_UNSPEC } = Response;
const options: GuestOptions = { gpuFeatures: [Feature.RESOURCE_UUID] };
let deaths = 0;
let world: World | null = null;

afterEach(() => {
  const { failure } = world!.supervisor;
  world!.close();
  world = null;
  expect(failure).toBe("");
});

function boot(): SyntheticGuest {
  deaths = 0;
  world = new World(chanceOf(1), { ran: () => {}, died: () => deaths++, tookOver: () => {} });
  return world.boot(options);
}

/** Has the ctrl queue die after `count` stores from here, if it does not rest before. */
const doomed = (count: number): void => world!.doom.set(count, count % 4 === 0);

/** Lets all come to rest, whoever has died. */
function rest(): void {
  const { scheduler, supervisor, doom } = world!;
  scheduler.settle(200, 5_000);
  doom.lift();
  scheduler.until(() => supervisor.areUp, 5_000);
  scheduler.settle(200, 5_000);
}

function killed(): void {
  world!.supervisor.kill("ctrl-queue");
  rest();
}

function drawn({ gpu }: SyntheticGuest, id: number, pixel: number): Image {
  const image = gpu.createImage(id, Format.B8G8R8X8, 64, 64);
  image.pixels.fill(pixel);
  gpu.present(image);
  return image;
}

function shown(guest: SyntheticGuest, scanout: number): string {
  rest();
  const picture = guest.display!.framebuffer(scanout);
  return picture === null ? "off" : (picture.pixels[0]! & 0xff_ffff).toString(16);
}

test("all scanouts of the VMM's display go on", () => {
  const guest = boot();
  const scanouts = [0, 7, 15];
  const images = scanouts.map((scanout) => drawn(guest, scanout + 1, 1));
  scanouts.forEach((scanout, index) => guest.gpu.show(scanout, images[index]!));
  killed();
  for (const image of images) {
    image.pixels.fill(0x11_2200 + image.resourceId);
    guest.gpu.present(image);
  }
  expect(scanouts.map((scanout) => shown(guest, scanout))).toEqual(["112201", "112208", "112210"]);
});

test("what the front-end's guest has shown is not shown to the next front-end", () => {
  const guest = boot();
  guest.gpu.show(0, drawn(guest, 1, 0x44_5566));
  expect(shown(guest, 0)).toBe("445566");
  world!.supervisor.kill("ctrl-queue");
  world!.scheduler.turn();
  world!.hangUp();
  expect(shown(world!.boot(options), 0)).toBe("off");
});

test("what the guest turns off is off, and what it frees is there with its scanout or gone with it", () => {
  const guest = boot();
  const { gpu, control } = guest;
  for (let count = 0; count < storesMax; count += 2) {
    const image = drawn(guest, 1, 0x77_8899);
    gpu.show(0, image);
    expect(shown(guest, 0)).toBe("778899");
    doomed(count);
    const { type } = control.call(commands.setScanout(0, 0, areaOf(image)));
    const isOff = shown(guest, 0) === "off";
    if (type === Response.OK_NODATA) expect(isOff).toBe(true);

    if (isOff) gpu.show(0, image);
    rest();
    doomed(count);
    control.call(commands.unrefResource(1));
    const isShown = shown(guest, 0) !== "off";
    expect(control.call(commands.unrefResource(1)).type === Response.OK_NODATA).toBe(isShown);
  }
  expect(deaths).toBeGreaterThan(storesMax / 2);
});

test("a UUID that was given is the answer, though its resource is gone by then", () => {
  const { control } = boot();
  let given = 0;
  for (let count = 0; count < 2 * storesMax; count++) {
    doomed(count);
    const sent = [
      commands.createResource2d(1, Format.B8G8R8X8, 8, 8),
      commands.assignUuid(1),
      commands.unrefResource(1),
    ].map((request) => control.submit(request, { hold: true }));
    control.commit();
    rest();
    const types = sent.map((one) => control.wait(one).type);
    // What it died of earns that, and those behind it what comes of it.
    const wrong = types.findIndex((type, at) => type !== [OK_NODATA, OK_RESOURCE_UUID, OK_NODATA][at]);
    if (wrong >= 0) expect(types[wrong]).toBe(ERR_UNSPEC);
    else given++;
    control.call(commands.unrefResource(1));
  }
  expect(deaths).toBeGreaterThan(storesMax / 2);
  expect(given).toBeGreaterThan(storesMax / 2);
});

test("a cursor has the image that there is now, not one that was laid ready before", () => {
  const guest = boot();
  const { gpu } = guest;
  const place = { scanoutId: 0, x: 1, y: 1 };
  const image = (pixel: number, format: number): void => {
    const made = gpu.createImage(3, format, 64, 64);
    made.pixels.fill(pixel);
    gpu.present(made);
    rest();
    gpu.updateCursor(place, 3);
    rest();
  };
  // The first is asked for, and others are expected from then on.
  image(0xff00_0001, Format.B8G8R8A8);
  gpu.unrefResource(3);
  image(0xff00_0002, Format.B8G8R8A8);
  gpu.detachBacking(3);
  killed();
  gpu.updateCursor(place, 3);
  rest();
  // What has no pages is blank.
  expect(guest.display!.cursors[0]!.pixels[0]! & 0xff_ffff).toBe(0);
});

test("a display's socket that comes while there is no display is a new one", () => {
  const guest = boot();
  guest.gpu.show(0, drawn(guest, 1, 0x12_3456));
  expect(shown(guest, 0)).toBe("123456");
  guest.display!.free();
  world!.supervisor.kill("display");
  world!.scheduler.turn();
  const { violations } = guest.openDisplay({ features: 0 });
  expect(shown(guest, 0)).toBe("123456");
  expect(violations).toEqual([]);
});

test("a queue that comes while there is no display has its question answered by the next", () => {
  const guest = boot();
  drawn(guest, 1, 1);
  const { scheduler, supervisor } = world!;
  supervisor.kill("ctrl-queue");
  scheduler.until(() => deaths > 0, 1_000);
  // So that the queue comes back before the display does.
  scheduler.until(() => false, 5);
  supervisor.kill("display");
  const asked = guest.control.submit(commands.getDisplayInfo());
  expect(guest.control.wait(asked).type).toBe(Response.OK_DISPLAY_INFO);
});
