// A recording that is read as it is made: whoever reads it has what the guest did, and whatever becomes of them, the guest goes on.

import { afterEach, expect, test } from "bun:test";
import { Socket } from "node:net";
import type { Image } from "../../lab/driver/gpu-driver.ts";
import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { recordingFrom } from "../../src/transport/wire/record/reader.ts";
import type { Recording } from "../../src/transport/wire/record/recording.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { driverPatienceMs } from "../support/patience.ts";
import { expectOk } from "./support.ts";

let server: ServerProcess;
let guest: SyntheticGuest | null = null;

afterEach(async () => {
  guest?.close();
  guest = null;
  await server.stop();
});

async function serve(...args: string[]): Promise<SyntheticGuest> {
  server = await ServerProcess.start({ args: ["--renderer", "software", "--inspect", ...args] });
  guest = SyntheticGuest.boot(server.socketPath, { patienceMs: driverPatienceMs });
  return guest;
}

async function inspector(): Promise<URL> {
  return new URL(String((await server.control({ command: "inspector" }))["url"]));
}

/** Asks for the recording, as a program does. */
async function ask(query = "", init: RequestInit = {}): Promise<Response> {
  const url = await inspector();
  const headers = { authorization: `Bearer ${url.searchParams.get("token")}` };
  return await fetch(new URL(`/api/record${query}`, url), { headers, ...init });
}

/** Whoever reads a recording. */
class Reader {
  private readonly parts: Uint8Array[] = [];
  private readonly reader;

  private constructor({ body }: Response) {
    this.reader = body!.getReader();
  }

  static async open(query = ""): Promise<Reader> {
    const response = await ask(query);
    expect(response.status).toBe(200);
    return new Reader(response);
  }

  /** What has come so far. */
  recording(): Recording {
    const bytes = Buffer.concat(this.parts);
    return recordingFrom((at, length) => bytes.subarray(at, at + length), bytes.length);
  }

  /** Returns whether there was more. */
  async read(): Promise<boolean> {
    const { value, done } = await this.reader.read();
    if (!done) this.parts.push(value);
    return !done;
  }

  async until(happened: (recording: Recording) => boolean): Promise<Recording> {
    for (;;) {
      if (!(await this.read())) throw new Error("the stream has ended");
      if (Buffer.concat(this.parts).length < 200) continue;
      const recording = this.recording();
      if (happened(recording)) return recording;
    }
  }

  async all(): Promise<Recording> {
    while (await this.read());
    return this.recording();
  }

  async leave(): Promise<void> {
    await this.reader.cancel();
  }
}

const fill = ({ pixels }: Image, seed: number): void => void pixels.set(pixels.map((_, at) => seed + at));
const framesOf = ({ chunks }: Recording): number => chunks.reduce((sum, { frames }) => sum + frames, 0);

async function logged(text: string): Promise<void> {
  while (!server.log().includes(text)) {
    if (server.exitCode !== null) throw new Error(server.log());
    await Bun.sleep(5);
  }
}

function expectServed(): void {
  const { gpu } = guest!;
  expectOk(gpu.createResource2d(900, Format.B8G8R8X8, 4, 4));
  expectOk(gpu.unrefResource(900));
}

test("a reader has each frame while the recording goes on, and its end mark when that is stopped", async () => {
  const { gpu } = await serve();
  const reader = await Reader.open("?checksums=1");
  await logged("recording to a reader at 127.0.0.1, port ");
  const image = gpu.createImage(5, Format.B8G8R8X8, 64, 32);
  gpu.show(0, image);
  for (let frame = 1; frame < 5; frame++) {
    const recording = await reader.until((soFar) => framesOf(soFar) === frame);
    expect(recording.ending).toMatchObject({ reason: "cut" });
    expect([...recording.entries()].findLast(({ kind }) => kind === "frame")!.body).toHaveLength(4);
    fill(image, frame);
    gpu.present(image);
  }
  expect((await server.control({ command: "status" }))["recording"]).toMatchObject({ state: "recording" });
  const stopped = await server.control({ command: "record-stop" });
  expect(stopped).toMatchObject({ ok: true, path: expect.stringContaining("a reader at 127.0.0.1") });
  const recording = await reader.all();
  expect(recording.start).toMatchObject({ hasChecksums: true, isFromStart: false });
  expect(recording.ending).toEqual({ reason: "stopped", text: "as asked" });
  expect(framesOf(recording)).toBe(5);
  expectServed();
});

