// The control socket: one JSON request a line, one answer a line, whatever a client sends.
import { closeFd } from "../../../src/transport/os/fds.ts";
import { connectUnix, listenUnix } from "../../../src/transport/os/unix-path.ts";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createConnection, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Refusal } from "../../../src/transport/os/errors.ts";
import { workerNames } from "../../../src/actors/registry.ts";
import { type ControlHandlers, ControlServer } from "../../../src/actors/supervisor/control-server.ts";

const forbidden = "/elsewhere/file";
let folder: string;
let path: string;
let server: ControlServer;
let calls: string[];
let handlers: ControlHandlers;
let clients: Socket[];

/** More than any test needs. */
const peersMax = 16;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "fencepost-test-"));
  path = join(folder, "control.sock");
  calls = [];
  clients = [];
  handlers = {
    status: () => Promise.resolve({ device: "running" }),
    screenshot: (scanout) => {
      calls.push(`screenshot ${scanout}`);
      if (scanout === 15) return Promise.reject(new Error("scanout 15 is off"));
      return Promise.resolve({ width: 2, height: 1, pixels: Uint8Array.of(1, 2, 3, 0, 4, 5, 6, 0) });
    },
    snapshot: () => {
      calls.push("snapshot");
      return Promise.resolve({ bytes: Uint8Array.of(7, 8, 9), resources: 3, contexts: ["kmscube"] });
    },
    startTrace: (file) => void calls.push(`trace ${file}`),
    stopTrace: () => Promise.resolve({ path: "/tmp/one.pftrace", bytes: 12 }),
    inspector: () => {
      calls.push("inspector");
      return "http://127.0.0.1:9/?token=00";
    },
    startRecording: (path) => {
      calls.push(`record ${path}`);
      return Promise.resolve({ path, contexts: 2 });
    },
    stopRecording: () => Promise.reject(new Error("nothing is being recorded")),
    setLogLevel: (level) => void calls.push(`log ${level}`),
    outputs: (changes) => {
      calls.push(`outputs ${JSON.stringify(changes)}`);
      return Promise.resolve({ said: "server", outputs: [] });
    },
    kill: (actor) => void calls.push(`kill ${actor}`),
    tooMany: () => void calls.push("too many"),
    checkFile: (file) => {
      if (file === forbidden) throw new Refusal("the sandbox forbids it");
    },
    shutdown: () => void calls.push("shutdown"),
  };
  server = new ControlServer(path, peersMax, {
    status: () => handlers.status(),
    screenshot: (scanout) => handlers.screenshot(scanout),
    snapshot: () => handlers.snapshot(),
    inspector: () => handlers.inspector(),
    outputs: (changes) => handlers.outputs(changes),
    startTrace: (file) => handlers.startTrace(file),
    stopTrace: () => handlers.stopTrace(),
    tooMany: () => handlers.tooMany(),
    startRecording: (to) => handlers.startRecording(to),
    stopRecording: () => handlers.stopRecording(),
    setLogLevel: (level) => handlers.setLogLevel(level),
    kill: (actor) => handlers.kill(actor),
    checkFile: (file) => handlers.checkFile(file),
    shutdown: () => handlers.shutdown(),
  });
  server.open();
});
afterEach(() => {
  for (const client of clients) client.destroy();
  server.close();
  rmSync(folder, { recursive: true });
});

/** A client that can wait for a number of answers. */
class Client {
  readonly answers: Record<string, unknown>[] = [];
  closed = false;
  private text = "";
  private wake = (): void => undefined;

  constructor(private readonly socket: Socket) {
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => {
      const lines = (this.text + text).split("\n");
      this.text = lines.pop()!;
      for (const line of lines) this.answers.push(JSON.parse(line) as Record<string, unknown>);
      this.wake();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.closed = true;
      this.wake();
    });
  }

  send(text: string): void {
    this.socket.write(text);
  }

  async until(done: () => boolean): Promise<void> {
    while (!done()) await new Promise<void>((resolve) => (this.wake = resolve));
  }

  async ask(request: unknown): Promise<Record<string, unknown>> {
    const before = this.answers.length;
    this.send(`${typeof request === "string" ? request : JSON.stringify(request)}\n`);
    await this.until(() => this.answers.length > before || this.closed);
    return this.answers[before]!;
  }
}

function connect(): Promise<Client> {
  return new Promise((resolve) => {
    const socket = createConnection(path, () => resolve(new Client(socket)));
    clients.push(socket);
  });
}

test("status is answered with what the handler says", async () => {
  const client = await connect();
  expect(await client.ask({ command: "status" })).toEqual({ ok: true, device: "running" });
});

