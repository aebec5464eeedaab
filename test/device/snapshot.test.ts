// A snapshot of what a guest has, and another server that goes on with it.

import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { moveCursor } from "../../lab/driver/commands.ts";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import { type GuestOptions, SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { Feature, Format, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { driverPatienceMs } from "../support/patience.ts";
import { runProgram } from "../support/run-program.ts";
import { makeContext, makeTexture } from "./3d-support.ts";
import { expectOk, expectShown, expectType, expectWorking, pattern, untilSo } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "fencepost-snapshot-"));
const file = join(folder, "guest.snapshot");
const servers: ServerProcess[] = [];
const guests: SyntheticGuest[] = [];

afterEach(async () => {
  for (const guest of guests.splice(0)) guest.close();
  for (const server of servers.splice(0)) {
    const code = await server.stop();
    expect(`${code}\n${server.log()}`).toStartWith("0\n");
  }
  rmSync(file, { force: true });
});

async function serve(...args: string[]): Promise<ServerProcess> {
  const server = await ServerProcess.start({
    args: ["--vulkan", "off", "--write-below", folder, ...args],
  });
  servers.push(server);
  return server;
}

function boot(server: ServerProcess, options: GuestOptions = {}): SyntheticGuest {
  const guest = SyntheticGuest.boot(server.socketPath, { patienceMs: driverPatienceMs, ...options });
  guests.push(guest);
  return guest;
}

/** What is logged is written by and by. */
const logged = (server: ServerProcess, text: string): Promise<void> =>
  untilSo(
    text,
    () => server.log().includes(text),
    () => server.log(),
  );

/** A driver that goes on where it was, with its memory and rings. */
const goOn = (server: ServerProcess): SyntheticGuest =>
  boot(server, { ringBase: 77, gpuFeatures: [Feature.RESOURCE_UUID, Feature.VIRGL] });

describe.each([
  ["software", "thread"],
  ["virgl", "process"],
])("with --renderer %s and --isolation %s", (renderer, isolation) => {
  const settings = ["--renderer", renderer, "--isolation", isolation];

  test("another server has the same pictures, ids, UUIDs and scanouts", async () => {
    const first = await serve(...settings);
    const { gpu } = boot(first, { gpuFeatures: [Feature.RESOURCE_UUID] });
    const [screen, bare] = [1, 2].map((id) => gpu.createImage(id, Format.B8G8R8X8, 320, 200));
    [screen!, bare!].forEach((image, seed) => {
      image.pixels.set(pattern(320, 200, seed));
      gpu.present(image);
    });
    gpu.show(0, screen!);
    const { uuid } = gpu.assignUuid(2);
    // They are nowhere but in the device then.
    expectOk(gpu.detachBacking(2));
    // And these are no longer what the pages have.
    screen!.pixels.fill(0);
    expectOk(gpu.createResource2d(3, Format.B8G8R8X8, 8, 8));
    expectOk(gpu.unrefResource(3));

    const answer = await first.control({ command: "snapshot", path: file });
    expect(answer).toMatchObject({ ok: true, path: file, resources: 2, contexts: [] });
    expect(statSync(file).size).toBe(Number(answer["bytes"]));
    expect(statSync(file).mode & 0o777).toBe(0o600);

    const second = await serve(...settings, "--restore", file);
    const guest = goOn(second);
    expectShown(guest, 0, 320, 200, pattern(320, 200));
    expectOk(guest.gpu.setScanout(0, 2, areaOf(bare!)));
    expectShown(guest, 0, 320, 200, pattern(320, 200, 1));
    expect(guest.gpu.assignUuid(2).uuid).toBe(uuid);
    expectType(guest.gpu.createResource2d(1, Format.B8G8R8X8, 4, 4), Response.ERR_INVALID_RESOURCE_ID);
    // The one has its backing, the other has none.
    expectType(guest.gpu.attachBacking(1, [screen!.backing]), Response.ERR_UNSPEC);
    expectOk(guest.gpu.detachBacking(1));
    expectType(guest.gpu.detachBacking(2), Response.ERR_UNSPEC);
    expectOk(guest.gpu.createResource2d(3, Format.B8G8R8X8, 4, 4));
    expectWorking(guest);
    await logged(second, "took up a snapshot: 2 resources are there again\n");

    // What was taken up can be taken again.
    expect(await second.control({ command: "snapshot", path: file })).toMatchObject({
      ok: true,
      resources: 3,
    });
  });
});

