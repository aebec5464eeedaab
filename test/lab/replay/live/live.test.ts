// `bun run replay --from` and `--follow`: what one server's guest does is seen on another server, while it does it.

import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Image } from "../../../../lab/driver/gpu-driver.ts";
import { SyntheticGuest } from "../../../../lab/driver/synthetic-guest.ts";
import { ServerProcess } from "../../../../lab/vmm/server-process.ts";
import { openRecording } from "../../../../src/transport/wire/record/reader.ts";
import { Format } from "../../../../src/transport/wire/virtio-gpu/protocol.ts";
import { driverPatienceMs } from "../../../support/patience.ts";
import { decodePng } from "../../../support/png.ts";
import { Tape } from "../../../support/tape.ts";
import { TapedScreen } from "../../../support/taped-screen.ts";
import { callOf, commandOf } from "../../../support/programs.ts";

const directory = mkdtempSync(join(tmpdir(), "fencepost-live-"));
const servers: ServerProcess[] = [];
const players: Player[] = [];
let guest: SyntheticGuest | null = null;

afterEach(async () => {
  for (const player of players.splice(0)) await player.end("SIGKILL");
  guest?.close();
  guest = null;
  for (const server of servers.splice(0)) await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function serve(...args: string[]): Promise<ServerProcess> {
  const server = await ServerProcess.start({ args: ["--renderer", "software", ...args] });
  servers.push(server);
  return server;
}

/** The program that plays. */
class Player {
  private readonly child;
  private out = "";

  constructor(...args: string[]) {
    this.child = Bun.spawn([...commandOf("replay"), ...args], { stdout: "pipe", stderr: "pipe" });
    players.push(this);
    void this.collect(this.child.stdout);
    void this.collect(this.child.stderr);
  }

  /** What it has said, without how far it was. */
  get said(): string[] {
    return this.out.split("\n").filter((line) => line !== "" && !line.includes(" s behind, command "));
  }

  /** The most memory that it was seen to have, until it ends; what the system counts is that of whoever started it, too. */
  async peakBytes(): Promise<number> {
    let peak = 0;
    for (; this.child.exitCode === null; await Bun.sleep(2)) {
      const [, kib] = /^VmHWM:\s+(\d+)/m.exec(await statusOf(this.child.pid)) ?? [];
      peak = Math.max(peak, Number(kib ?? 0) * 1024);
    }
    return peak;
  }

  async end(signal?: NodeJS.Signals): Promise<number> {
    if (signal !== undefined) this.child.kill(signal);
    const code = await this.child.exited;
    await Bun.sleep(0);
    return code;
  }

  private async collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of stream) this.out += decoder.decode(bytes, { stream: true });
  }
}

/** What the system says of a process; "" once that has ended. */
const statusOf = (pid: number): Promise<string> =>
  Bun.file(`/proc/${pid}/status`)
    .text()
    .catch(() => {
      // It has.
      return "";
    });

async function urlOf(server: ServerProcess): Promise<string> {
  return String((await server.control({ command: "inspector" }))["url"]);
}

/** What a scanout shows; null where that is nothing. */
async function pictureOf(server: ServerProcess, scanout = 0): Promise<string | null> {
  const path = join(server.directory, "shown.png");
  const { ok } = await server.control({ command: "screenshot", scanout, path });
  if (!ok) return null;
  const { width, height, pixels } = decodePng(readFileSync(path));
  return `${width}x${height} ${Bun.hash(new Uint32Array(pixels))}`;
}

/** Both show the same, now or soon. */
async function untilAlike(a: ServerProcess, b: ServerProcess, scanout = 0): Promise<void> {
  // Asked anew each time: the display may be asked before it has looked at what the guest drew last, or at all.
  for (;;) {
    const wanted = await pictureOf(a, scanout);
    if (wanted !== null && (await pictureOf(b, scanout)) === wanted) return;
    await Bun.sleep(20);
  }
}

function draw(image: Image, seed: number): void {
  image.pixels.set(image.pixels.map((_, at) => (at * 2_654_435_761 + seed * 40_503) >>> 0));
  guest!.gpu.present(image);
}

/** A guest that has drawn before anybody looks. */
async function begin(...args: string[]): Promise<{ a: ServerProcess; b: ServerProcess; image: Image }> {
  const [a, b] = [await serve("--inspect", ...args), await serve()];
  guest = SyntheticGuest.boot(a.socketPath, { patienceMs: driverPatienceMs });
  const image = guest.gpu.createImage(5, Format.B8G8R8X8, 320, 200);
  guest.gpu.show(0, image);
  draw(image, 1);
  return { a, b, image };
}