test("who asks for the inspector is told its URL, or why there is none", async () => {
  const client = await connect();
  expect(await client.ask({ command: "inspector" })).toEqual({
    ok: true,
    url: "http://127.0.0.1:9/?token=00",
  });
  handlers.inspector = () => {
    throw new Error("the server has no inspector");
  };
  expect(await client.ask({ command: "inspector" })).toEqual({
    ok: false,
    error: "the server has no inspector",
  });
});

const vmm = { command: "outsider", name: "vmm", state: "running", counters: { exits: 3 } };

test("an outsider is told of for as long as its connection is there", async () => {
  const client = await connect();
  expect(await client.ask(vmm)).toEqual({ ok: true });
  expect(await client.ask({ ...vmm, counters: { exits: 4 } })).toEqual({ ok: true });
  expect(server.outsiders.all).toEqual([{ name: "vmm", state: "running", counters: { exits: 4 } }]);
  clients.at(-1)!.destroy();
  while (server.outsiders.all.length > 0) await Bun.sleep(1);
});

test("an outsider that is somebody else, or one too many, is refused", async () => {
  await (await connect()).ask(vmm);
  const other = await connect();
  expect(await other.ask(vmm)).toMatchObject({ error: "another connection tells of vmm already" });
  for (let number = 1; number < 8; number++) await (await connect()).ask({ ...vmm, name: `vmm-${number}` });
  expect(await other.ask({ ...vmm, name: "vmm-8" })).toMatchObject({
    error: "8 connections tell of somebody already",
  });
});

test.each([
  [{ name: "display" }, "name: display is an actor of the server's own"],
  [{ name: "<b>" }, "name: want a name of up to 32 of a-z, 0-9 and -"],
  [{ state: "" }, "state: want a word of up to 32 letters"],
  [{ counters: [1] }, "counters: want an object of counts"],
  [{ counters: { "a b": 1 } }, "counters: want names of up to 32 letters and digits"],
  [{ counters: { exits: -1 } }, "counters: want a whole number"],
  [{ counters: Object.fromEntries(Array.from({ length: 33 }, (_, at) => [`c${at}`, at])) }, "want 32 counts"],
])("an outsider with %j is refused with a sentence", async (fields, sentence) => {
  const client = await connect();
  const { ok, error } = await client.ask({ ...vmm, ...fields });
  expect({ ok, error }).toEqual({ ok: false, error: expect.stringContaining(sentence) });
  expect(server.outsiders.all).toEqual([]);
});

test("a screenshot leaves a PNG and says how large it is", async () => {
  const client = await connect();
  const file = join(folder, "shot.png");

  expect(await client.ask({ command: "screenshot", path: file })).toEqual({
    ok: true,
    path: file,
    width: 2,
    height: 1,
  });

  expect([...readFileSync(file).subarray(0, 8)]).toEqual([137, 80, 78, 71, 13, 10, 26, 10]);
  expect(calls).toEqual(["screenshot 0"]);
});

