// The ctrl queue in a process of its own: it has what it needs and nothing else, ends with the server and before it, and what
// it dies of is told. What comes then is recovery.test.ts.

import { afterEach, describe, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import * as commands from "../../lab/driver/commands.ts";
import * as commands3d from "../../lab/driver/commands-3d.ts";
import { join } from "node:path";
import type { Image } from "../../lab/driver/gpu-driver.ts";
import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { KeptWord, SnapshotStage } from "../../src/actors/gpu/manifest.ts";
import { SharedWords, slotOf } from "../../src/actors/runtime/shared-words.ts";
import { Command, Format, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { BridgeClient } from "../../src/transport/wire/bridge/client.ts";
import { slowDraws } from "./slow-draws.ts";
import { filesOf } from "../support/fds.ts";
import { driverPatienceMs } from "../support/patience.ts";
import { expectOk, expectShown, expectType, expectWorking, pattern, untilSo } from "./support.ts";

let server: ServerProcess;
let guest: SyntheticGuest | null = null;
afterEach(async () => {
  guest?.close();
  guest = null;
  await server.stop();
});

async function start(...args: string[]): Promise<number> {
  server = await ServerProcess.start({ args: ["--isolation", "process", ...args] });
  const [child, ...others] = server.actorProcesses;
  expect(others).toEqual([]);
  return child!;
}

const socketsOf = (pid: number): string[] =>
  filesOf(pid).flatMap(({ file }) => (file.startsWith("socket:") ? [file] : []));

/** The paths at which the sockets of a process are, or were made. */
function pathsOf(pid: number): string[] {
  const inodes = new Set(socketsOf(pid).map((file) => /\d+/.exec(file)![0]));
  const lines = readFileSync("/proc/net/unix", "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/));
  return lines.flatMap(([, , , , , , inode, path]) =>
    inodes.has(inode!) && path !== undefined ? [path] : [],
  );
}

const until = (what: string, isSo: () => boolean): Promise<void> => untilSo(what, isSo, () => server.log());

/** The words that the ctrl queue keeps, as its process has them. */
function keptWords(child: number): Int32Array {
  const { path } = filesOf(child).find(({ file }) => file.includes("memfd:fencepost-words"))!;
  const fd = openSync(path, "r+");
  const words = SharedWords.open(fd, 1 << slotOf("ctrl-queue"));
  closeSync(fd);
  return words.keep(slotOf("ctrl-queue"));
}

/** That of the ctrl queue's life; "gone" where the server is. */
async function stateOfQueue(): Promise<string> {
  try {
    const { actors } = await server.control({ command: "status" });
    return (actors as Record<string, { state: string }>)["ctrl-queue"]!.state;
  } catch {
    return "gone";
  }
}

/** Whether a process runs, and is no zombie. */
function runs(pid: number): boolean {
  try {
    return !/^State:\s*[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));
  } catch {
    // There is no such process any more.
    return false;
  }
}

describe.each(["software", "virgl"])("with --renderer %s", (renderer) => {
  test("the process has neither the VMM's sockets, nor the display's, nor any with a path", async () => {
    const child = await start("--renderer", renderer);
    guest = SyntheticGuest.boot(server.socketPath, {});
    const image = guest.gpu.createImage(1, Format.B8G8R8X8, 64, 48);
    image.pixels.set(pattern(64, 48));
    guest.gpu.show(0, image);
    guest.gpu.present(image);
    expectShown(guest, 0, 64, 48, pattern(64, 48));

    expect(await server.control({ command: "status" })).toMatchObject({
      isolation: "process",
      actors: { "ctrl-queue": { pid: child } },
    });
    expect(pathsOf(server.pid)).toContain(server.socketPath);
    expect(pathsOf(child)).toEqual([]);
    const servers = new Set(socketsOf(server.pid));
    expect(socketsOf(child).filter((socket) => servers.has(socket))).toEqual([]);
    expect(filesOf(child).filter(({ file }) => file.includes("server.log"))).toEqual([]);
  });
});

test("a server that is told to stop ends its process in order, which does not end by the same signal", async () => {
  const child = await start();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.kill(child, signal);
  guest = SyntheticGuest.boot(server.socketPath, {});
  expectWorking(guest);

  process.kill(server.pid, "SIGTERM");

  expect(await server.exited).toBe(0);
  expect(server.log()).not.toContain("crashed");
  await until("the process has ended", () => !runs(child));
});

test("a server that is killed takes its process along", async () => {
  const child = await start();
  process.kill(server.pid, "SIGKILL");
  await server.exited;
  await until("the process has ended", () => !runs(child));
});

test("processes that die one behind the other end the device in order, with an exit code that says so", async () => {
  await start();
  guest = SyntheticGuest.boot(server.socketPath, {});
  expectWorking(guest);
  const signals = ["SIGKILL", "SIGSEGV", "SIGABRT"] as const;
  for (let death = 0; server.exitCode === null; death++) {
    const before = server.actorProcesses[0];
    const signal = signals[death % 3]!;
    // The engine tells of its end by the others at length, and while it starts it may never come to the end of that.
    while (signal !== "SIGKILL" && !["running", "gone"].includes(await stateOfQueue())) await Bun.sleep(2);
    if (before !== undefined) process.kill(before, signal);
    await until(
      "another one is there, or the end",
      () => server.exitCode !== null || ![undefined, before].includes(server.actorProcesses[0]),
    );
  }
  expect(await server.exited).toBe(3);
  for (const signal of signals) expect(server.log()).toContain(`ctrl-queue: crashed: ended by ${signal}`);
  expect(server.log()).toMatch(
    /the device failed: the ctrl-queue actor crashed 6 times in \d+\.\d s, the last time: ended by SIG[A-Z]+\. Start the server/,
  );
});

test("what dies amid a command names it, and its context", async () => {
  const child = await start("--renderer", "virgl");
  guest = SyntheticGuest.boot(server.socketPath, {});
  const { control } = guest.gpu;
  const slow = slowDraws(guest, 40);
  control.submit(commands3d.submit3d(1, slow));
  const box = { x: 0, y: 0, z: 0, width: 256, height: 256, depth: 1 };
  control.submit(commands3d.transferFromHost3d(1, 1, { box }));
  const kept = keptWords(child);
  await until("the read-back runs", () => kept[KeptWord.command] === Command.TRANSFER_FROM_HOST_3D);

  process.kill(child, "SIGKILL");

  const told = "crashed: ended by SIGKILL amid TRANSFER_FROM_HOST_3D of context 1";
  await until("it is told", () => server.log().includes(told));
});

test("ctl kill has the actor throw there as it does in a thread", async () => {
  await start();
  expect(await server.control({ command: "kill", actor: "ctrl-queue" })).toEqual({ ok: true });
  await until("another one is there", () => server.log().includes("ctrl-queue: restarted"));
  expect(server.log()).toContain("ctrl-queue: crashed: killed by request");
});

test("what it says of a snapshot that is none costs nobody anything", async () => {
  const child = await start("--renderer", "software");
  guest = SyntheticGuest.boot(server.socketPath, { patienceMs: driverPatienceMs });
  expectOk(guest.gpu.createResource2d(1, Format.B8G8R8X8, 8, 8));
  const kept = keptWords(child);
  for (const [stage, words, lives] of [
    [SnapshotStage.taking, 0, 1],
    [SnapshotStage.telling, -1, 2],
    [SnapshotStage.ofFrontEnd, 2 ** 31 - 1, 3],
    [99, 2, 4],
  ] as const) {
    kept[KeptWord.snapshotWords] = words;
    kept[KeptWord.snapshot] = stage;
    process.kill(server.ctrlQueuePid, "SIGKILL");
    const lost = (): string[] => server.log().match(/the snapshot is lost: it is no snapshot/g) ?? [];
    await until("another one is there", () => lost().length === lives);
    expectType(guest.gpu.createResource2d(1, Format.B8G8R8X8, 8, 8), Response.ERR_INVALID_RESOURCE_ID);
  }
});

const rogue = [process.execPath, join(import.meta.dir, "../support/rogue-device/server.ts")];

describe("a process that a guest has taken over", () => {
  const peers = ["supervisor", "cursor-queue", "vhost-session", "fence-poller", "resource-bridge"];
  test.each([
    ["display", "beyond-its-ring", "has written beyond its ring"],
    ["display", "no-message", "has sent what is no message"],
    ["display", "no-descriptors", "has sent a message without its descriptors"],
    ["display", "outside-of-its-scanout", "has sent what makes no sense"],
    ["vhost-session", "no-config", "has sent what makes no sense"],
    ["supervisor", "no-level", "has sent what makes no sense"],
    ...peers.map((peer) => [peer, "no-message", "has sent what is no message"]),
  ] as [string, string, string][])(
    "is ended by what it writes to the %s, and the guest goes on: %s",
    async (peer, way, words) => {
      server = await ServerProcess.start({
        command: rogue,
        args: ["--isolation", "process", "--renderer", "software"],
        env: { ROGUE_LINE: peer, ROGUE_WAY: way },
      });
      await until("the server is up", () => server.log().includes(" listens on "));
      const [child] = server.actorProcesses;
      guest = SyntheticGuest.boot(server.socketPath, {});
      const { control } = guest.gpu;
      const told = `ctrl-queue: crashed: ended, since to the ${peer} it ${words}`;
      control.submit(commands.unrefResource(4711));
      await until("it is ended", () => server.log().includes(told));
      await until("the process has ended", () => !runs(child!));
      await until("another one is there", () => server.log().includes("ctrl-queue: restarted"));
      control.waitAll();
      expectWorking(guest);
    },
  );
});

/** A guest whose process is somebody else's, and does what `way` says when it is told to; the guest shows a picture. */
async function hijacked(way: string, ...args: string[]): Promise<Image> {
  server = await ServerProcess.start({
    command: rogue,
    args: ["--isolation", "process", "--renderer", "software", ...args],
    env: { ROGUE_LINE: "display", ROGUE_WAY: way },
  });
  await until("the server is up", () => server.log().includes(" listens on "));
  guest = SyntheticGuest.boot(server.socketPath, { patienceMs: driverPatienceMs });
  const image = guest.gpu.createImage(1, Format.B8G8R8X8, 64, 48);
  guest.gpu.show(0, image);
  expectShown(guest, 0, 64, 48, new Uint32Array(64 * 48));
  return image;
}

/** Programs that a rogue has started. */
const sleepers = (): number =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "latin1").startsWith("sleep\x004711");
      } catch {
        // It has ended meanwhile.
        return false;
      }
    }).length;

