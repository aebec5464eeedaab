// The server's process from start to end, as whoever starts it sees it.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { libc } from "../../src/ffi/libc.ts";
import { renderNodes } from "../../src/transport/os/drm-node.ts";
import { closeFd, setNonBlocking } from "../../src/transport/os/fds.ts";
import { connectUnix, listenUnix } from "../../src/transport/os/unix-path.ts";
import { socketPair } from "../../src/transport/os/unix-socket.ts";
import { callOf, commandOf, testedExecutable } from "../support/programs.ts";
import { type RunOptions, ServerRun } from "../support/server-run.ts";
import { Terminal } from "../support/terminal.ts";

let folder: string;
let socket: string;
const runs: ServerRun[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fencepost-test-"));
  chmodSync(folder, 0o755);
  socket = join(folder, "gpu.sock");
});
afterEach(async () => {
  for (const run of runs.splice(0)) {
    if (!run.hasEnded) run.kill("SIGKILL");
    await run.ended();
  }
  rmSync(folder, { recursive: true });
});

function start(args: readonly string[], options?: RunOptions): ServerRun {
  const run = new ServerRun(args, options);
  runs.push(run);
  return run;
}

const modeOf = (path: string): number => statSync(path).mode & 0o777;

describe("the end", () => {
  test("a log that nobody reads keeps neither the device nor its end", async () => {
    const [reader, writer] = fullPipe();
    const run = start(["--socket-path", socket, "--log-level", "debug"], { stderr: writer });
    closeFd(writer);
    await run.untilUp();
    for (let turn = 0; turn < 3; turn++) {
      const guest = SyntheticGuest.boot(socket);
      guest.gpu.createResource2d(1, 1, 4, 4);
      guest.close();
    }
    run.kill("SIGTERM");

    expect((await run.ended(10_000)).code).toBe(0);
    expect(existsSync(socket)).toBe(false);
    closeFd(reader);
  });

  test("a log whose reader has gone is no reason to end", async () => {
    const [reader, writer] = pipe();
    const run = start(["--socket-path", socket], { stderr: writer });
    closeFd(writer);
    await run.untilUp();
    closeFd(reader);
    SyntheticGuest.boot(socket).close();
    SyntheticGuest.boot(socket).close();
    run.kill("SIGTERM");

    expect((await run.ended()).code).toBe(0);
  });

  for (const again of ["SIGINT", "SIGHUP"] as const) {
    test(`${again} right behind a SIGINT is the same wish, and the server ends in order`, async () => {
      const run = start(["--socket-path", socket]);
      await run.untilUp();
      run.kill("SIGINT");
      run.kill(again);
      // What `bun run` passes on comes a little later.
      await Bun.sleep(20);
      if (!run.hasEnded) run.kill(again);

      expect(await run.ended()).toMatchObject({
        code: 0,
        text: expect.stringContaining("stopped: received"),
      });
      expect(readdirSync(folder)).toEqual([]);
    });
  }

  test("one Ctrl-C in a terminal ends `bun run server` in order", async () => {
    const server = testedExecutable ?? `${process.execPath} run server`;
    const terminal = new Terminal(`${server} --socket-path ${socket}`);
    await terminal.until("listens on");
    terminal.pressCtrlC();

    expect(await terminal.ended()).toMatchObject({
      code: 0,
      text: expect.stringContaining("stopped: received SIGINT"),
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a signal that it was started to ignore is ignored", async () => {
    const command = ["sh", "-c", `trap "" HUP INT; exec "$@"`, "sh", ...commandOf("serve")];
    const run = start(["--socket-path", socket], { command });
    await run.untilUp();
    run.kill("SIGHUP");
    run.kill("SIGINT");
    SyntheticGuest.boot(socket).close();
    run.kill("SIGTERM");

    const { code, text } = await run.ended();
    expect(code).toBe(0);
    expect(text).toContain("stopped: received SIGTERM");
  });

  test("a lock that it was started with is kept until then: libvirt looks for that of its process's id", async () => {
    const file = join(folder, "pid");
    const locked = 'exec 5>"$1" && flock --nonblock 5 && shift && exec "$@"';
    const command = ["sh", "-c", locked, "sh", file, ...commandOf("serve")];
    const run = start(["--socket-path", socket], { command });
    await run.untilUp();
    const isFree = (): boolean => Bun.spawnSync(["flock", "--nonblock", file, "true"]).success;
    expect(isFree()).toBeFalse();
    run.kill("SIGTERM");
    expect(await run.ended()).toMatchObject({ code: 0 });
    expect(isFree()).toBeTrue();
  });
});

describe("sockets", () => {
  test("every socket is its owner's alone, whatever the umask", async () => {
    const bridge = join(folder, "bridge.sock");
    const command = ["sh", "-c", 'umask 0; exec "$@"', "sh", ...commandOf("serve")];
    const run = start(["--socket-path", socket, "--resource-bridge", bridge], { command });
    await run.untilUp();
    expect([socket, `${socket}.ctl`, bridge].map(modeOf)).toEqual([0o600, 0o600, 0o600]);
  });

  test("others get what they are given, even where the umask would not, and never the control socket", async () => {
    const bridge = join(folder, "bridge.sock");
    const command = ["sh", "-c", 'umask 077; exec "$@"', "sh", ...commandOf("serve")];
    const group = String(process.getgid!());
    const args = ["--resource-bridge", bridge, "--socket-mode", "660", "--socket-group", group];
    const run = start(["--socket-path", socket, ...args], { command });
    await run.untilUp();
    expect([socket, `${socket}.ctl`, bridge].map(modeOf)).toEqual([0o660, 0o600, 0o660]);
    expect(statSync(socket).gid).toBe(Number(group));
  });

  test("a variable of ours that nobody reads is told at start", async () => {
    const run = start(["--socket-path", socket], { env: { FENCEPOST_RENDERE: "software" } });
    await run.untilUp();
    run.kill("SIGTERM");
    expect((await run.ended()).text).toMatch(
      /warning supervisor: FENCEPOST_RENDERE is no setting: see --help/,
    );
  });

  test("without XDG_RUNTIME_DIR they lie in a directory of our own", async () => {
    const run = start([], { env: { XDG_RUNTIME_DIR: undefined, TMPDIR: folder } });
    const own = join(folder, `fencepost-${process.getuid!()}`);
    await run.untilUp();
    expect(modeOf(own)).toBe(0o700);
    run.kill("SIGTERM");
    expect((await run.ended()).code).toBe(0);
    expect(readdirSync(own)).toEqual([]);
  });

  test("a directory of our own that is open to others is refused", async () => {
    mkdirSync(join(folder, `fencepost-${process.getuid!()}`), { mode: 0o777 });
    chmodSync(join(folder, `fencepost-${process.getuid!()}`), 0o777);
    const run = start([], { env: { XDG_RUNTIME_DIR: "relative", TMPDIR: folder } });
    expect(await run.ended()).toMatchObject({ code: 2, text: expect.stringContaining("chmod 700") });
  });

  const wrong: [string, () => string, RegExp][] = [
    ["too long for a socket", () => join(folder, "x".repeat(120)), /no longer than 107 bytes: .* has \d+/],
    ["in a folder that is not there", () => join(folder, "none/gpu.sock"), /there is no folder .*\/none for/],
    ["below a file", () => join(folder, "file/gpu.sock"), /\/file is no folder: choose another path/],
    ["of a file", () => join(folder, "file"), /exists and is not a socket: choose another path/],
  ];
  for (const [what, path, reason] of wrong) {
    test(`a path ${what} is told with its reason, before a renderer is started`, async () => {
      writeFileSync(join(folder, "file"), "precious");
      const args = ["--renderer", "virgl", "--control-path", join(folder, "ctl"), "--socket-path", path()];
      const { code, text } = await start(args).ended();
      expect({ code, text }).toEqual({ code: 2, text: expect.stringMatching(reason) });
      expect(text).not.toContain("virglrenderer");
    });
  }

  test("a path for two sockets is a mistake in the settings", async () => {
    for (const other of ["--control-path", "--resource-bridge"]) {
      const { code, text } = await start(["--socket-path", socket, other, socket]).ended();
      expect({ code, text }).toEqual({
        code: 2,
        text: expect.stringContaining(`${socket} is to be two sockets`),
      });
    }
  });

  test.skipIf(process.getuid!() !== 0)("a folder where this user may not write is told", async () => {
    const listen = `import { freeSocketPath } from "${join(import.meta.dir, "../../src/transport/os/unix-path.ts")}";
      try { freeSocketPath(process.argv[2]) } catch (error) { console.log(error.message) }`;
    writeFileSync(join(folder, "try.ts"), listen);
    const drop = ["setpriv", "--reuid", "65534", "--clear-groups", process.execPath, join(folder, "try.ts")];
    const theirs = listenUnix(socket, "stream");
    chmodSync(folder, 0o755);
    expect(Bun.spawnSync([...drop, join(folder, "a.sock")]).stdout.toString()).toContain(
      `this user may not make sockets in ${folder}`,
    );
    chmodSync(folder, 0o777);
    expect(Bun.spawnSync([...drop, socket]).stdout.toString()).toContain(`${socket} is a socket of user 0`);
    closeFd(theirs);
  });

  test("a front-end that has to wait is told in the log, and served when its turn comes", async () => {
    const log = join(folder, "log");
    const command = ["sh", "-c", `exec "$@" 2>${log}`, "sh", ...commandOf("serve")];
    const run = start(["--socket-path", socket], { command });
    await run.untilUp();
    const first = SyntheticGuest.boot(socket);
    const second = connectUnix(socket, "stream");
    const waits = /another front-end waits until this one has gone/g;
    while (!waits.test(await Bun.file(log).text())) await Bun.sleep(5);
    first.gpu.createResource2d(1, 1, 4, 4);
    closeFd(second);
    first.close();
    const third = SyntheticGuest.boot(socket);
    third.gpu.createResource2d(1, 1, 4, 4);
    third.close();
    expect((await Bun.file(log).text()).match(waits)!.length).toBeLessThanOrEqual(2);
  });
});

describe("inherited descriptors", () => {
  const args = (): string[] => ["--control-path", join(folder, "ctl")];

  test("a connected one is served, and the server ends with it", async () => {
    const [ours, theirs] = socketPair("stream");
    const run = start([...args(), "--fd", "3"], { fd3: theirs });
    closeFd(theirs);
    await run.until(join(folder, "ctl"));
    closeFd(ours);
    expect(await run.ended()).toMatchObject({
      code: 0,
      text: expect.stringMatching(
        new RegExp(
          `serves the front-end on descriptor 3\n[^]*control   .*/ctl \\(${callOf("ctl")} --help\\)\n[^]*the front-end has gone`,
        ),
      ),
    });
  });

  test("a listening one is served again and again, and its path is left to whoever made it", async () => {
    const listener = listenUnix(socket, "stream");
    const run = start([...args(), "--fd", "3"], { fd3: listener });
    for (let turn = 0; turn < 2; turn++) {
      const guest = SyntheticGuest.boot(socket);
      guest.gpu.createResource2d(1, 1, 4, 4);
      guest.close();
    }
    run.kill("SIGTERM");
    const { code, text } = await run.ended();
    expect({ code, text }).toEqual({ code: 0, text: expect.stringContaining("listens on descriptor 3") });
    expect(text.match(/a front-end has connected/g)).toHaveLength(2);
    expect(existsSync(socket)).toBe(true);
    closeFd(listener);
  });

  test("one that systemd hands over is served", async () => {
    const listener = listenUnix(socket, "stream");
    const command = ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh", ...commandOf("serve")];
    const run = start([...args(), "--once"], { fd3: listener, command });
    SyntheticGuest.boot(socket).close();
    expect(await run.ended()).toMatchObject({ code: 0 });
    closeFd(listener);
  });

  test("what was handed over to another process is not taken", async () => {
    const run = start(["--socket-path", socket], { env: { LISTEN_PID: "1", LISTEN_FDS: "1" } });
    await run.untilUp();
  });

  test("several that were handed over are one too many", async () => {
    const command = ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=2 exec "$@"', "sh", ...commandOf("serve")];
    const run = start(args(), { command });
    expect(await run.ended()).toMatchObject({ code: 2, text: expect.stringContaining("want one") });
  });

  const wrong: [string, () => number[], string][] = [
    ["that is a pipe", () => pipe(), "--fd 3: is no socket"],
    ["of another kind", () => socketPair("seqpacket"), "--fd 3: is no Unix stream socket"],
    [
      "that leads nowhere",
      () => [libc.socket(1, 1, 0)],
      "--fd 3: is a socket that neither is connected nor listens",
    ],
  ];
  for (const [what, open, sentence] of wrong) {
    test(`one ${what} is a mistake in the settings`, async () => {
      const fds = open();
      const run = start([...args(), "--fd", "3"], { fd3: fds[0]! });
      expect(await run.ended()).toEqual({ code: 2, text: `fencepost: ${sentence}\n` });
      fds.forEach(closeFd);
    });
  }

  test("one that is closed is a mistake in the settings", async () => {
    const run = start([...args(), "--fd", "999"]);
    expect(await run.ended()).toEqual({ code: 2, text: "fencepost: --fd 999: is not open\n" });
  });
});

describe("what was asked for and cannot be had ends with code 2 and a sentence", () => {
  const asked: (readonly [readonly string[], string])[] = [
    [["--render-node", "/dev/null"], "--render-node /dev/null: is no DRM node"],
    [["--render-node", "/nonexistent"], "--render-node /nonexistent: is not there; "],
    [["--write-below", "/nonexistent"], "--write-below: there is no folder /nonexistent: make it first"],
    [["--write-below", "/dev/null"], "--write-below: there is no folder /dev/null: make it first"],
    [
      ["--vulkan", "on", "--renderer", "software"],
      "--vulkan on cannot be had: --renderer software has no 3D",
    ],
    [
      ["--renderer", "virgl", "--vulkan", "on", "--render-server", "/nowhere"],
      "--vulkan on cannot be had: /nowhere is no program",
    ],
    [
      ["--renderer", "virgl", "--vulkan", "on", "--render-server", "/bin/true"],
      "--vulkan on cannot be had: the render server makes no context",
    ],
    ...(renderNodes().length > 0
      ? []
      : ([[["--storage", "gbm"], "--storage gbm cannot be had: /dev/dri has no render node"]] as const)),
  ];
  for (const [flags, sentence] of asked) {
    test(flags.join(" "), async () => {
      const run = start(["--socket-path", socket, ...flags]);
      expect(await run.ended()).toEqual({ code: 2, text: expect.stringContaining(sentence) });
      expect(existsSync(socket)).toBe(false);
    });
  }
});

function pipe(): [number, number] {
  const fds = new Int32Array(2);
  libc.pipe2(fds, 0o2000000);
  return [fds[0]!, fds[1]!];
}

/** A pipe that takes no more, whose writing end is blocking. */
function fullPipe(): [number, number] {
  const [reader, writer] = pipe();
  const piece = new Uint8Array(4096);
  setNonBlocking(writer);
  while (libc.write(writer, piece, piece.length) > 0);
  while (libc.write(writer, piece, 1) > 0);
  libc.fcntl(writer, 4, 0);
  return [reader, writer];
}