test("one that comes in the middle of a session has what there is, and no checksum unless it asks", async () => {
  const { gpu } = await serve();
  const image = gpu.createImage(5, Format.B8G8R8X8, 64, 32);
  fill(image, 7);
  gpu.show(0, image);
  const reader = await Reader.open();
  gpu.present(image);
  const recording = await reader.until((soFar) => framesOf(soFar) === 1);
  expect(recording.start).toMatchObject({ hasChecksums: false, isFromStart: false });
  const entries = [...recording.entries()];
  expect(entries.find(({ kind }) => kind === "frame")!.body).toHaveLength(0);
  const pixels = entries.find(({ kind }) => kind === "pixels")!;
  expect(new Uint32Array(new Uint8Array(pixels.body).buffer)).toEqual(new Uint32Array(image.pixels));
  await reader.leave();
});

test("there is one recording at a time, and whoever comes second is told who has it", async () => {
  await serve();
  const path = `${server.directory}/recording`;
  const reader = await Reader.open();
  const second = await ask();
  expect([second.status, await second.text()]).toEqual([
    503,
    expect.stringMatching(/^a recording goes on, to a reader at 127\.0\.0\.1, port \d+: end it first\n$/),
  ]);
  const refused = await server.control({ command: "record-start", path });
  expect(refused.error).toMatch(/^a recording goes on, to a reader at 127\.0\.0\.1, port \d+: end it first$/);
  await server.control({ command: "record-stop" });
  expect((await reader.all()).ending.reason).toBe("stopped");
  expect(await server.control({ command: "record-start", path })).toMatchObject({ ok: true });
  expect(await (await ask()).text()).toBe(`a recording goes on, to ${path}: end it first\n`);
});

test("nobody reads who has not the token, asks for what there is not, or comes from elsewhere", async () => {
  await serve();
  const url = await inspector();
  expect((await fetch(new URL("/api/record", url))).status).toBe(401);
  expect((await ask("", { headers: {} })).status).toBe(401);
  for (const method of ["PUT", "POST"]) expect((await ask("", { method })).status).toBe(405);
  const wrong = await ask("?checksums=yes");
  expect([wrong.status, await wrong.text()]).toEqual([400, "checksums: want 0 or 1\n"]);
  // The loopback alone is listened at, where nobody has asked for more.
  expect(url.hostname).toBe("127.0.0.1");
  const elsewhere = new Promise((resolve) => {
    const socket = new Socket();
    socket.on("error", (error) => resolve((error as NodeJS.ErrnoException).code));
    socket.connect({ host: "127.0.0.2", port: Number(url.port) }, () => resolve("connected"));
  });
  expect(await elsewhere).toBe("ECONNREFUSED");
  expect((await server.control({ command: "status" }))["recording"]).toEqual({ state: "off", last: null });
});

test("a reader that goes leaves nothing behind, and the next one has its place", async () => {
  const { gpu } = await serve();
  const image = gpu.createImage(5, Format.B8G8R8X8, 64, 32);
  gpu.show(0, image);
  const ends = (): number => server.log().split("has ended, with").length - 1;
  let fds = 0;
  for (let round = 1; round <= 6; round++) {
    const reader = await Reader.open();
    await reader.read();
    // One that goes while nothing happens is noticed, too.
    if (round % 2 === 0) gpu.present(image);
    await reader.leave();
    while (ends() < round) await Bun.sleep(5);
    // What the first has brought stays: threads, and modules.
    if (round === 2) fds = server.usage().fds;
  }
  expect(server.log()).toContain(": its reader has gone");
  while (server.usage().fds > fds) await Bun.sleep(20);
  expectServed();
});

