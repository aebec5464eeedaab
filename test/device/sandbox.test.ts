// The sandbox of a running server: what somebody tries who runs code of their own in it, and what a server says of its layers.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { Format, Response as Answer } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { attempts, isRefused } from "../support/sandbox/attempts.ts";
import { CtlRun } from "../support/ctl-run.ts";
import { childrenOf } from "../support/children.ts";
import { ServerRun } from "../support/server-run.ts";
import { patient } from "./3d-support.ts";
import { expectType } from "./support.ts";

const program = (path: string): string => join(import.meta.dir, path);
const probed = [process.execPath, program("../support/sandbox/probed-server.ts")];
const crowded = [process.execPath, program("../support/sandbox/crowded.ts"), ...probed];

let folder: string;
/** Where nobody in the sandbox has any business. */
let outside: string;
/** What the servers take for the place of temporary files. */
let temporary: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fencepost-sandbox-"));
  outside = join(folder, "outside");
  temporary = join(folder, "temporary");
  for (const path of [outside, temporary]) mkdirSync(path);
  writeFileSync(join(outside, "secret"), "of the host");
});
afterAll(() => rmSync(folder, { recursive: true }));

const environment = (): Record<string, string> => ({
  PROBE_OUTSIDE: outside,
  TMPDIR: temporary,
  FENCEPOST_DIRECTORY: temporary,
});

/** `flags` go on behind --sandbox. */
const start = (...flags: string[]): Promise<ServerProcess> =>
  ServerProcess.start({ command: probed, args: ["--sandbox", ...flags], env: environment() });

/** What a server needs that starts another process when the one of its guest's commands has died. */
const forPrograms = [
  "run a program",
  "start a process",
  "signal its parent",
  "signal a thread of its parent",
  "map memory to write and run",
  // What was started takes a sandbox of its own, inside of this one.
  "take capabilities",
  "loosen its filter",
];

async function logged(server: ServerProcess, text: string): Promise<string> {
  for (let attempt = 0; attempt < 2_000; attempt++) {
    const line = server
      .log()
      .split("\n")
      .find((one) => one.includes(text));
    if (line !== undefined) return line;
    await Bun.sleep(10);
  }
  throw new Error(`nobody has said "${text}":\n${server.log()}`);
}

type Answers = Record<string, string>;

async function answersOf(server: ServerProcess): Promise<{ main: Answers; thread: Answers }> {
  process.kill(server.pid, "SIGUSR2");
  const line = await logged(server, "attempts: ");
  return JSON.parse(line.slice(line.indexOf("{"))) as { main: Answers; thread: Answers };
}

const allowed = (answers: Answers): string[] =>
  Object.entries(answers).flatMap(([name, answer]) =>
    isRefused(name, answer) ? [] : [`${name}: ${answer}`],
  );

function expectInside(pid: number): void {
  const threads = readdirSync(`/proc/${pid}/task`);
  expect(threads.length).toBeGreaterThan(6);
  for (const thread of threads) {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8");
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(status).toMatch(/^Seccomp:\t2$/m);
    for (const set of ["Prm", "Eff", "Inh", "Amb"])
      expect(status).toMatch(new RegExp(`^Cap${set}:\t0{16}$`, "m"));
  }
}

