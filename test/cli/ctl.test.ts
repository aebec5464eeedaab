// `ctl` as a person calls it: what it says of a wrong command line, of a server that is not there, and when it is done.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { workerNames } from "../../src/actors/registry.ts";
import { closeFd } from "../../src/transport/os/fds.ts";
import { listenUnix } from "../../src/transport/os/unix-path.ts";
import { socketPair } from "../../src/transport/os/unix-socket.ts";
import { callOf, commandOf, testedExecutable } from "../support/programs.ts";
import { type RunOptions, ServerRun } from "../support/server-run.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fencepost-test-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const ctl = (args: readonly string[], options: RunOptions = {}): Promise<{ code: number; text: string }> =>
  new ServerRun(args, { command: commandOf("ctl"), ...options }).ended();

describe("a mistake in the command line ends with code 2 and one sentence, whether or not a server is there", () => {
  const scanout = "scanout: want a whole number from 0 to 15";
  const cases: [readonly string[], string][] = [
    [["--wat"], "Unknown option '--wat'"],
    [["screenshot", "-n", "x", "a.png"], scanout],
    [["screenshot", "-n", "", "a.png"], scanout],
    [["screenshot", "-n", "77", "a.png"], scanout],
    [
      ["screenshot", "-n", "-1", "a.png"],
      "Option '-n' has no value: one that begins with a dash is written -n-…",
    ],
    [["screenshot"], "screenshot wants a file to write"],
    [["screenshot", "a.png", "b.png"], "too many arguments for screenshot: b.png"],
    [["trace"], "trace wants start or stop: see --help"],
    [["trace", "pause"], 'trace wants start or stop, not "pause": see --help'],
    [["record"], "record wants start or stop: see --help"],
    [["record", "session.rec"], 'record wants start or stop, not "session.rec": see --help'],
    [["record", "start"], "record start wants a file to write"],
    [["record", "stop", "now"], "too many arguments for record stop: now"],
    [["stop"], 'unknown command "stop": see --help'],
    [["trace", "start"], "trace start wants a file to write"],
    [["trace", "stop", "a.pftrace"], "too many arguments for trace stop: a.pftrace"],
    [
      ["kill"],
      "kill wants an actor: inspector, recorder, display, fence-poller, resource-bridge, ctrl-queue, cursor-queue",
    ],
    [["list", "all"], "too many arguments for list: all"],
    [["log-level", "loud"], "level: want one of debug, info, warning, error"],
    [["kill", "nobody"], `actor: want one of ${workerNames.join(", ")}`],
    [["outputs", "640x480"], 'outputs wants set, not "640x480": see --help'],
    [["outputs", "set"], "outputs set wants modes, such as 1280x800,off or 1=1920x1080"],
    [
      ["outputs", "set", "640x480", "1=on"],
      'outputs: want modes, as in "1280x800,off", or outputs with theirs, as in "1=1920x1080,2=off,3=on"',
    ],
    [["outputs", "set", "16=on"], "outputs: want a whole number from 0 to 15"],
    [["outputs", "set", "9x9"], "outputs: an output has 32 to 16384 pixels each way"],
    [["status", "extra"], "too many arguments for status: extra"],
    [["shutdown", "now"], "too many arguments for shutdown: now"],
    [["status", "-n", "3"], "status takes no --scanout"],
    [["status", "--json"], "status takes no --json"],
    [["fences", "--follow"], "fences takes no --follow"],
    [["actors", "display"], "too many arguments for actors: display"],
    [["log", "--limit", "0"], "limit: want a whole number from 1 to 10000"],
    [["log", "--follow", "--limit", "5"], "--limit is of what has been, --follow of what comes"],
    [["log", "res:7", "slow:1"], "slow:1: want a time, as in slow:>1ms"],
    [["constructor"], 'unknown command "constructor": see --help'],
  ];
  for (const [args, sentence] of cases) {
    test(args.join(" "), async () => {
      expect(await ctl(["--control-path", join(folder, "none"), ...args])).toEqual({
        code: 2,
        text: `ctl: ${sentence}\n`,
      });
    });
  }
});

test.skipIf(process.getuid!() !== 0)(
  "another user is told that the server is not theirs to ask",
  async () => {
    const client = join(import.meta.dir, "../../src/cli/control-client.ts");
    const script = join(folder, "ask.ts");
    writeFileSync(
      script,
      `import { ask } from "${client}";
    await ask(process.argv[2], { command: "status" }).catch((error) => console.log(error.message));`,
    );
    const path = join(folder, "theirs.ctl");
    const fd = listenUnix(path, "stream");
    chmodSync(path, 0o600);
    chmodSync(folder, 0o755);
    const other = ["setpriv", "--reuid", "65534", "--clear-groups", process.execPath, script, path];
    expect(Bun.spawnSync(other).stdout.toString()).toBe(
      `this user may not ask the server at ${path}: only its own user may, and root\n`,
    );
    closeFd(fd);
  },
);

test("what a guest calls a context does nothing to a terminal that status is shown on", async () => {
  const path = join(folder, "told.ctl");
  const reason = "ended by SIGSEGV amid SUBMIT_3D of context 2 (a\u009b2J\u202eb)";
  const answer = `${JSON.stringify({ ok: true, actors: { "ctrl-queue": { lastCrash: { reason } } } })}\n`;
  const server = Bun.listen({ unix: path, socket: { data: (socket) => void socket.write(answer) } });
  const { code, text } = await ctl(["--control-path", path, "status"]);
  server.stop(true);
  expect(code).toBe(0);
  expect(text).toMatch(/^[\u0020-\u007e\n]+$/);
  const told = JSON.parse(text) as { actors: Record<string, { lastCrash: { reason: string } }> };
  expect(told.actors["ctrl-queue"]!.lastCrash.reason).toBe(reason);
});