const isBack = (): boolean => server.log().includes("ctrl-queue: restarted");

function expectDrawing(image: Image, seed: number): void {
  image.pixels.set(pattern(64, 48, seed));
  guest!.gpu.present(image);
  expectShown(guest!, 0, 64, 48, pattern(64, 48, seed));
  expectWorking(guest!);
}

test("whoever has falsified everybody's bells, and the pace, keeps nobody waiting once it is gone", async () => {
  const image = await hijacked("false-bells");
  guest!.control.submit(commands.unrefResource(4711));
  await until("another one is there", isBack);
  guest!.control.waitAll();
  // The first change is told at once, whatever the pace.
  for (const seed of [1, 2, 3]) expectDrawing(image, seed);
});

test("whoever has filled everybody's bells has nobody wait, and nobody sleep on, once it is gone", async () => {
  const image = await hijacked("full-bells");
  guest!.control.submit(commands.unrefResource(4711));
  await until("another one is there", isBack);
  guest!.control.waitAll();
  for (const seed of [1, 2, 3]) expectDrawing(image, seed);
});

test("whoever would seal what all share leaves it to those who come", async () => {
  const image = await hijacked("sealed-off");
  guest!.control.submit(commands.unrefResource(4711));
  await until("another one is there", isBack);
  await server.control({ command: "kill", actor: "display" });
  await until("the display is back", () => server.log().includes("display: restarted"));
  guest!.control.waitAll();
  for (const seed of [1, 2, 3]) expectDrawing(image, seed);
});