test("a driver that starts anew starts from nothing", async () => {
  const first = await serve("--renderer", "software");
  expectOk(boot(first).gpu.createResource2d(1, Format.B8G8R8X8, 8, 8));
  await first.control({ command: "snapshot", path: file });
  const second = await serve("--renderer", "software", "--restore", file);
  await logged(second, "--restore: a snapshot waits for the guest");
  const { gpu } = boot(second);
  expectType(gpu.unrefResource(1), Response.ERR_INVALID_RESOURCE_ID);
  await logged(second, "the snapshot is not taken up");
});

test("the cursor and the modes of outputs are in it, and a server that has fewer outputs says so", async () => {
  const settings = ["--renderer", "software", "--outputs", "800x600"];
  const first = await serve(...settings, "--scanouts", "2");
  const guest = boot(first, { display: null });
  const { gpu } = guest;
  const cursor = gpu.createImage(3, Format.B8G8R8A8, 64, 64);
  cursor.pixels.fill(0x8012_3456);
  expectOk(gpu.transferToHost2d(3, areaOf(cursor)));
  expectOk(gpu.updateCursor({ scanoutId: 0, x: 30, y: 7 }, 3, 5, 9));
  expectOk(gpu.updateCursor({ scanoutId: 1, x: 1, y: 2 }, 3));
  expectOk(gpu.updateCursor({ scanoutId: 1, x: 1, y: 2 }, 0));
  await first.control({ command: "outputs-set", outputs: "1024x768,640x480" });
  expect(await first.control({ command: "snapshot", path: file })).toMatchObject({ ok: true });

  const second = await serve(...settings, "--restore", file);
  const next = goOn(second);
  next.pump.until(() => next.display!.cursors[0]!.visible, "the cursor");
  expect(next.display!.cursors[0]).toMatchObject({ x: 30, y: 7, hotX: 5, hotY: 9 });
  expect(next.display!.cursors[0]!.pixels.every((pixel) => pixel === 0x8012_3456)).toBe(true);
  // Hidden, it is there all the same.
  expectOk(next.gpu.cursor.call(moveCursor({ scanoutId: 1, x: 4, y: 5 }, 3)));
  next.pump.until(() => next.display!.cursors[1]!.visible, "the other cursor");
  expect(next.display!.cursors[1]!.pixels[0]).toBe(0x8012_3456);
  next.close();
  guests.splice(guests.indexOf(next), 1);
  await logged(second, "the guest has output 1: start the server with --scanouts 2");
  expect(await second.control({ command: "outputs" })).toMatchObject({
    outputs: [{ isOn: true, width: 1024, height: 768 }],
  });
});

test("a recording of a guest that goes on tells what it had, and is replayed", async () => {
  const first = await serve("--renderer", "software");
  const { gpu } = boot(first);
  const [shown, other] = [1, 2].map((id) => gpu.createImage(id, Format.B8G8R8X8, 64, 32));
  [shown!, other!].forEach((image, seed) => {
    image.pixels.set(pattern(64, 32, seed));
    gpu.present(image);
  });
  gpu.show(0, shown!);
  const cursor = gpu.createImage(3, Format.B8G8R8A8, 64, 64);
  expectOk(gpu.transferToHost2d(3, areaOf(cursor)));
  expectOk(gpu.updateCursor({ scanoutId: 0, x: 3, y: 4 }, 3));
  await first.control({ command: "snapshot", path: file });

  const recording = join(folder, "recording");
  const settings = ["--renderer", "software", "--record", recording, "--record-checksums"];
  const second = await serve(...settings, "--restore", file);
  const next = goOn(second);
  expectOk(next.gpu.flushResource(1, areaOf(shown!)));
  expectShown(next, 0, 64, 32, pattern(64, 32));
  expectOk(next.gpu.setScanout(0, 2, areaOf(other!)));
  expectOk(next.gpu.flushResource(2, areaOf(other!)));
  expectShown(next, 0, 64, 32, pattern(64, 32, 1));
  expect(await second.control({ command: "record-stop" })).toMatchObject({ ok: true });
  const { code, out } = runProgram("replay", recording, "--compare");
  expect(out).toContain("2 pictures as recorded; nothing differs");
  expect(code).toBe(0);
});