test("a server on an inherited socket is found by whoever calls ctl without a path, and ctl says what it has done", async () => {
  mkdirSync(join(folder, "session"), { mode: 0o700 });
  const env = { XDG_RUNTIME_DIR: join(folder, "session") };
  const [ours, theirs] = socketPair("stream");
  const run = new ServerRun(["--fd", "3"], { fd3: theirs, env });
  closeFd(theirs);
  const path = join(folder, `session/fencepost-${run.pid}.ctl`);
  await run.until(path);

  expect(await ctl(["status"], { env })).toMatchObject({
    code: 1,
    text: expect.stringMatching(
      new RegExp(
        `no server answers at .*: "ctl list" has those that run, .*; beside it is ${RegExp.escape(path)}\n$`,
      ),
    ),
  });
  const told = ["--control-path", path];
  await until("connected", told);
  for (const view of ["inspector", "actors", "log"]) {
    expect(await ctl([...told, view])).toEqual({
      code: 1,
      text: "ctl: the server has no inspector: start it with --inspect\n",
    });
  }
  const outputs = "OUTPUT  MODE      AT   GUEST SHOWS\n     0  1280x800  0,0  nothing\n";
  expect(await ctl([...told, "outputs"])).toEqual({ code: 0, text: outputs });
  expect(await ctl([...told, "outputs", "set", "0=off"])).toEqual({
    code: 0,
    text: "OUTPUT  MODE  AT  GUEST SHOWS\n     0  off   -   nothing\n",
  });
  expect(await ctl([...told, "outputs", "set", "0=on", "--json"])).toMatchObject({
    code: 0,
    text: expect.stringContaining('"isOn": true'),
  });
  expect(await ctl([...told, "outputs", "set", "640x480", "off", "800x600"])).toEqual({
    code: 1,
    text: "ctl: there is output 0 alone: a server started with --scanouts 3 has output 2\n",
  });
  expect(await ctl([...told, "kill", "display"])).toEqual({
    code: 0,
    text: "display was told to crash: see status for what follows\n",
  });
  expect(await ctl([...told, "shutdown"])).toEqual({ code: 0, text: "the server ends\n" });
  expect(await run.ended()).toMatchObject({ code: 0 });
  closeFd(ours);
});

test("servers are listed wherever their sockets are, and what they log can be changed", async () => {
  const path = join(folder, "listed.sock");
  const run = new ServerRun(["-s", path, "--renderer", "software", "--inspect", "--log-level", "error"]);
  await run.untilUp();
  const listed = await ctl(["list", "--json"]);
  const servers = listed.text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(servers.find(({ control }) => control === `${path}.ctl`)).toEqual({
    pid: run.pid,
    control: `${path}.ctl`,
    state: "listening",
    session: "listening",
    metrics: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/),
  });
  expect((await ctl(["list"])).text).toMatch(
    new RegExp(`^ *${run.pid} +listening +listening +${RegExp.escape(path)}\\.ctl +http:`, "m"),
  );

  const told = ["--control-path", `${path}.ctl`];
  expect(await ctl([...told, "log-level", "debug"])).toEqual({
    code: 0,
    text: "the log has debug and what is graver\n",
  });
  const hint = `${path} is for a VMM, and its server's control socket ${path}.ctl`;
  expect((await ctl(["--control-path", path, "status"])).text).toBe(
    `ctl: the server closed the connection: ${hint}\n`,
  );
  const guest = SyntheticGuest.boot(path);
  expect((await ctl(["--control-path", path, "status"])).text).toBe(
    `ctl: the server does not answer: ${hint}\n`,
  );
  guest.close();
  await ctl([...told, "kill", "display"]);
  while (!(await ctl([...told, "status"])).text.includes('"restarts": 1')) await Bun.sleep(50);
  run.kill("SIGTERM");
  const { text } = await run.ended();
  // Actors and supervisor alike, and an actor that came later.
  for (const line of [
    /info +supervisor: a front-end has connected/,
    /debug +display: /,
    /warning display: restarted/,
  ]) {
    expect(text).toMatch(line);
  }
});

async function until(device: string, told: readonly string[]): Promise<void> {
  for (;;) {
    const { text } = await ctl([...told, "status"]);
    if ((JSON.parse(text) as { device: string }).device === device) return;
    await Bun.sleep(50);
  }
}

test("help and the server's lines name programs as they were called", async () => {
  const launcher = testedExecutable ?? join(import.meta.dir, "../../bin/fencepost");
  const launched = (args: readonly string[]): Promise<{ code: number; text: string }> =>
    new ServerRun(args, { command: [launcher] }).ended();
  expect((await launched(["serve", "--help"])).text).toContain("\nUsage: fencepost serve [flags]\n");
  expect((await launched(["ctl", "--help"])).text).toContain("\nUsage: fencepost ctl [--control-path PATH]");
  expect((await launched(["bridge-client", "-h"])).text).toContain("\nUsage: fencepost bridge-client PATH");
  expect((await ctl(["--help"])).text).toContain(`\nUsage: ${callOf("ctl")} [--control-path PATH]`);

  const socket = join(folder, "launched.sock");
  const run = new ServerRun(["-s", socket], { command: [launcher] });
  await run.untilUp();
  await until("listening", ["--control-path", `${socket}.ctl`]);
  run.kill("SIGTERM");
  const { text } = await run.ended();
  expect(text).toContain("(fencepost ctl --help)");
  expect(text).not.toContain("bun run");
});