test("whoever counts what is no number, and stands still, is ended", async () => {
  const image = await hijacked("no-numbers", "--stall-ms", "1000");
  guest!.control.submit(commands.unrefResource(4711));
  await until("another one is there", isBack);
  expect(server.log()).toContain("crashed: ended, since it was inside of one call for 1000 ms");
  guest!.control.waitAll();
  expectDrawing(image, 2);
});

test("programs that it has started end with it", async () => {
  // What keeps it from starting any, where nothing of Vulkan has to be, is not asked here.
  const image = await hijacked("orphans", "--sandbox", "off");
  guest!.control.submit(commands.unrefResource(4711));
  await until("another one is there", isBack);
  guest!.control.waitAll();
  await until("none of its programs is there", () => server.children.length === 0 && sleepers() === 0);
  expectDrawing(image, 4);
});

test("memory that it cuts off once the display has it is nothing to the server", async () => {
  const image = await hijacked("cut-off");
  guest!.gpu.unrefResource(4711);
  await until("it is refused", () => server.log().includes("its storage could be cut off"));
  expectOk(guest!.gpu.setScanout(0, 1, { x: 0, y: 0, width: 64, height: 48 }));
  expectDrawing(image, 3);
  expect(server.log()).not.toContain("crashed");
});

test("memory that it could cut off is lent to no other device", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fencepost-bridge-"));
  const path = join(folder, "bridge");
  await hijacked("loose-loan", "--resource-bridge", path);
  const client = new BridgeClient(path, { patienceMs: driverPatienceMs });
  expect(client.ask({ kind: "buffer", resource: 1 })).toMatchObject({ kind: "invalid" });
  const told = "resource-bridge: a buffer is not lent: its memory could be cut off";
  await until("it is told", () => server.log().includes(told));
  expectWorking(guest!);
  client.close();
  rmSync(folder, { recursive: true });
});

test("an actor that comes back has a line to the process, and knows what is shown", async () => {
  await start();
  guest = SyntheticGuest.boot(server.socketPath, {});
  const image = guest.gpu.createImage(1, Format.B8G8R8X8, 64, 48);
  image.pixels.set(pattern(64, 48));
  guest.gpu.show(0, image);
  guest.gpu.present(image);
  for (let life = 0; life < 3; life++) {
    const fds = server.usage().fds;
    await server.control({ command: "kill", actor: "display" });
    await until("the display is back", () => server.log().split("display: restarted").length === life + 2);
    image.pixels.set(pattern(64, 48, life + 1));
    guest.gpu.present(image);
    expectShown(guest, 0, 64, 48, pattern(64, 48, life + 1));
    if (life > 0) await until("descriptors are as before", () => server.usage().fds <= fds);
  }
});
