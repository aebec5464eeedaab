// The device's state, taken along by a front-end from one server to another, as in a migration.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { readSync, writeFileSync } from "node:fs";
import { createContext } from "../../lab/driver/commands-3d.ts";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import { type GuestOptions, SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { drawArrow } from "../../lab/scenes/arrow.ts";
import { beginTransfer, checkTransfer, loadState, saveState } from "../../lab/vmm/device-state.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { JournalKind, KeptState } from "../../src/actors/gpu/journal/kept-state.ts";
import { snapshotBytes, writeSnapshot } from "../../src/actors/gpu/journal/snapshot-file.ts";
import { closeFd, createMemfd, createPipe } from "../../src/transport/os/fds.ts";
import { socketPair } from "../../src/transport/os/unix-socket.ts";
import { RequestType, StateTransfer } from "../../src/transport/wire/vhost-user/protocol.ts";
import { Feature, Format, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { driverPatienceMs } from "../support/patience.ts";
import { makeContext } from "./3d-support.ts";
import { expectOk, expectShown, expectType, expectWorking, pattern, untilSo } from "./support.ts";

const { save, load } = StateTransfer;
const flags = ["--vulkan", "off", "--log-lines-max", "1000", "--scanouts", "2", "--outputs", "800x600"];
let source: ServerProcess;
let target: ServerProcess;
const guests: SyntheticGuest[] = [];

beforeAll(async () => {
  [source, target] = await Promise.all([
    ServerProcess.start({ args: ["--renderer", "virgl", ...flags] }),
    ServerProcess.start({ args: ["--renderer", "software", "--isolation", "process", ...flags] }),
  ]);
});

afterEach(() => {
  for (const guest of guests.splice(0)) guest.close();
});

afterAll(async () => {
  for (const server of [source, target]) expect(`${await server.stop()}\n${server.log()}`).toStartWith("0\n");
});

const options: GuestOptions = {
  patienceMs: driverPatienceMs,
  gpuFeatures: [Feature.RESOURCE_UUID, Feature.EDID],
};

function boot(server: ServerProcess, more: GuestOptions = {}): SyntheticGuest {
  const guest = SyntheticGuest.boot(server.socketPath, { ...options, ...more });
  guests.push(guest);
  return guest;
}

/** A front-end whose device is not started yet, with rings that go on where they were. */
function incoming(server: ServerProcess, more: GuestOptions = {}): SyntheticGuest {
  const guest = SyntheticGuest.connect(server.socketPath, { ...options, ringBase: 77, ...more });
  guests.push(guest);
  guest.initialise();
  return guest;
}

function leave(guest: SyntheticGuest): void {
  guests.splice(guests.indexOf(guest), 1);
  guest.close();
}

/** What is logged is written by and by. */
const logged = (server: ServerProcess, text: string): Promise<void> =>
  untilSo(
    text,
    () => server.log().includes(text),
    () => server.log(),
  );

const arrow = new Uint32Array(64 * 64);
drawArrow(arrow);

/** A guest with a picture of two resources and a cursor. */
function withPicture(guest: SyntheticGuest): SyntheticGuest {
  const { gpu } = guest;
  [1, 2].forEach((id, seed) => {
    const image = gpu.createImage(id, Format.B8G8R8X8, 320, 200);
    image.pixels.set(pattern(320, 200, seed));
    gpu.present(image);
    if (id === 1) gpu.show(0, image);
    // They are nowhere but in the device then.
    image.pixels.fill(0);
  });
  const cursor = gpu.createImage(3, Format.B8G8R8A8, 64, 64);
  cursor.pixels.set(arrow);
  expectOk(gpu.transferToHost2d(3, areaOf(cursor)));
  expectOk(gpu.updateCursor({ scanoutId: 0, x: 30, y: 7 }, 3, 5, 9));
  return guest;
}

const whole = { x: 0, y: 0, width: 320, height: 200 };

function expectPicture(guest: SyntheticGuest): void {
  expectShown(guest, 0, 320, 200, pattern(320, 200));
  guest.pump.until(() => guest.display!.cursors[0]!.visible, "the cursor");
  expect(guest.display!.cursors[0]).toMatchObject({ x: 30, y: 7, hotX: 5, hotY: 9 });
  expect(guest.display!.cursors[0]!.pixels).toEqual(arrow);
  expectOk(guest.gpu.setScanout(0, 2, whole));
  expectShown(guest, 0, 320, 200, pattern(320, 200, 1));
}

/** The state of a guest on the source. */
function someState(): Uint8Array<ArrayBuffer> {
  const guest = withPicture(boot(source));
  guest.stop();
  const state = saveState(guest.frontend);
  leave(guest);
  return state;
}

test("another server goes on with pictures, ids, UUIDs and the cursor, and the first one can, too", () => {
  const first = withPicture(boot(source));
  const { uuid } = first.gpu.assignUuid(2);
  first.stop();
  const state = saveState(first.frontend);

  const second = incoming(target);
  expect(loadState(second.frontend, state)).toBe(true);
  second.start();
  expectPicture(second);
  expect(second.gpu.assignUuid(2).uuid).toBe(uuid);
  expectType(second.gpu.createResource2d(1, Format.B8G8R8X8, 4, 4), Response.ERR_INVALID_RESOURCE_ID);
  expectWorking(second);
  // A new image takes the place of the one that came along.
  expectOk(second.gpu.createResource2d(9, Format.B8G8R8A8, 64, 64));
  expectOk(second.gpu.updateCursor({ scanoutId: 0, x: 1, y: 2 }, 9));
  second.pump.until(() => second.display!.cursors[0]!.pixels[0] === 0, "the new cursor");

  first.start();
  expectPicture(first);
  expectWorking(first);
});

test("a resource into which nothing was put is blank, whatever its pages have by then", () => {
  const guest = withPicture(boot(source));
  const image = guest.gpu.createImage(8, Format.B8G8R8X8, 16, 8);
  guest.stop();
  const state = saveState(guest.frontend);
  leave(guest);
  const next = incoming(target);
  next.memory.bytesAt(image.backing.address, image.backing.length).fill(0x77);
  expect(loadState(next.frontend, state)).toBe(true);
  next.start();
  expectOk(next.gpu.setScanout(0, 8, areaOf(image)));
  expectOk(next.gpu.transferToHost2d(8, { x: 0, y: 0, width: 1, height: 1 }));
  expectOk(next.gpu.flushResource(8, areaOf(image)));
  expectShown(next, 0, 16, 8, new Uint32Array(16 * 8).fill(0x77_7777, 0, 1));
});

test("modes of outputs go along where the server says them", async () => {
  const guest = boot(source, { display: null });
  await source.control({ command: "outputs-set", outputs: "1024x768,640x480" });
  guest.stop();
  const state = saveState(guest.frontend);
  await source.control({ command: "outputs-set", outputs: "800x600" });
  const next = incoming(target, { display: null });
  expect(loadState(next.frontend, state)).toBe(true);
  const before = next.frontend.backendRequests.length;
  next.start();
  expect(next.gpu.getDisplayInfo().modes.slice(0, 2)).toMatchObject([
    { x: 0, width: 1024, height: 768, enabled: true },
    { x: 1024, width: 640, height: 480, enabled: true },
  ]);
  // It knows them.
  expect(next.frontend.backendRequests.length).toBe(before);
  await target.control({ command: "outputs-set", outputs: "800x600" });
});

test("what is loaded takes the place of what the device had", () => {
  const state = someState();
  const guest = boot(target);
  expectOk(guest.gpu.createResource2d(1, Format.B8G8R8X8, 8, 8));
  expectOk(guest.gpu.createResource2d(7, Format.B8G8R8X8, 8, 8));
  // A ring that was used is one of a driver that goes on.
  expectWorking(guest);
  guest.stop();
  expect(loadState(guest.frontend, state)).toBe(true);
  guest.start();
  expectPicture(guest);
  expectType(guest.gpu.unrefResource(7), Response.ERR_INVALID_RESOURCE_ID);
});

test("what is loaded outlives the process that was to take it up", () => {
  const state = someState();
  const guest = incoming(target);
  expect(loadState(guest.frontend, state)).toBe(true);
  process.kill(target.actorProcesses[0]!, "SIGKILL");
  guest.start();
  expectPicture(guest);
});

test("a driver that starts anew, a reset and another front-end have nothing of what was loaded", () => {
  const state = someState();
  const anew = incoming(target, { ringBase: 0 });
  expect(loadState(anew.frontend, state)).toBe(true);
  anew.start();
  expectType(anew.gpu.unrefResource(1), Response.ERR_INVALID_RESOURCE_ID);
  leave(anew);
  const reset = incoming(target);
  expect(loadState(reset.frontend, state)).toBe(true);
  reset.frontend.resetDevice();
  reset.start();
  expectType(reset.gpu.unrefResource(1), Response.ERR_INVALID_RESOURCE_ID);
  leave(reset);
  const gone = incoming(target);
  expect(loadState(gone.frontend, state)).toBe(true);
  leave(gone);
  const next = incoming(target);
  next.start();
  expectType(next.gpu.unrefResource(1), Response.ERR_INVALID_RESOURCE_ID);
});

test("a guest with 3D contexts is not saved, and goes on", async () => {
  const guest = boot(source, { gpuFeatures: [Feature.VIRGL] });
  makeContext(guest, 9);
  guest.stop();
  expect(() => saveState(guest.frontend)).toThrow("not all there");
  await logged(
    source,
    "the device's state was not saved: the guest has 3D contexts (test-9), which nobody can save",
  );
  guest.start();
  expectOk(guest.gpu.destroyContext(9));
  expectWorking(guest);
});

test("a guest that was promised 3D is not loaded where there is none", async () => {
  const guest = boot(source, { gpuFeatures: [Feature.VIRGL] });
  guest.stop();
  const state = saveState(guest.frontend);
  const next = incoming(target, { gpuFeatures: [] });
  expect(loadState(next.frontend, state)).toBe(false);
  await logged(target, "was not loaded: its guest has VIRGL, which this server does not offer");
});

describe("a state that makes no sense", () => {
  const sound = (): Uint8Array<ArrayBuffer> => someState();
  const changed = (at: number): Uint8Array => sound().with(at, sound()[at]! ^ 3);
  test.each([
    ["is empty", () => new Uint8Array(0), "nothing came"],
    ["is garbage", () => new Uint8Array(64).fill(7), "it is no snapshot"],
    ["is cut short", () => sound().subarray(0, -4), "its end is missing"],
    ["is cut short within a word", () => sound().subarray(0, -3), "its end is missing"],
    ["is damaged", () => changed(400), "it is damaged: its checksum is another"],
    ["is of another version", () => changed(8), "it has form 1 of a snapshot, and this server reads form 2"],
  ] as const)("%s: it is refused, and the guest may start anew", async (_, state, why) => {
    const guest = incoming(target, { ringBase: 0 });
    expect(loadState(guest.frontend, state())).toBe(false);
    await logged(target, `the device's state was not loaded: ${why}`);
    guest.start();
    expectWorking(guest);
  });
});

test("a state has no more contexts than a guest may have, and none that no guest can", async () => {
  const records = Array.from({ length: 1100 }, (_, id) => ({
    kind: JournalKind.request,
    words: new Uint32Array(createContext(id, "").buffer as ArrayBuffer),
  }));
  const parts = { state: KeptState.of(records), pixels: [], cursors: [], outputs: [] };
  const file = new Uint32Array(snapshotBytes(parts) / 4);
  writeSnapshot(file, parts);
  const guest = incoming(target);
  expect(loadState(guest.frontend, new Uint8Array(file.buffer))).toBe(true);
  guest.start();
  expectWorking(guest);
  await logged(target, "3D contexts are lost: 1, 2, 3, 4, 5, 6, 7, 8 and 1016 more");
});

describe("a transfer that cannot begin is refused, and the session goes on", () => {
  const refused = (guest: SyntheticGuest, direction: number, fd: number, phase?: number): void => {
    expect(beginTransfer(guest.frontend, direction, fd, phase)).toBe(false);
    expect(checkTransfer(guest.frontend)).toBe(false);
  };

  test("while rings run", () => {
    const guest = boot(target);
    withPipe((reader, writer) => {
      refused(guest, save, writer);
      refused(guest, load, reader);
    });
    expectWorking(guest);
  });

  test("in a phase or a direction that nobody knows, or by a file", () => {
    const guest = incoming(target);
    withPipe((reader, writer) => {
      refused(guest, save, writer, 1);
      refused(guest, 2, reader);
    });
    const file = createMemfd("state", 4096);
    refused(guest, load, file);
    closeFd(file);
    guest.start();
    expectWorking(guest);
  });

  test("while another is under way, which goes on", () => {
    const guest = incoming(target);
    withPipe((reader, writer) => {
      expect(beginTransfer(guest.frontend, load, reader)).toBe(true);
      withPipe((other, end) => {
        expect(beginTransfer(guest.frontend, load, other)).toBe(false);
        expect(beginTransfer(guest.frontend, save, end)).toBe(false);
      });
      writeFileSync(writer, someState());
    });
    expect(checkTransfer(guest.frontend)).toBe(true);
    guest.start();
    expectPicture(guest);
  });
});

describe("a front-end that leaves a transfer open", () => {
  test("has its answer when it has closed it, and the server is there for others meanwhile", async () => {
    const guest = incoming(target);
    const [reader, writer] = createPipe(4096);
    expect(beginTransfer(guest.frontend, load, reader)).toBe(true);
    closeFd(reader);
    guest.frontend.getFeatures();
    guest.frontend.send(RequestType.CHECK_DEVICE_STATE);
    expect(await target.control({ command: "status" })).toMatchObject({ ok: true });
    writeFileSync(writer, someState());
    closeFd(writer);
    expect(guest.frontend.receive().payload.getBigUint64(0, true)).toBe(0n);
    guest.start();
    expectPicture(guest);
  });

  test("is hung up on where it asks for something else before that answer", async () => {
    const guest = incoming(target);
    withPipe((reader) => {
      expect(beginTransfer(guest.frontend, load, reader)).toBe(true);
      guest.frontend.send(RequestType.CHECK_DEVICE_STATE);
      guest.frontend.send(RequestType.GET_FEATURES);
      guest.frontend.untilClosed();
    });
    await logged(target, "a request came before the answer to CHECK_DEVICE_STATE");
    expectWorking(boot(target));
  });

  test("loses it where it starts the device, or no longer reads", () => {
    const guest = withPicture(boot(target));
    guest.stop();
    withPipe((_, writer) => {
      expect(beginTransfer(guest.frontend, save, writer)).toBe(true);
      guest.start();
      expect(checkTransfer(guest.frontend)).toBe(false);
      guest.stop();
    });
    withPipe((reader, writer) => {
      expect(beginTransfer(guest.frontend, save, writer)).toBe(true);
      readSync(reader, new Uint8Array(1));
    });
    expect(checkTransfer(guest.frontend)).toBe(false);
    guest.start();
    expectPicture(guest);
  });
});

test("a socket does as well as a pipe", () => {
  const state = someState();
  const guest = incoming(target);
  const [ours, theirs] = socketPair("stream");
  expect(beginTransfer(guest.frontend, load, theirs)).toBe(true);
  closeFd(theirs);
  writeFileSync(ours, state);
  closeFd(ours);
  expect(checkTransfer(guest.frontend)).toBe(true);
});

function withPipe(use: (reader: number, writer: number) => void): void {
  const fds = createPipe(4096);
  try {
    use(...fds);
  } finally {
    fds.forEach(closeFd);
  }
}