test("the second server shows what the first one does, from the middle of a session to its end, and the file keeps it", async () => {
  const { a, b, image } = await begin();
  const file = join(directory, "kept");
  await Bun.write(file, "old");
  const player = new Player("--from", await urlOf(a), "--socket-path", b.socketPath, "--save", file);
  await untilAlike(a, b);
  for (let frame = 2; frame < 5; frame++) {
    draw(image, frame);
    await untilAlike(a, b);
  }
  const other = guest!.gpu.createImage(6, Format.R8G8B8A8, 100, 60);
  guest!.gpu.show(0, other);
  draw(other, 9);
  await untilAlike(a, b);
  expect(await a.control({ command: "record-stop" })).toMatchObject({ ok: true });
  expect(await player.end()).toBe(0);
  const host = new URL(await urlOf(a)).host;
  expect(player.said).toEqual([
    `playing what ${host} records: it holds what the guest shows`,
    expect.stringMatching(/^played to command \d+, frame 5, in /),
  ]);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const kept = openRecording(file);
  expect(kept.ending).toEqual({ reason: "stopped", text: "as asked" });
  expect(kept.chunks.reduce((sum, { frames }) => sum + frames, 0)).toBe(5);
  kept.close();
  expect(new Player(file, "--compare").end()).resolves.toBe(0);
});

test("what is compared while it comes has checksums, and none that differs", async () => {
  const { a, image } = await begin();
  const player = new Player("--from", await urlOf(a), "--compare");
  while (!a.log().includes("recording to")) await Bun.sleep(10);
  for (let frame = 2; frame < 8; frame++) draw(image, frame);
  await a.control({ command: "record-stop" });
  expect(await player.end()).toBe(0);
  expect(player.said.at(-1)).toBe("6 pictures as recorded; nothing differs");
});

test("Ctrl-C ends it with 130, and the first server hears that nobody reads", async () => {
  const { a, b } = await begin();
  const player = new Player("--from", await urlOf(a), "--socket-path", b.socketPath);
  await untilAlike(a, b);
  expect(await player.end("SIGINT")).toBe(130);
  expect(player.said.at(-1)).toMatch(/^played to command \d+, frame 0, in /);
  while (!a.log().includes(": its reader has gone")) await Bun.sleep(10);
});

test("of a server that is killed all is played that was whole, and it says where that ends", async () => {
  const { a, b, image } = await begin();
  const player = new Player("--from", await urlOf(a), "--socket-path", b.socketPath);
  await untilAlike(a, b);
  draw(image, 2);
  await untilAlike(a, b);
  process.kill(a.pid, "SIGKILL");
  expect(await player.end()).toBe(0);
  expect(player.said.at(-1)).toMatch(
    /^the recording is cut: (?:the connection was lost: \w+|the stream has ended), at byte \d+$/,
  );
});

test("a player whose own server goes says so, and lets the other go on", async () => {
  const { a, b, image } = await begin();
  const player = new Player("--from", await urlOf(a), "--socket-path", b.socketPath);
  await untilAlike(a, b);
  expect(await b.control({ command: "shutdown" })).toMatchObject({ ok: true });
  expect(await player.end()).toBe(1);
  expect(player.said.at(-1)).toBe("replay: the server that plays it has ended");
  draw(image, 2);
  while (!a.log().includes(": its reader has gone")) await Bun.sleep(10);
});

test("a file that is still written is followed to its end mark", async () => {
  const { a, b, image } = await begin();
  const file = join(directory, "followed");
  await Bun.write(file, "");
  expect(await a.control({ command: "record-start", path: file })).toMatchObject({ ok: true });
  const player = new Player(file, "--follow", "--socket-path", b.socketPath);
  await untilAlike(a, b);
  draw(image, 2);
  await untilAlike(a, b);
  expect(await a.control({ command: "record-stop" })).toMatchObject({ ok: true });
  expect(await player.end()).toBe(0);
  expect(player.said).toEqual([
    "following followed to its end mark, or Ctrl-C",
    expect.stringMatching(/^played to command \d+, frame 1, in /),
  ]);
});

