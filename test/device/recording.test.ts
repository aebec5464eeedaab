// What a server's recording holds of what a guest did, and that a guest goes on whatever becomes of the recording.

import { afterAll, afterEach, describe, expect, test } from "bun:test";
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as commands from "../../lab/driver/commands.ts";
import { areaOf, type Image } from "../../lab/driver/gpu-driver.ts";
import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { usageOf } from "../../lab/vmm/process-usage.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { drawArrow } from "../../lab/scenes/arrow.ts";
import type { Entry, EntryName } from "../../src/transport/wire/record/entries.ts";
import { openRecording } from "../../src/transport/wire/record/reader.ts";
import type { Recording } from "../../src/transport/wire/record/recording.ts";
import { Command, Format, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import * as virgl from "../../lab/driver/virgl/index.ts";
import {
  download,
  draw,
  makeContext,
  makeTexture,
  patient,
  rectangleBox,
  type Texture,
  upload,
  virglServer,
} from "./3d-support.ts";
import { holdThreads } from "../support/held-threads.ts";
import { driverPatienceMs } from "../support/patience.ts";
import { expectOk } from "./support.ts";
import { commandOf } from "../support/programs.ts";

const directory = mkdtempSync(join(tmpdir(), "fencepost-recording-"));
const path = join(directory, "recording");
let server: ServerProcess;
let guest: SyntheticGuest | null = null;
let opened: Recording | null = null;

afterAll(() => rmSync(directory, { recursive: true }));
afterEach(async () => {
  opened?.close();
  opened = null;
  guest?.close();
  guest = null;
  await server.stop();
  rmSync(path, { force: true });
});

/** MiB that the server itself holds. */
const heldMib = (): number => usageOf([server.pid]).residentBytes / 2 ** 20;

async function serve(...args: string[]): Promise<SyntheticGuest> {
  server = await ServerProcess.start({ args: ["--renderer", "software", "--storage", "memfd", ...args] });
  guest = SyntheticGuest.boot(server.socketPath, { patienceMs: driverPatienceMs });
  return guest;
}

/** The server has ended in order, and this is what it has recorded. */
async function recorded(): Promise<Recording> {
  guest!.close();
  guest = null;
  expect(await server.stop()).toBe(0);
  return (opened = openRecording(path));
}

async function logged(text: string): Promise<void> {
  while (!server.log().includes(text)) {
    if (server.exitCode !== null) throw new Error(server.log());
    await Bun.sleep(5);
  }
}

function of<Name extends EntryName>(recording: Recording, ...kinds: Name[]): Entry<Name>[] {
  const all = [...recording.entries()].filter(({ kind }) => (kinds as string[]).includes(kind));
  return all as unknown as Entry<Name>[];
}

const fill = ({ pixels }: Image, seed: number): void => void pixels.set(pixels.map((_, at) => seed + at));

describe("a recording from the start", () => {
  test("has both queues' commands as they were run, in order, with their answers", async () => {
    const { gpu } = await serve("--record", path);
    // The cursor queue is told last, and what it had done before is a cursor of the state.
    await logged("recording to");
    const sent = [
      commands.createResource2d(7, Format.B8G8R8X8, 64, 64),
      commands.getEdid(0),
      commands.flushResource(9, areaOf({ width: 1, height: 1 })),
    ];
    const results = sent.map((request) => gpu.control.call(request));
    expectOk(gpu.updateCursor({ scanoutId: 0, x: 3, y: 4 }, 7));
    expectOk(gpu.unrefResource(7));
    const recording = await recorded();
    expect(recording.start).toMatchObject({
      isFromStart: true,
      storage: "memfd",
      renderer: { renderer: "software" },
    });
    expect(recording.ending).toEqual({ reason: "stopped", text: "the server has ended" });
    const told = of(recording, "command");
    expect(told.map(({ queue, id }) => [queue, id])).toEqual([
      [0, 1],
      [0, 2],
      [0, 3],
      [1, 1],
      [0, 4],
    ]);
    sent.forEach((request, index) =>
      expect(Buffer.from(told[index]!.body)).toEqual(
        Buffer.from(new Uint8Array(request.buffer, request.byteOffset, request.byteLength)),
      ),
    );
    const answers = of(recording, "answer");
    expect(answers.map(({ queue, id, type }) => [queue, id, type])).toEqual([
      [0, 1, Response.OK_NODATA],
      [0, 2, Response.OK_EDID],
      [0, 3, Response.ERR_INVALID_RESOURCE_ID],
      [1, 1, Response.OK_NODATA],
      [0, 4, Response.OK_NODATA],
    ]);
    // What followed the header, as the guest has got it.
    expect(Buffer.from(answers[1]!.body)).toEqual(Buffer.from(results[1]!.bytes.subarray(24)));
    expect(Math.max(...of(recording, "memory").map(({ body }) => body.length))).toBe(2 * 16);
    const rings = of(recording, "ring").map(({ queue, running }) => [queue, running]);
    expect(rings.filter(([queue]) => queue === 0)).toEqual([
      [0, 1],
      [0, 0],
    ]);
  });

  test("has the bytes that transfers read, row by row, and the frames that were flushed", async () => {
    const { gpu } = await serve("--record", path, "--record-checksums");
    const image = gpu.createImage(5, Format.B8G8R8X8, 200, 120);
    fill(image, 1000);
    gpu.show(0, image);
    fill(image, 2000);
    const part = { x: 10, y: 20, width: 30, height: 40 };
    gpu.present(image, part);
    const recording = await recorded();
    const rows = new Map<number, Uint8Array>();
    const [whole, ...rest] = of(recording, "bytes");
    expect(whole).toMatchObject({ resource: 5, offsetLow: 0, offsetHigh: 0, rowBytes: 800, stride: 800 });
    expect([...new Uint32Array(new Uint8Array(whole!.body).buffer)]).toEqual(
      Array.from({ length: 24_000 }, (_, at) => 1000 + at),
    );
    for (const { offsetLow, rowBytes, stride, body } of rest) {
      for (let row = 0; row * rowBytes < body.length; row++) {
        rows.set(offsetLow + row * stride, body.subarray(row * rowBytes, (row + 1) * rowBytes));
      }
    }
    expect(rows.size).toBe(part.height);
    for (let y = part.y; y < part.y + part.height; y++) {
      const from = y * image.width + part.x;
      const words = new Uint32Array(new Uint8Array(rows.get(from * 4)!).buffer);
      expect([...words]).toEqual(Array.from({ length: part.width }, (_, at) => 2000 + from + at));
    }
    const frames = of(recording, "frame");
    expect(frames).toMatchObject([
      { scanouts: 1, resource: 5, x: 0, y: 0, width: 200, height: 120 },
      { scanouts: 1, resource: 5, ...part },
    ]);
    expect(Buffer.from(frames[0]!.body).readUInt32LE(0)).toBe(Bun.hash.crc32(new Uint8Array(whole!.body)));
    const last = of(recording, "command", "bytes", "frame", "answer").slice(-6);
    expect(last.map(({ kind }) => kind)).toEqual([
      "command",
      "bytes",
      "answer",
      "command",
      "frame",
      "answer",
    ]);
  });

  test("leaves out rows of a transfer that the resource had already, and a replay shows them", async () => {
    const { gpu } = await serve("--record", path, "--record-checksums");
    // Wide enough for its rows to be compared a few at a time.
    const image = gpu.createImage(5, Format.B8G8R8X8, 4096, 60);
    fill(image, 1000);
    gpu.show(0, image);
    gpu.present(image);
    image.pixels.fill(7, 21 * image.width, 22 * image.width);
    gpu.present(image);
    gpu.present(image, { x: 100, y: 20, width: 300, height: 3 });
    // The same from other memory, which nothing was read of.
    const copy = guest!.memory.allocate(image.pixels.byteLength);
    copy.words.set(image.pixels);
    expectOk(gpu.detachBacking(5));
    expectOk(gpu.attachBacking(5, [copy]));
    gpu.present(image);
    const recording = await recorded();
    const [first, ...rest] = of(recording, "bytes").map(({ offsetLow, body }) => ({
      row: offsetLow / (image.width * 4),
      rows: body.length / (image.width * 4),
    }));
    expect(first!.row).toBe(0);
    const { row, rows } = rest.at(-1)!;
    expect(rows).toBeLessThan(9);
    expect(row).toBeLessThanOrEqual(21);
    expect(row + rows).toBeGreaterThan(21);
    const before = rest.slice(0, -1).reduce((sum, one) => sum + one.rows, first!.rows);
    expect(before).toBe(image.height);
    expect(of(recording, "frame")).toHaveLength(5);
    const replay = Bun.spawnSync([...commandOf("replay"), path, "--compare"]);
    expect(replay.stdout.toString()).toContain("5 pictures as recorded; nothing differs");
    expect(replay.exitCode).toBe(0);
  });

  test("has what a transfer did that was refused in its midst, as some of its memory was gone", async () => {
    const { gpu, memory } = await serve("--record", path, "--record-checksums");
    const image = gpu.createImage(5, Format.B8G8R8X8, 64, 64);
    fill(image, 1000);
    gpu.show(0, image);
    const [kept, plugged] = [memory.allocate(8192), guest!.hotAdd({ guestAddress: 2 ** 36, size: 2 ** 20 })];
    expectOk(gpu.detachBacking(5));
    expectOk(gpu.attachBacking(5, [kept, { address: 2 ** 36, length: 8192 }]));
    guest!.hotRemove(plugged);
    // Twice: what the first has left is where the second begins.
    for (const colour of [0x12_34_56, 0x65_43_21]) {
      kept.words.fill(colour);
      expect(gpu.transferToHost2d(5, areaOf(image)).type).toBe(Response.ERR_UNSPEC);
      expectOk(gpu.flushResource(5, areaOf(image)));
    }
    await recorded();
    const replay = Bun.spawnSync([...commandOf("replay"), path, "--compare"]);
    expect(replay.stdout.toString()).toContain("3 pictures as recorded; nothing differs");
    expect(replay.stderr.toString()).not.toContain("no memory");
    expect(replay.exitCode).toBe(0);
  });

  test("is its owner's alone, though the file was there before", async () => {
    writeFileSync(path, "old", { mode: 0o644 });
    await serve("--record", path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    // The recorder says so when it is heard.
    while (!server.log().includes("it holds what the guest shows")) await Bun.sleep(5);
    await recorded();
  });

  test("of many commands has each of them", async () => {
    const { gpu } = await serve(
      "--record",
      path,
      "--record-ring-bytes",
      String(2 ** 20),
      "--record-wait-ms",
      "1000",
    );
    const count = 20_000;
    for (let sent = 0; sent < count; sent += 100) {
      const pending = Array.from({ length: 100 }, () =>
        gpu.control.submit(commands.flushResource(77, areaOf({ width: 1, height: 1 }))),
      );
      for (const one of pending) gpu.control.wait(one);
    }
    const recording = await recorded();
    expect(of(recording, "command").map(({ id }) => id)).toEqual(
      Array.from({ length: count }, (_, at) => at + 1),
    );
    expect(of(recording, "answer")).toHaveLength(count);
  });
});

/** The bytes of a backing that a recording tells, by their offset. */
function toldBytes(
  entries: readonly Entry<"bytes">[],
  resource: number,
  length: number,
): (number | undefined)[] {
  const bytes: (number | undefined)[] = Array.from({ length }, () => undefined);
  for (const { offsetLow, rowBytes, stride, body } of entries.filter(
    (entry) => entry.resource === resource,
  )) {
    body.forEach(
      (byte, at) => (bytes[offsetLow + Math.floor(at / rowBytes) * stride + (at % rowBytes)] = byte),
    );
  }
  return bytes;
}

describe("a recording of 3D work", () => {
  test("has what transfers read, in commands and in streams, and no more", async () => {
    server = await ServerProcess.start({ args: [...virglServer, "--record", path] });
    guest = SyntheticGuest.boot(server.socketPath, patient);
    makeContext(guest);
    const [width, height] = [16, 8];
    const [whole, part, copied] = [1, 2, 3].map((id) => makeTexture(guest!, id, width, height)) as [
      Texture,
      Texture,
      Texture,
    ];
    for (const { pixels, resourceId } of [whole, part, copied]) {
      pixels.set(pixels.map((_, at) => resourceId * 0x0101_0101 + at));
    }
    upload(guest, whole, [...whole.pixels]);
    const box = rectangleBox(4, 2, 8, 3);
    draw(guest, (stream) =>
      virgl.transfer3d(stream, "to-host", { resourceId: 2, box, stride: width * 4, offset: 64 }),
    );
    const staging = { resourceId: 9, target: virgl.Target.BUFFER, format: virgl.VirglFormat.R8_UNORM };
    expectOk(guest.gpu.createResource3d({ ...staging, bind: virgl.Bind.STAGING, width: 4096 }));
    expectOk(guest.gpu.attachResource(1, 9));
    const backing = guest.memory.allocate(4096);
    backing.bytes.set(backing.bytes.map((_, at) => at % 253));
    expectOk(guest.gpu.attachBacking(9, [backing]));
    draw(guest, (stream) =>
      virgl.copyTransfer3d(stream, "to-host", { resourceId: 3, box, stride: 100, offset: 12 }, 9),
    );
    // What goes the other way is not read.
    download(guest, whole);
    const expectedPart = part.backing.bytes.slice();
    const expectedStaging = backing.bytes.slice();
    const recording = await recorded();
    expect(recording.start.renderer).toMatchObject({ renderer: "virgl" });
    const bytes = of(recording, "bytes");
    expect(new Set(bytes.map(({ resource }) => resource))).toEqual(new Set([1, 2, 9]));
    const rows = (source: Uint8Array, offset: number, stride: number): (number | undefined)[] =>
      Array.from(source, (byte, at) => {
        const inRow = (at - offset) % stride;
        return at >= offset && at < offset + 3 * stride && inRow < 32 ? byte : undefined;
      });
    expect(toldBytes(bytes, 2, expectedPart.length)).toEqual(rows(expectedPart, 64, 64));
    expect(toldBytes(bytes, 9, 4096)).toEqual(rows(expectedStaging, 12, 100));
    const first = toldBytes(bytes, 1, width * height * 4);
    expect(first.slice(0, 8)).toEqual([1, 1, 1, 1, 2, 1, 1, 1]);
    expect(first.includes(undefined)).toBe(false);
  });

  test("that begins in the middle says what it lacks", async () => {
    server = await ServerProcess.start({ args: [...virglServer] });
    guest = SyntheticGuest.boot(server.socketPath, patient);
    makeContext(guest);
    makeTexture(guest, 1, 4, 4);
    guest.gpu.createImage(2, Format.B8G8R8X8, 4, 4);
    expect(await server.control({ command: "record-start", path })).toMatchObject({ ok: true });
    expect(server.log()).toContain("but not what the 3D contexts have drawn, of which there are 1");
    const recording = await recorded();
    expect(of(recording, "keyframe")).toMatchObject([{ contexts: 1, rendered: 1 }]);
    expect(of(recording, "resource").map(({ id, flags }) => [id, flags])).toEqual([
      [1, 3],
      [2, 2],
    ]);
  });
});

/** What a guest can still do. */
function expectServed(): void {
  const { gpu } = guest!;
  expectOk(gpu.createResource2d(900, Format.B8G8R8X8, 4, 4));
  expectOk(gpu.unrefResource(900));
}

describe("a recording of a running server", () => {
  test("begins with all that there is: resources with backings and pixels, scanouts and cursors", async () => {
    const { gpu } = await serve();
    const image = gpu.createImage(5, Format.B8G8R8X8, 100, 80);
    fill(image, 77);
    gpu.show(0, image);
    expectOk(gpu.createResource2d(6, Format.B8G8R8A8, 10, 10));
    const cursor = gpu.createImage(8, Format.B8G8R8A8, 64, 64);
    drawArrow(cursor.pixels);
    expectOk(gpu.transferToHost2d(8, areaOf(cursor)));
    expectOk(gpu.updateCursor({ scanoutId: 0, x: 12, y: 13 }, 8, 1, 2));
    const before = await server.control({ command: "status" });
    expect(before["recording"]).toEqual({ state: "off", last: null });
    expect(await server.control({ command: "record-start", path })).toMatchObject({ ok: true });
    expect(await server.control({ command: "record-start", path })).toMatchObject({
      ok: false,
      error: `a recording goes on, to ${path}: end it first`,
    });
    expect((await server.control({ command: "status" }))["recording"]).toMatchObject({
      state: "recording",
      path,
    });
    expectOk(gpu.unrefResource(6));
    expect(await server.control({ command: "record-stop" })).toMatchObject({ ok: true, path });
    expect(await server.control({ command: "record-stop" })).toMatchObject({
      ok: false,
      error: `nothing is being recorded: ${path} has ended (as asked)`,
    });
    expectServed();
    opened = openRecording(path);
    expect(opened.start.isFromStart).toBe(false);
    expect(opened.ending).toEqual({ reason: "stopped", text: "as asked" });
    const key = opened.chunks.find(({ isKeyframe }) => isKeyframe)!;
    expect(opened.read(key.number)[0]).toMatchObject({ kind: "keyframe", contexts: 0, rendered: 0 });
    expect(of(opened, "resource")).toMatchObject([
      { id: 5, format: Format.B8G8R8X8, width: 100, height: 80, flags: 2 },
      { id: 6, width: 10, height: 10, flags: 0 },
      { id: 8, width: 64, height: 64, flags: 2 },
    ]);
    const pixels = of(opened, "pixels");
    expect(pixels.map(({ resource, row, rows }) => [resource, row, rows])).toEqual([
      [5, 0, 80],
      [8, 0, 64],
    ]);
    expect(new Uint32Array(new Uint8Array(pixels[0]!.body).buffer)).toEqual(new Uint32Array(image.pixels));
    const backing = Buffer.from(of(opened, "backing")[0]!.body);
    expect([backing.readBigUInt64LE(0), backing.readBigUInt64LE(8)]).toEqual([
      BigInt(image.backing.address),
      32_000n,
    ]);
    expect(of(opened, "scanout")).toMatchObject([
      { scanout: 0, resource: 5, x: 0, y: 0, width: 100, height: 80 },
    ]);
    const [arrow] = of(opened, "cursor");
    expect(arrow).toMatchObject({ scanout: 0, x: 12, y: 13, hotX: 1, hotY: 2, visible: 1 });
    expect(new Uint32Array(new Uint8Array(arrow!.body).buffer)).toEqual(new Uint32Array(cursor.pixels));
    const types = of(opened, "command").map(({ body }) => Buffer.from(body).readUInt32LE(0));
    expect(types).toEqual([Command.RESOURCE_UNREF]);
  });

  test("has keyframes as often as it was asked for, and can be begun again", async () => {
    const { gpu } = await serve("--record-keyframe-bytes", String(2 ** 20));
    const image = gpu.createImage(5, Format.B8G8R8X8, 256, 256);
    gpu.show(0, image);
    for (const round of [1, 2]) {
      expect(await server.control({ command: "record-start", path })).toMatchObject({ ok: true });
      for (let frame = 0; frame < 20; frame++) {
        fill(image, round * 1000 + frame);
        gpu.present(image);
      }
      expect(await server.control({ command: "record-stop" })).toMatchObject({ ok: true, path });
      opened?.close();
      opened = openRecording(path);
      expect(opened.chunks.filter(({ isKeyframe }) => isKeyframe).length).toBeGreaterThanOrEqual(4);
      expect(of(opened, "frame")).toHaveLength(20);
      // What a keyframe tells is what the transfers before it have left.
      const left = Buffer.alloc(image.pixels.byteLength);
      let transfers = 0;
      let keyframes = 0;
      for (const entry of opened.entries()) {
        if (entry.kind === "bytes") {
          left.set(entry.body, entry.offsetLow);
          transfers++;
        }
        if (entry.kind !== "pixels" || transfers === 0) continue;
        expect(Buffer.from(entry.body)).toEqual(left);
        keyframes++;
      }
      expect(keyframes).toBeGreaterThanOrEqual(3);
    }
  });

  test("says of how many 3D contexts it lacks the state, and how large it became", async () => {
    const { gpu } = await serve("--renderer", "virgl");
    expectOk(gpu.createContext(1, "before"));
    expect(await server.control({ command: "record-start", path })).toMatchObject({
      ok: true,
      path,
      contexts: 1,
    });
    const ended = await server.control({ command: "record-stop" });
    expect(ended).toMatchObject({ ok: true, path, bytes: statSync(path).size });
    await recorded();
    const { stdout } = Bun.spawnSync(["bun", "src/cli/trace-info.ts", path]);
    expect(stdout.toString()).toContain("the state of 3D contexts (1) and of resources in the renderer (0)");
  });

  test("says what it cannot write to, and records nothing", async () => {
    await serve();
    expect(await server.control({ command: "record-start", path: "/proc/nowhere/recording" })).toEqual({
      ok: false,
      error: "there is no folder /proc/nowhere: make it",
    });
    expect(await server.control({ command: "record-start", path: "/dev/full" })).toEqual({
      ok: false,
      error: "the disk is full: there is no room for all of /dev/full",
    });
    expect(Bun.spawnSync(["prlimit", "--pid", String(server.pid), "--fsize=10:"]).exitCode).toBe(0);
    expect(await server.control({ command: "record-start", path })).toMatchObject({ ok: false });
    expect(existsSync(path)).toBe(false);
    expect(Bun.spawnSync(["prlimit", "--pid", String(server.pid), "--fsize=unlimited:"]).exitCode).toBe(0);
    expectServed();
    expect((await server.control({ command: "status" }))["recording"]).toMatchObject({ state: "off" });
    expect(await server.control({ command: "record-start", path })).toMatchObject({ ok: true });
  });
});

describe("a guest goes on, and the file holds what is whole,", () => {
  test("when the disk is full", async () => {
    const { gpu } = await serve();
    expect(await server.control({ command: "record-start", path })).toMatchObject({ ok: true });
    // A file that may not grow is as good as a disk that is full.
    const limit = ["prlimit", "--pid", String(server.pid), `--fsize=${3 * 2 ** 20}`];
    expect(Bun.spawnSync(limit).exitCode).toBe(0);
    const image = gpu.createImage(5, Format.B8G8R8X8, 512, 512);
    gpu.show(0, image);
    for (let frame = 0; !server.log().includes("has ended"); frame++) {
      // What does not pack.
      for (let at = 0; at < 2 ** 19; at += 2 ** 16)
        crypto.getRandomValues(image.backing.bytes.subarray(at, at + 2 ** 16) as Uint8Array<ArrayBuffer>);
      gpu.present(image);
      if (frame > 2_000) throw new Error(server.log());
    }
    expectServed();
    expect(server.log()).toContain(`${path} may not grow further`);
    opened = openRecording(path);
    expect(opened.ending).toMatchObject({ reason: "disk" });
    expect(of(opened, "command").length).toBeGreaterThan(5);
    const { recording } = await server.control({ command: "status" });
    expect(recording).toMatchObject({ state: "off", last: { reason: "disk" } });
  });

  test("when the server is killed", async () => {
    const { gpu } = await serve("--record", path);
    // Entries are in the file after a second at most.
    for (let id = 1; statSync(path).size < 2_000 || id < 200; id++) {
      expectOk(gpu.createResource2d(id, Format.B8G8R8X8, 4, 4));
      if (id % 50 === 0) await Bun.sleep(50);
    }
    process.kill(server.pid, "SIGKILL");
    await server.exited;
    opened = openRecording(path);
    expect(opened.ending).toMatchObject({ reason: "cut", at: statSync(path).size });
    expect(of(opened, "command").length).toBeGreaterThan(10);
  });

  test("when whoever takes the recording is too slow", async () => {
    const pipe = join(directory, "pipe");
    expect(Bun.spawnSync(["mkfifo", pipe]).exitCode).toBe(0);
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const { gpu } = await serve("--record-ring-bytes", String(2 ** 20), "--record-wait-ms", "50");
      expect(await server.control({ command: "record-start", path: pipe })).toMatchObject({ ok: true });
      const image = gpu.createImage(5, Format.B8G8R8X8, 512, 512);
      gpu.show(0, image);
      // Nobody reads: after its pipe the ring is full, and the guest waits once.
      for (let frame = 0; frame < 40; frame++) {
        fill(image, frame);
        gpu.present(image);
      }
      expectServed();
      const taken = Buffer.alloc(2 ** 16);
      const parts: Buffer[] = [];
      while (!server.log().includes("too slow for the guest")) {
        const count = readAvailable(reader, taken);
        parts.push(Buffer.from(taken.subarray(0, count)));
        if (count === 0) await Bun.sleep(5);
      }
      for (let count = -1; count !== 0;) {
        count = readAvailable(reader, taken);
        parts.push(Buffer.from(taken.subarray(0, count)));
      }
      writeFileSync(path, Buffer.concat(parts));
      opened = openRecording(path);
      expect(opened.ending).toMatchObject({ reason: "too-slow" });
      expectServed();
    } finally {
      closeSync(reader);
      rmSync(pipe);
    }
  });

  test("when the recorder hangs", async () => {
    const { gpu } = await serve(
      ...["--record", path, "--record-ring-bytes", String(2 ** 20), "--record-wait-ms", "50"],
    );
    const image = gpu.createImage(5, Format.B8G8R8X8, 512, 512);
    const letGo = holdThreads(server.pid, "recorder");
    try {
      gpu.show(0, image);
      // More than its ring has room for: while it stands still, nothing else ends the wait.
      for (let frame = 0; frame < 10; frame++) {
        fill(image, frame);
        gpu.present(image);
      }
      expectServed();
      expect(await server.control({ command: "status" })).toMatchObject({ ok: true, recording: null });
    } finally {
      letGo();
    }
    await logged("too slow for the guest");
    expectServed();
    opened = openRecording(path);
    expect(opened.ending).toMatchObject({ reason: "too-slow" });
  });

  test("when the recorder crashes", async () => {
    await serve("--record", path);
    expect(await server.control({ command: "kill", actor: "recorder" })).toMatchObject({ ok: true });
    await logged("recorder: restarted");
    expectServed();
    expect(await server.control({ command: "record-start", path })).toMatchObject({ ok: true });
    expectServed();
    const recording = await recorded();
    expect(of(recording, "command")).toHaveLength(2);
  });

  test("when the cursor queue crashes", async () => {
    await serve("--record", path);
    expect(await server.control({ command: "kill", actor: "cursor-queue" })).toMatchObject({ ok: true });
    await logged("the cursor queue has crashed");
    expectServed();
    opened = openRecording(path);
    expect(opened.ending).toMatchObject({ reason: "crashed" });
  });
});

/** Reads what is there; 0 where there is nothing now, or never again. */
function readAvailable(fd: number, into: Buffer): number {
  try {
    return readSync(fd, into);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    return 0;
  }
}

test("what a recording was made with does not wait for those after it", async () => {
  const { gpu } = await serve("--isolation", "process");
  const image = gpu.createImage(1, Format.B8G8R8X8, 512, 384);
  gpu.show(0, image);
  const record = async (): Promise<void> => {
    await server.control({ command: "record-start", path });
    for (let frame = 0; frame < 4; frame++) {
      image.pixels.fill(frame * 0x10203);
      gpu.present(image);
    }
    await server.control({ command: "record-stop" });
  };
  for (let warm = 0; warm < 2; warm++) await record();
  const before = heldMib();
  let most = 0;
  for (let round = 0; round < 14; round++) {
    await record();
    most = Math.max(most, heldMib());
  }
  expect(most - before).toBeLessThan(13);
});