test("a snapshot is its owner's file alone, and tells what it lacks", async () => {
  const client = await connect();
  const file = join(folder, "guest.snapshot");
  expect(await client.ask({ command: "snapshot", path: file })).toEqual({
    ok: true,
    path: file,
    bytes: 3,
    resources: 3,
    contexts: ["kmscube"],
  });
  expect(readFileSync(file)).toEqual(Buffer.of(7, 8, 9));
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test("a screenshot that cannot be taken or written says why", async () => {
  const client = await connect();
  expect(await client.ask({ command: "screenshot", scanout: 15, path: join(folder, "a.png") })).toEqual({
    ok: false,
    error: "scanout 15 is off",
  });
  const answer = await client.ask({ command: "screenshot", path: join(folder, "none", "a.png") });
  expect(answer).toEqual({ ok: false, error: `there is no folder ${folder}/none: make it` });
});

test.each(["screenshot", "snapshot", "trace-start", "record-start"])(
  "%s of a file that the sandbox forbids is refused before anything is done",
  async (command) => {
    const client = await connect();
    const answer = await client.ask({ command, path: forbidden });
    expect(answer).toEqual({ ok: false, error: "the sandbox forbids it" });
    expect(calls).toEqual([]);
  },
);

test("a screenshot into a pipe that nobody reads is refused", async () => {
  const pipe = join(folder, "pipe");
  Bun.spawnSync(["mkfifo", pipe]);
  const answer = await (await connect()).ask({ command: "screenshot", path: pipe });
  expect(answer).toEqual({ ok: false, error: `${pipe} is a pipe that nobody reads` });
});

test("the level of the log can be set, to one that there is", async () => {
  const client = await connect();
  expect(await client.ask({ command: "log-level", level: "debug" })).toEqual({ ok: true, level: "debug" });
  expect(await client.ask({ command: "log-level", level: "loud" })).toMatchObject({
    ok: false,
    error: "level: want one of debug, info, warning, error",
  });
  expect(calls).toEqual(["log debug"]);
});

test("an actor can be killed, by its name only", async () => {
  const client = await connect();
  expect(await client.ask({ command: "kill", actor: "display" })).toEqual({ ok: true });
  for (const actor of ["supervisor", "everything", ""]) {
    expect(await client.ask({ command: "kill", actor })).toMatchObject({ ok: false });
  }
  expect(calls).toEqual(["kill display"]);
});

test("shutdown is answered before it happens", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  handlers.shutdown = resolve;
  const client = await connect();
  expect(await client.ask({ command: "shutdown" })).toEqual({ ok: true });
  await promise;
});

test("a trace is begun in the file that is named, and its end tells how much is in it", async () => {
  const client = await connect();
  const file = join(folder, "one.pftrace");
  expect(await client.ask(`{"command":"trace-start","path":"${file}"}`)).toEqual({ ok: true, path: file });
  expect(await client.ask('{"command":"trace-start","path":"one.pftrace"}')).toEqual({
    ...{ ok: false, error: "path: want an absolute path" },
  });
  expect(await client.ask('{"command":"trace-stop"}')).toMatchObject({ ok: true, bytes: 12 });
  expect(calls).toEqual([`trace ${file}`]);
});

test("what makes no sense is answered with what is wanted", async () => {
  const client = await connect();
  for (const [line, error] of [
    ["nonsense", "want one JSON object a line"],
    ["", "want one JSON object a line"],
    ["[]", "want one JSON object a line"],
    ["null", "want one JSON object a line"],
    [
      "{}",
      "command: want one of status, screenshot, snapshot, inspector, trace-start, trace-stop, record-start, record-stop, outputs, outputs-set, outsider, log-level, kill, shutdown",
    ],
    [
      '{"command":"dance"}',
      "command: want one of status, screenshot, snapshot, inspector, trace-start, trace-stop, record-start, record-stop, outputs, outputs-set, outsider, log-level, kill, shutdown",
    ],
    [
      '{"command":["status"]}',
      "command: want one of status, screenshot, snapshot, inspector, trace-start, trace-stop, record-start, record-stop, outputs, outputs-set, outsider, log-level, kill, shutdown",
    ],
    ['{"command":"screenshot"}', "path: want an absolute path"],
    ['{"command":"screenshot","path":"/a","scanout":16}', "scanout: want a whole number from 0 to 15"],
    ['{"command":"screenshot","path":"/a","scanout":-1}', "scanout: want a whole number from 0 to 15"],
    ['{"command":"screenshot","path":"/a","scanout":"x"}', "scanout: want a whole number from 0 to 15"],
    ['{"command":"screenshot","path":"a"}', "path: want an absolute path"],
    ['{"command":"screenshot","path":""}', "path: want an absolute path"],
    [
      '{"command":"screenshot","path":5,"scanout":0.5}',
      "scanout: want a whole number from 0 to 15; path: want an absolute path",
    ],
    ['{"command":"kill","actor":7}', `actor: want one of ${workerNames.join(", ")}`],
  ] as const) {
    const answer = await client.ask(line);
    expect(answer).toEqual({ ok: false, error });
  }
});

test("requests may come in pieces, and several at once", async () => {
  const client = await connect();
  const line = `${JSON.stringify({ command: "status" })}\n`;
  for (const letter of line) client.send(letter);
  client.send(line + line.slice(0, 5));
  client.send(line.slice(5));
  await client.until(() => client.answers.length === 3);

  expect(client.answers).toEqual(Array.from({ length: 3 }, () => ({ ok: true, device: "running" })));
});

test("a line that never ends is cut off", async () => {
  const client = await connect();
  const piece = "x".repeat(16 * 1024);
  for (let count = 0; count < 8; count++) client.send(piece);
  await client.until(() => client.closed);

  expect(await (await connect()).ask({ command: "status" })).toMatchObject({ ok: true });
});

test("an answer that is larger than what the socket takes at once arrives whole", async () => {
  const large = "x".repeat(900_000);
  handlers.status = () => Promise.resolve({ large });
  const client = await connect();
  const socket = clients[0]!;
  socket.pause();
  client.send('{"command":"status"}\n');
  await Bun.sleep(100);
  socket.resume();
  await client.until(() => client.answers.length === 1);

  expect(client.answers).toEqual([{ ok: true, large }]);
});

test("a client that never reads its answers is cut off", async () => {
  handlers.status = () => Promise.resolve({ large: "x".repeat(400_000) });
  const client = await connect();
  clients[0]!.pause();
  for (let count = 0; count < 8; count++) client.send('{"command":"status"}\n');
  await Bun.sleep(200);
  clients[0]!.resume();
  await client.until(() => client.closed);

  expect(client.answers.length).toBeLessThan(8);
  expect(await (await connect()).ask({ command: "kill", actor: "display" })).toEqual({ ok: true });
});

test("a client that asks faster than it is answered is read from no faster", async () => {
  let asked = 0;
  handlers.status = async () => {
    asked++;
    await Bun.sleep(1);
    return {};
  };
  await connect();
  const socket = clients[0]!;
  const many = Buffer.from('{"command":"status"}\n'.repeat(100_000));
  socket.write(many);
  await Bun.sleep(200);
  // What the kernel holds of it is all that was read ahead.
  expect(socket.bytesWritten - socket.writableLength).toBeLessThan(many.length);
  expect(socket.writableLength).toBeGreaterThan(many.length / 2);

  socket.destroy();
  await Bun.sleep(200);
  const before = asked;
  await Bun.sleep(200);
  expect(asked).toBe(before);
});

test("a client that asks for much at once has all of it in order", async () => {
  let asked = 0;
  handlers.status = () => Promise.resolve({ asked: asked++ });
  const client = await connect();
  client.send('{"command":"status"}\n'.repeat(20_000));
  await client.until(() => client.answers.length === 20_000);
  expect(client.answers.every(({ asked: number }, index) => number === index)).toBe(true);
});

test("answers come in the order of their requests, however long each takes", async () => {
  const slow = Promise.withResolvers<Record<string, unknown>>();
  handlers.status = () => slow.promise;
  const client = await connect();
  client.send('{"command":"status"}\n{"command":"kill","actor":"display"}\n');
  await Bun.sleep(20);
  slow.resolve({ slow: true });
  await client.until(() => client.answers.length === 2);

  expect(client.answers).toEqual([{ ok: true, slow: true }, { ok: true }]);
});

test("a client that goes before its answer harms nobody", async () => {
  const { promise, resolve } = Promise.withResolvers<Record<string, unknown>>();
  handlers.status = () => promise;
  const client = await connect();
  client.send('{"command":"status"}\n');
  clients[0]!.destroy();
  await client.until(() => client.closed);
  resolve({});

  handlers.status = () => Promise.resolve({});
  expect(await (await connect()).ask({ command: "status" })).toEqual({ ok: true });
});

test("only its owner may use the socket, and it goes with the server", () => {
  expect(statSync(path).mode & 0o777).toBe(0o600);
  server.close();
  expect(existsSync(path)).toBe(false);
});

test("a socket that a dead server left behind is replaced, a live one is refused", async () => {
  const other = new ControlServer(path, peersMax, handlers);
  expect(() => other.open()).toThrow(/another process is listening on .*control.sock/);

  const stale = join(folder, "stale.sock");
  const dead = createServer().listen(stale);
  await new Promise((resolve) => dead.once("listening", resolve));
  // Closing would remove it; a copy of the path that nobody answers at is what a crash leaves.
  const left = join(folder, "left.sock");
  renameSync(stale, left);
  await new Promise((resolve) => dead.close(resolve));
  const replacing = new ControlServer(left, peersMax, handlers);
  replacing.open();
  replacing.close();
});

for (const [name, kind, backlog] of [
  ["whose backlog is full", "stream", 0],
  ["of another kind", "seqpacket", 4],
] as const) {
  test(`a live socket ${name} is refused and left where it is`, async () => {
    const taken = join(folder, "taken.sock");
    const listener = listenUnix(taken, kind, backlog);
    const waiting = connectUnix(taken, kind);

    expect(() => new ControlServer(taken, peersMax, handlers).open()).toThrow(/another process is listening/);
    expect(existsSync(taken)).toBe(true);
    closeFd(waiting);
    closeFd(listener);
  });
}

test("a file that is no socket is left alone", async () => {
  const file = join(folder, "precious");
  writeFileSync(file, "precious");
  expect(() => new ControlServer(file, peersMax, handlers).open()).toThrow("exists and is not a socket");
  expect(readFileSync(file, "utf8")).toBe("precious");
});