/** What is no recording, or no answer, from whoever should stream one. */
const lies: Record<string, { answer: () => Response; says: RegExp }> = {
  "a page": {
    answer: () => new Response("<html>no such page</html>"),
    says: /^replay: this is no recording$/,
  },
  "an error with control characters": {
    answer: () => new Response("\x1b[2Jgone\nand more", { status: 404 }),
    says: /^replay: the server answers 404: \?\[2Jgone$/,
  },
  "a redirect": {
    answer: () => new Response(null, { status: 302, headers: { location: "http://127.0.0.1:1/" } }),
    says: /^replay: the server leads elsewhere \(302\): want the URL that it has logged$/,
  },
  "a bomb": {
    answer: () =>
      new Response(Bun.gzipSync(new Uint8Array(64 * 1024 * 1024)), {
        headers: { "content-encoding": "gzip" },
      }),
    says: /^replay: this is no recording$/,
  },
  nothing: {
    answer: () => new Response(""),
    says: /^replay: no recording has come: the stream has ended$/,
  },
  "bytes without end": {
    answer: () => {
      const noise = crypto.getRandomValues(new Uint8Array(65_536));
      return new Response(new ReadableStream({ pull: (controller) => controller.enqueue(noise) }));
    },
    says: /^replay: this is no recording$/,
  },
  "a beginning with bytes without end behind it": {
    answer: () => {
      const noise = crypto.getRandomValues(new Uint8Array(65_536));
      const head = new Tape().bytes().subarray(0, 16);
      const start = (controller: ReadableStreamDefaultController): void => controller.enqueue(head);
      return new Response(new ReadableStream({ start, pull: (controller) => controller.enqueue(noise) }));
    },
    says: /^replay: there is no chunk at byte 16$/,
  },
};

for (const [name, { answer, says }] of Object.entries(lies)) {
  test(`${name} in place of a stream earns one line, and little memory`, async () => {
    const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
    try {
      const player = new Player("--from", `http://127.0.0.1:${server.port}/?token=1`);
      const peakBytes = await player.peakBytes();
      expect(await player.end()).toBe(1);
      expect(player.said).toHaveLength(2);
      expect(player.said.at(-1)).toMatch(says);
      expect(peakBytes).toBeGreaterThan(2 ** 20);
      expect(peakBytes).toBeLessThan(400 * 2 ** 20);
    } finally {
      await server.stop(true);
    }
  });
}

test("a stream that turns into something else is played up to there", async () => {
  const tape = new Tape();
  new TapedScreen(tape, 1, 100, 80).draw({ x: 0, y: 0, width: 100, height: 80 }, 7);
  tape.writer.flush();
  const good = tape.bytes();
  const bytes = Buffer.concat([good, crypto.getRandomValues(new Uint8Array(1000))]);
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response(bytes) });
  try {
    const player = new Player("--from", `http://127.0.0.1:${server.port}/?token=1`);
    expect(await player.end()).toBe(0);
    expect(player.said.slice(1)).toEqual([
      expect.stringMatching(/^played to command 5, frame 1, in /),
      `the recording is cut: there is no chunk at byte ${good.length}, at byte ${good.length}`,
    ]);
  } finally {
    await server.stop(true);
  }
});

test("whoever comes late leaves out what was before a keyframe, and shows what is there now", async () => {
  const tape = new Tape();
  const screen = new TapedScreen(tape, 1, 100, 80);
  for (let frame = 1; frame <= 40; frame++) {
    tape.time += 1e8;
    screen.draw({ x: (frame * 7) % 50, y: (frame * 3) % 40, width: 50, height: 40 }, frame * 0x01_02_03);
    tape.writer.flush();
    if (frame === 30) screen.keyframe();
  }
  const bytes = tape.bytes();
  const start = (controller: ReadableStreamDefaultController): void => controller.enqueue(bytes);
  // It goes on, and nothing happens for now.
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => new Response(new ReadableStream({ start })),
  });
  try {
    const b = await serve();
    const player = new Player(
      "--from",
      `http://127.0.0.1:${server.port}/?token=1`,
      "--socket-path",
      b.socketPath,
    );
    const wanted = `100x80 ${Bun.hash(new Uint32Array([...screen.shown()].map((pixel) => (pixel << 8) | 0xff)))}`;
    while ((await pictureOf(b)) !== wanted) await Bun.sleep(20);
    expect(await player.end("SIGINT")).toBe(130);
    expect(player.said.slice(1)).toEqual([
      expect.stringMatching(/^played to command \d+, frame 40, in /),
      "30 frames were left out to catch up",
    ]);
  } finally {
    await server.stop(true);
  }
});

test("a server that is not there, or refuses, is told in one line", async () => {
  // What was kept at another time is left as it was.
  const file = join(directory, "earlier");
  await Bun.write(file, "an earlier recording");
  const gone = new Player("--from", "http://127.0.0.1:1/?token=1", "--save", file);
  expect(await gone.end()).toBe(1);
  expect(gone.said.at(-1)).toMatch(/^replay: 127\.0\.0\.1:1 does not answer: \w+$/);
  const { a } = await begin();
  const url = new URL(await urlOf(a));
  url.searchParams.set("token", "0");
  const refused = new Player("--from", url.href, "--save", file);
  expect(await refused.end()).toBe(1);
  expect(refused.said.at(-1)).toBe(
    "replay: the server answers 401: open the URL with the token that the server has logged",
  );
  expect(await Bun.file(file).text()).toBe("an earlier recording");
});

test("what makes no sense with a stream is refused before anything begins", async () => {
  const url = "http://127.0.0.1:1/?token=1";
  const wrong: [string[], string][] = [
    [
      ["--from", url, "--realtime"],
      "what is still being recorded is played as it comes: leave out --realtime and --fast",
    ],
    [["--from", url, "file"], "--from plays a stream: leave out FILE and --follow"],
    [["--save", "file", "other"], "--save keeps what --from brings"],
    [
      ["--bisect", "virgl", "software", "--from", url],
      "--bisect goes over a recording again: it wants a file that is whole",
    ],
    [
      ["--from", "http://127.0.0.1:1/"],
      "--from http://127.0.0.1:1/: want the URL that the server has logged, with its token",
    ],
  ];
  for (const [args, says] of wrong) {
    const player = new Player(...args);
    expect(await player.end()).toBe(2);
    expect(player.said).toEqual([`replay: ${says}. See ${callOf("replay")} --help.`]);
  }
});