test("what was taken up outlives the process that took it up", async () => {
  const first = await serve("--renderer", "software");
  const { gpu } = boot(first);
  expectOk(gpu.createResource2d(5, Format.B8G8R8X8, 8, 8));
  await first.control({ command: "snapshot", path: file });
  const second = await serve("--renderer", "software", "--isolation", "process", "--restore", file);
  const guest = goOn(second);
  expectWorking(guest);
  process.kill(second.actorProcesses[0]!, "SIGKILL");
  expectType(guest.gpu.createResource2d(5, Format.B8G8R8X8, 4, 4), Response.ERR_INVALID_RESOURCE_ID);
});

test("a process that dies as it takes one up has a successor with all of it", async () => {
  const first = await serve("--renderer", "software");
  const { gpu } = boot(first);
  const images = Array.from({ length: 100 }, (_, at) => gpu.createImage(at + 1, Format.B8G8R8X8, 64, 64));
  images.forEach((image, at) => {
    image.pixels.set(pattern(64, 64, at));
    gpu.present(image);
    expectOk(gpu.detachBacking(image.resourceId));
  });
  expectOk(gpu.setScanout(0, 1, areaOf(images[0]!)));
  await first.control({ command: "snapshot", path: file });
  const second = await serve("--renderer", "software", "--isolation", "process", "--restore", file);
  const guest = SyntheticGuest.connect(second.socketPath, { patienceMs: driverPatienceMs, ringBase: 77 });
  guests.push(guest);
  guest.initialise();
  const startRing = guest.startRing.bind(guest);
  guest.startRing = (index) => {
    startRing(index);
    if (index !== 0) return;
    // The ring is told to run by then, and nothing more is waited for.
    guest.frontend.getFeatures();
    process.kill(second.ctrlQueuePid, "SIGKILL");
  };
  guest.start();
  for (const [at, image] of images.entries()) {
    expectOk(guest.gpu.setScanout(0, at + 1, areaOf(image)));
    if (at % 9 === 0) expectShown(guest, 0, 64, 64, pattern(64, 64, at));
  }
  expect(second.log()).toContain("ctrl-queue: crashed: ended by SIGKILL");
});

test("3D contexts are told as lost, and can be destroyed", async () => {
  const first = await serve("--renderer", "virgl");
  const booted = boot(first);
  makeContext(booted, 9);
  makeTexture(booted, 4, 16, 16, {}, [9]);
  const { contexts } = await first.control({ command: "snapshot", path: file });
  expect(contexts).toEqual(["test-9"]);
  const second = await serve("--renderer", "virgl", "--restore", file);
  const guest = goOn(second);
  expectWorking(guest);
  await logged(second, "3D contexts are lost: test-9");
  expectOk(guest.gpu.destroyContext(9));
  expectOk(guest.gpu.unrefResource(4));
});

test("files that are no snapshots are refused with exit code 2, and say why", async () => {
  const first = await serve("--renderer", "software");
  const { gpu } = boot(first);
  gpu.present(gpu.createImage(1, Format.B8G8R8X8, 16, 16));
  await first.control({ command: "snapshot", path: file });
  const sound = readFileSync(file);
  const damaged = Buffer.from(sound);
  damaged[damaged.length - 8]! ^= 1;
  const later = Buffer.from(sound);
  later[8] = 3;
  const broken = join(folder, "broken.snapshot");
  for (const [bytes, why] of [
    [Buffer.alloc(0), "is no snapshot, or cut off"],
    [Buffer.from("no snapshot at all, though it is long"), "is no snapshot, or cut off"],
    [Buffer.alloc(64), "it is no snapshot"],
    [sound.subarray(0, sound.length - 4), "its end is missing"],
    [damaged, "it is damaged: its checksum is another"],
    [later, "it has form 3 of a snapshot, and this server reads form 2"],
  ] as const) {
    writeFileSync(broken, bytes);
    const { exitCode, text } = await run("--restore", broken);
    expect(text).toContain(why);
    expect(exitCode).toBe(2);
  }
  const { exitCode, text } = await run("--restore", join(folder, "none"));
  expect(text).toContain(`there is no file ${folder}/none`);
  expect(exitCode).toBe(2);
});

async function run(...args: string[]): Promise<{ exitCode: number; text: string }> {
  const socket = join(folder, "refused.sock");
  const child = Bun.spawn(
    [...ServerProcess.own, "--socket-path", socket, "--renderer", "software", ...args],
    { stdout: "pipe", stderr: "pipe" },
  );
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { exitCode: await child.exited, text: out + err };
}