describe.each(["software", "virgl"])("a server with the %s renderer", (renderer) => {
  let server: ServerProcess;
  beforeAll(async () => {
    server = await start("on", "--isolation", "thread", "--renderer", renderer);
    await logged(server, " listens on ");
  });
  afterAll(async () => {
    expect(await server.stop()).toBe(0);
  });

  test("says which layers it has, in the log and to ctl", async () => {
    const line = await logged(server, "sandbox: ");
    expect(line).toMatch(/no new privileges, no capabilities, limits, Landlock \d+, \d+ system calls$/);
    const { sandbox } = await server.control({ command: "status" });
    expect(sandbox).toEqual({
      setting: "on",
      privileges: "no new privileges",
      capabilities: "no capabilities",
      limits: "limits",
      files: expect.stringMatching(/^Landlock \d+$/),
      calls: expect.stringMatching(/^\d+ system calls$/),
    });
  });

  test("has all of its threads inside", () => {
    expectInside(server.pid);
  });

  test("refuses all that is tried in it, on old threads and on new ones", async () => {
    const { main, thread } = await answersOf(server);
    expect(Object.keys(main).toSorted()).toEqual(Object.keys(attempts).toSorted());
    expect({ main: allowed(main), thread: allowed(thread) }).toEqual({ main: [], thread: [] });
    expect(readdirSync(outside)).toEqual(["secret"]);
  });

  test("serves a guest all the same, and replaces an actor that has crashed", async () => {
    const guest = SyntheticGuest.boot(server.socketPath, patient);
    try {
      expectType(guest.gpu.getDisplayInfo(), Answer.OK_DISPLAY_INFO);
      await server.control({ command: "kill", actor: "cursor-queue" });
      await logged(server, "cursor-queue: restarted");
      expectType(guest.gpu.getDisplayInfo(), Answer.OK_DISPLAY_INFO);
    } finally {
      guest.close();
    }
  });
});

test("a process that runs the guest's commands has a sandbox of its own, with fifty system calls", async () => {
  const server = await start("on", "--isolation", "process", "--renderer", "virgl", "--vulkan", "off");
  try {
    await logged(server, " listens on ");
    expect(await logged(server, "ctrl-queue: sandbox: ")).toMatch(
      /no new privileges, no capabilities, limits, Landlock \d+, 50 system calls$/,
    );
    const [child] = await childrenOf(server.pid);
    expectInside(Number(child));
    const guest = SyntheticGuest.boot(server.socketPath, patient);
    try {
      expectType(guest.gpu.getDisplayInfo(), Answer.OK_DISPLAY_INFO);
    } finally {
      guest.close();
    }
  } finally {
    expect(await server.stop()).toBe(0);
  }
});

test("the server beside that process may start another one, and nothing else of what is tried", async () => {
  const tried = Object.keys(attempts).filter((name) => !forPrograms.includes(name));
  const server = await ServerProcess.start({
    command: probed,
    args: ["--sandbox", "on", "--isolation", "process", "--renderer", "software"],
    env: { ...environment(), PROBE_ONLY: tried.join() },
  });
  try {
    await logged(server, "ctrl-queue: sandbox: ");
    await logged(server, "supervisor: sandbox: ");
    const { main, thread } = await answersOf(server);
    expect(Object.keys(main).toSorted()).toEqual(tried.toSorted());
    expect({ main: allowed(main), thread: allowed(thread) }).toEqual({ main: [], thread: [] });
  } finally {
    expect(await server.stop()).toBe(0);
  }
});

test("a file with settings is read wherever it lies", async () => {
  const file = join(outside, "settings.json");
  writeFileSync(file, JSON.stringify({ sandbox: "on", renderer: "software", pollUs: 7 }));
  const server = await ServerProcess.start({
    command: probed,
    args: ["--config", file],
    env: environment(),
  });
  try {
    await logged(server, " listens on ");
    await logged(server, "sandbox: ");
  } finally {
    rmSync(file);
    expect(await server.stop()).toBe(0);
  }
});

test("ctl has files written where the server may, and is told where that is", async () => {
  const below = join(folder, "below");
  mkdirSync(below, { recursive: true });
  const server = await start("auto", "--write-below", below, "--inspect");
  await logged(server, " listens on ");
  try {
    for (const place of [temporary, below, server.directory]) {
      const path = join(place, "trace");
      expect(await server.control({ command: "trace-start", path })).toEqual({ ok: true, path });
      expect((await server.control({ command: "trace-stop" })).ok).toBe(true);
    }
    const path = join(outside, "trace");
    const { ok, error } = await server.control({ command: "trace-start", path });
    expect(ok).toBe(false);
    expect(error).toStartWith(
      `the server's sandbox lets nothing be written to ${outside}: start it with --write-below ${outside}`,
    );
    expect(readdirSync(outside)).toEqual(["secret"]);
  } finally {
    expect(await server.stop()).toBe(0);
  }
});

