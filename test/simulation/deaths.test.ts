// Deaths that seeds have found something wrong with.

import { afterEach, describe, expect, spyOn, test } from "bun:test";
import { chanceOf } from "../../lab/fuzz/chance.ts";
import * as commands from "../../lab/driver/commands.ts";
import type { GuestOptions, SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { areaOf, type Image } from "../../lab/driver/gpu-driver.ts";
import { Bind, Target, VirglFormat } from "../../lab/driver/virgl/index.ts";
import { loadState, saveState } from "../../lab/vmm/device-state.ts";
import { Feature, Format, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { ScriptedRenderer } from "../support/scripted-renderer.ts";
import type { Obituary } from "./ctrl-queue.ts";
import { World } from "./world.ts";

/** Stores of the ctrl queue from a command on, after which nothing of it is left to be told. */
const storesMax = 30;
const { OK_NODATA, OK_RESOURCE_UUID, ERR_UNSPEC } = Response;
const options: GuestOptions = { gpuFeatures: [Feature.RESOURCE_UUID] };
let deaths: Obituary[] = [];
let world: World | null = null;

afterEach(() => {
  const { failure } = world!.supervisor;
  world!.close();
  world = null;
  expect(failure).toBe("");
});

function boot(more: GuestOptions = options): SyntheticGuest {
  deaths = [];
  const died = (obituary: Obituary): void => void deaths.push(obituary);
  world = new World(chanceOf(1), { ran: () => {}, died, tookOver: () => {} });
  return world.boot(more);
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
  expect(deaths.length).toBeGreaterThan(storesMax / 2);
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
  expect(deaths.length).toBeGreaterThan(storesMax / 2);
  expect(given).toBeGreaterThan(storesMax / 2);
});

test("a cursor is what the commands before it make, whoever dies amid them", () => {
  const { gpu, control, cursor, memory } = boot();
  const pages = memory.allocate(64 * 64 * 4, 4096);
  let whole = 0;
  for (let count = 0; count < 2 * storesMax; count++) {
    doomed(count);
    const sent = [
      commands.createResource2d(1, Format.B8G8R8A8, 64, 64),
      commands.attachBacking(1, [pages]),
      commands.transferToHost2d(1, { x: 0, y: 0, width: 64, height: 64 }, 0),
    ].map((request) => control.submit(request, { hold: true }));
    control.commit();
    const image = cursor.submit(commands.updateCursor({ scanoutId: 0, x: 1, y: 1 }, 1, 0, 0));
    rest();
    const { type } = cursor.wait(image);
    const isWhole = sent.every((one) => control.wait(one).type === OK_NODATA);
    if (isWhole) expect(type).toBe(OK_NODATA);
    if (isWhole) whole++;
    gpu.unrefResource(1);
  }
  expect(deaths.length).toBeGreaterThan(storesMax / 2);
  expect(whole).toBeGreaterThan(storesMax / 2);
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
  scheduler.until(() => deaths.length > 0, 1_000);
  // So that the queue comes back before the display does.
  scheduler.until(() => false, 5);
  supervisor.kill("display");
  const asked = guest.control.submit(commands.getDisplayInfo());
  expect(guest.control.wait(asked).type).toBe(Response.OK_DISPLAY_INFO);
});

test("what each dies of as it makes it again is tried twice, and left out then", () => {
  const guest = boot({ gpuFeatures: [Feature.VIRGL] });
  const { gpu } = guest;
  guest.gpu.show(0, drawn(guest, 1, 0x44_5566));
  const texture = { target: Target.TEXTURE_2D, format: VirglFormat.B8G8R8A8_UNORM, bind: Bind.RENDER_TARGET };
  for (const resourceId of [2, 3])
    expect(gpu.createResource3d({ ...texture, resourceId, width: 8, height: 8 }).type).toBe(
      Response.OK_NODATA,
    );
  const create = ScriptedRenderer.prototype.createResource;
  let tries = 0;
  const deadly = spyOn(ScriptedRenderer.prototype, "createResource").mockImplementation(function (
    this: ScriptedRenderer,
    id,
    shape,
  ) {
    if (id !== 2) return create.call(this, id, shape);
    tries++;
    throw new Error("killed by request, or by what it made");
  });
  killed();
  deadly.mockRestore();
  expect(tries).toBe(2);
  expect(shown(guest, 0)).toBe("445566");
  expect([2, 3, 1].map((id) => gpu.unrefResource(id).type)).toEqual([
    Response.ERR_INVALID_RESOURCE_ID,
    Response.OK_NODATA,
    Response.OK_NODATA,
  ]);
});

describe("a state that is taken up", () => {
  const goesOn = { gpuFeatures: [Feature.RESOURCE_UUID], ringBase: 77 };
  const pixels = [0x12_0001, 0x12_0002];
  /** What the pages have, where the guest goes on: they are as one that has died later leaves the pictures. */
  const later = [0x12_0001, 0x12_0003];
  const pictureBytes = 64 * 64 * 4;
  let state: Uint8Array;
  let uuid: string;

  function save(): void {
    const guest = boot({ gpuFeatures: [Feature.RESOURCE_UUID] });
    const { gpu } = guest;
    const images = pixels.map((pixel, at) => drawn(guest, at + 1, pixel));
    gpu.show(0, images[0]!);
    drawn(guest, 3, 0x8012_3456);
    gpu.updateCursor({ scanoutId: 0, x: 30, y: 7 }, 3, 5, 9);
    rest();
    ({ uuid } = gpu.assignUuid(2));
    guest.stop();
    state = saveState(guest.frontend);
    world!.hangUp();
  }

  function loaded(): SyntheticGuest {
    const guest = world!.connect(goesOn);
    guest.initialise();
    for (const pixel of later) guest.memory.allocate(pictureBytes).words.fill(pixel);
    expect(loadState(guest.frontend, state)).toBe(true);
    return guest;
  }

  /** All but the second picture, which is answered. */
  function expectRest(guest: SyntheticGuest): string {
    const { gpu, control, display } = guest;
    expect(shown(guest, 0)).toBe("120001");
    expect(display!.cursors[0]).toMatchObject({ x: 31, y: 8, hotX: 5, hotY: 9, visible: true });
    expect(display!.cursors[0]!.pixels[0]).toBe(0x8012_3456);
    expect(gpu.assignUuid(2).uuid).toBe(uuid);
    expect(gpu.createResource2d(1, Format.B8G8R8X8, 4, 4).type).toBe(Response.ERR_INVALID_RESOURCE_ID);
    control.call(commands.setScanout(0, 2, { x: 0, y: 0, width: 64, height: 64 }));
    return shown(guest, 0);
  }

  test("is all there, whenever whoever takes it up dies", () => {
    save();
    let amid = 0;
    for (let count = 0, alive = 0; alive < 3; count++) {
      const guest = loaded();
      deaths = [];
      doomed(count);
      // It waits in the ring, and what is taken up may come behind it.
      guest.cursor.submit(commands.moveCursor({ scanoutId: 0, x: 31, y: 8 }, 3));
      guest.start();
      rest();
      // As it was, until all is taken up; from then on as any successor has it.
      const [death] = deaths;
      expect(expectRest(guest)).toBe(death?.hasSnapshot === false ? "120003" : "120002");
      if (death === undefined) alive++;
      else if (death.hasSnapshot) amid++;
      world!.hangUp();
    }
    expect(amid).toBeGreaterThan(20);
  });

  test("is nobody's any more once its session is over, whoever dies before others are known to have heard of it", () => {
    save();
    const guest = loaded();
    guest.start();
    guest.cursor.call(commands.moveCursor({ scanoutId: 0, x: 31, y: 8 }, 3));
    guest.stop();
    const moved = saveState(guest.frontend);
    world!.supervisor.kill("ctrl-queue");
    world!.scheduler.until(() => deaths.length > 0, 1_000);
    guest.reconnect(world!.socketPath);
    expect(loadState(guest.frontend, moved)).toBe(true);
    guest.start();
    expect(expectRest(guest)).toBe("120002");
  });

  test("is not taken up again when who has taken it up dies as the guest goes on", () => {
    save();
    for (let count = 20; count < 120; count += 5) {
      const guest = loaded();
      guest.start();
      doomed(count);
      const made = guest.gpu.createResource2d(9, Format.B8G8R8X8, 4, 4).type === Response.OK_NODATA;
      rest();
      killed();
      expect(guest.gpu.unrefResource(9).type === Response.OK_NODATA).toBe(made);
      world!.hangUp();
    }
  });
});