test("a reader that is too slow ends the recording with its mark, and not the guest", async () => {
  const { gpu } = await serve("--record-ring-bytes", String(2 ** 20), "--record-wait-ms", "50");
  const reader = await Reader.open();
  const image = gpu.createImage(5, Format.B8G8R8X8, 512, 512);
  gpu.show(0, image);
  for (let frame = 0; !server.log().includes("has ended, with"); frame++) {
    // What does not pack.
    for (let at = 0; at < 2 ** 20; at += 2 ** 16)
      crypto.getRandomValues(image.backing.bytes.subarray(at, at + 2 ** 16) as Uint8Array<ArrayBuffer>);
    gpu.present(image);
    if (frame === 60) break;
  }
  expectServed();
  const recording = await reader.all();
  expect(recording.ending).toEqual({ reason: "too-slow", text: "its reader was too slow for the guest" });
  expect(framesOf(recording)).toBeGreaterThan(3);
  await logged("its reader was too slow for the guest");
});

test("one that reads nothing any more is given up", async () => {
  const { gpu } = await serve("--record-ring-bytes", String(2 ** 20), "--record-wait-ms", "50");
  await Reader.open();
  const image = gpu.createImage(5, Format.B8G8R8X8, 512, 512);
  gpu.show(0, image);
  while (!server.log().includes("its reader was too slow for the guest")) {
    for (let at = 0; at < 2 ** 20; at += 2 ** 16)
      crypto.getRandomValues(image.backing.bytes.subarray(at, at + 2 ** 16) as Uint8Array<ArrayBuffer>);
    gpu.present(image);
  }
  expectServed();
  expect(await server.control({ command: "record-start", path: `${server.directory}/next` })).toMatchObject({
    ok: true,
  });
});

test("an inspector that crashes takes its reader along, and the recorder has time for another", async () => {
  const { gpu } = await serve();
  const reader = await Reader.open();
  await server.control({ command: "kill", actor: "inspector" });
  await logged(": its reader has gone");
  await logged("inspector: restarted");
  const recording = await reader.all().catch(() => reader.recording());
  expect(recording.ending.reason).toBe("cut");
  const next = await Reader.open();
  gpu.show(0, gpu.createImage(5, Format.B8G8R8X8, 64, 32));
  await next.until((soFar) => framesOf(soFar) === 1);
  await next.leave();
});

test("a recorder that crashes ends the stream, and the next one records", async () => {
  const { gpu } = await serve();
  const reader = await Reader.open();
  await server.control({ command: "kill", actor: "recorder" });
  expect((await reader.all()).ending).toEqual({ reason: "crashed", text: "the recorder has crashed" });
  await logged("recorder: restarted");
  const image = gpu.createImage(5, Format.B8G8R8X8, 64, 32);
  gpu.show(0, image);
  const next = await Reader.open();
  gpu.present(image);
  await next.until((soFar) => framesOf(soFar) === 1);
  await next.leave();
});

test("a server that ends tells its reader, and one that is killed leaves what was whole", async () => {
  for (const isKilled of [false, true]) {
    const { gpu } = await serve();
    const reader = await Reader.open();
    gpu.show(0, gpu.createImage(5, Format.B8G8R8X8, 64, 32));
    await reader.until((soFar) => framesOf(soFar) === 1);
    if (isKilled) process.kill(server.pid, "SIGKILL");
    else {
      guest!.close();
      guest = null;
      expect(await server.stop()).toBe(0);
    }
    const recording = await reader.all().catch(() => reader.recording());
    expect(framesOf(recording)).toBe(1);
    expect(recording.ending).toMatchObject({ reason: isKilled ? "cut" : "stopped" });
  }
});