test("ctl brings a picture to where the caller may write and the server may not", async () => {
  const server = await start("auto");
  await logged(server, " listens on ");
  const guest = SyntheticGuest.boot(server.socketPath, patient);
  try {
    guest.gpu.show(0, guest.gpu.createImage(1, Format.B8G8R8X8, 8, 8));
    const picture = join(outside, "picture.png");
    // The display hears of it a moment later.
    let said = "";
    for (let attempt = 0; attempt < 20 && !existsSync(picture); attempt++) {
      const ctl = new CtlRun(["screenshot", picture], server.controlPath);
      await ctl.ended();
      said = ctl.out + ctl.said;
    }
    expect(JSON.parse(said)).toEqual({ path: picture, width: 8, height: 8 });
    expect(readFileSync(picture).toString("latin1", 1, 4)).toBe("PNG");
    rmSync(picture);
    expect(readdirSync(server.directory).filter((name) => name.endsWith(".png"))).toEqual([]);
  } finally {
    guest.close();
    expect(await server.stop()).toBe(0);
  }
});

test("without a sandbox the same is done, where the host lets it", async () => {
  // One that runs a program would not come back.
  const harmless = [
    ...["start a process", "reach the network", "read a file elsewhere", "write a file elsewhere"],
    ...["signal its parent", "map memory to write and run"],
  ];
  const env = { PROBE_ONLY: harmless.join() };
  const server = await ServerProcess.start({
    command: probed,
    args: ["--sandbox", "off"],
    env: { ...environment(), ...env },
  });
  try {
    await logged(server, " listens on ");
    const { main, thread } = await answersOf(server);
    const done = Object.fromEntries(harmless.map((name) => [name, "done"]));
    expect({ main, thread }).toEqual({ main: done, thread: done });
    expect(server.log()).toContain("warning supervisor: sandbox: none, by --sandbox off: ");
    expect((await server.control({ command: "status" }))["sandbox"]).toEqual({ setting: "off" });
  } finally {
    rmSync(join(outside, "mine"), { force: true });
    expect(await server.stop()).toBe(0);
  }
});

describe("on a host that lacks a layer", () => {
  const socket = (): string => join(temporary, "crowded.sock");
  const run = (sandbox: string): ServerRun =>
    new ServerRun(["--socket-path", socket(), "--sandbox", sandbox], {
      command: crowded,
      env: environment(),
    });

  test("a server that has to have all ends with code 2, and says what mends it", async () => {
    const { code, text } = await run("on").ended();
    expect(text).toContain('fencepost: --sandbox on: no layer "files": taking on a Landlock ruleset: ');
    expect(text).toContain("or use --sandbox auto");
    expect(code).toBe(2);
  });

  test("one that takes what there is goes on, and says what is not there", async () => {
    const server = run("auto");
    await server.untilUp();
    server.kill("SIGTERM");
    const { code, text } = await server.ended();
    expect(text).toContain('the sandbox goes without its layer "files": taking on a Landlock ruleset: ');
    expect(text).toMatch(/sandbox: no new privileges, no capabilities, limits, \d+ system calls$/m);
    expect(code).toBe(0);
  });
});

test("a process that draws guests' commands does so with fifty system calls, and refuses the rest", async () => {
  const child = Bun.spawn([process.execPath, program("../support/sandbox/probed-renderer.ts")], {
    env: { ...process.env, ...environment() },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  expect(err).toBe("");
  expect(await child.exited).toBe(0);
  const answer = JSON.parse(out) as { said: { text: string }[]; colours: string[]; attempts: Answers };
  expect(answer.said.map(({ text }) => text).join()).toMatch(/Landlock \d+, 50 system calls$/);
  expect(answer.colours).toEqual(["ffff0000"]);
  expect(allowed(answer.attempts)).toEqual([]);
});
