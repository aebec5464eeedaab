// With a process for a guest's commands, no process serves two front-ends' guests: what one of them leaves behind there is nothing to
// the next, which is served as soon as another process is there.

import { afterEach, describe, expect, test } from "bun:test";
import {
  closeSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { areaNames } from "../../src/actors/registry.ts";
import { openRecording } from "../../src/transport/wire/record/reader.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { filesOf } from "../support/fds.ts";
import { driverPatienceMs } from "../support/patience.ts";
import { runProgram } from "../support/run-program.ts";
import { expectShown, expectWorking, pattern, untilSo } from "./support.ts";

const [width, height] = [64, 48];
const patient = { patienceMs: driverPatienceMs };

let server: ServerProcess;
let guest: SyntheticGuest | null = null;
afterEach(async () => {
  guest?.close();
  guest = null;
  await server.stop();
});

const until = (what: string, isSo: () => boolean): Promise<void> => untilSo(what, isSo, () => server.log());

async function start(...args: string[]): Promise<void> {
  server = await ServerProcess.start({ args: ["--isolation", "process", ...args] });
}

/** Another front-end, whose guest shows a picture of its own. */
function newcomer(seed: number): SyntheticGuest {
  guest?.close();
  guest = null;
  try {
    guest = SyntheticGuest.boot(server.socketPath, patient);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${server.log()}`, { cause: error });
  }
  const image = guest.gpu.createImage(1, Format.B8G8R8X8, width, height);
  image.pixels.set(pattern(width, height, seed));
  guest.gpu.show(0, image);
  guest.gpu.present(image);
  expectShown(guest, 0, width, height, pattern(width, height, seed));
  return guest;
}

/** The one process that runs guests' commands. */
function child(): number {
  const [pid, ...others] = server.actorProcesses;
  expect(others).toEqual([]);
  return pid!;
}

/** Waits until another process than `pid` is there for the next front-end. */
const untilAnother = (pid: number): Promise<void> =>
  until("another process is there", () => ![undefined, pid].includes(server.actorProcesses[0]));

interface Area {
  name: string;
  fd: number;
  inode: number;
}

/** All that there are; of taps a process has its own alone. */
const areas = ["words", "tap", ...areaNames.filter((name) => name !== "taps")];

/** Memory that outlives a process and is its successor's, by descriptors of our own. */
function sharedBy(pid: number): Area[] {
  return filesOf(pid).flatMap(({ path, file }) => {
    const name = /^\/memfd:fencepost-(\S+)/.exec(file)?.[1];
    if (name === undefined || !areas.includes(name)) return [];
    const fd = openSync(path, "r+");
    return [{ name, fd, inode: fstatSync(fd).ino }];
  });
}

/** Inodes of all of a process's memory that has one of our names. */
const inodesMappedBy = (pid: number): Set<number> =>
  new Set(
    readFileSync(`/proc/${pid}/maps`, "latin1")
      .split("\n")
      .filter((line) => line.includes("/memfd:fencepost-"))
      .map((line) => Number(line.trim().split(/\s+/)[4])),
  );

describe.each(["software", "virgl"])("with --renderer %s", (renderer) => {
  test("each front-end has a process of its own, and its guest's pictures; none of that is a death", async () => {
    await start("--renderer", renderer);
    const pids = new Set<number>();
    for (let seed = 0; seed < 4; seed++) {
      expectWorking(newcomer(seed));
      pids.add(child());
    }
    expect(pids.size).toBe(4);
    const status = await server.control({ command: "status" });
    expect(status).toMatchObject({
      actors: { "ctrl-queue": { pid: child(), restarts: 0, lastCrash: null } },
    });
    expect(server.log()).not.toMatch(/crashed|restarted|took over|warning|error/);
  });
});

test("what the one before could write is not there: neither where it lay, nor what it says", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fencepost-renewal-"));
  await start("--renderer", "software", "--record", join(folder, "unread.rec"), "--inspect");
  newcomer(1);
  const before = sharedBy(child());
  expect(before.map(({ name }) => name).toSorted()).toEqual(areas.toSorted());
  const pid = child();
  guest!.close();
  guest = null;
  await untilAnother(pid);
  // Whoever has kept a descriptor goes on writing.
  const rubbish = new Uint8Array(64 * 1024).fill(0x5a);
  for (const { name, fd } of before)
    writeSync(fd, rubbish, 0, name === "display-period" ? 4 : rubbish.length, 0);

  expectWorking(newcomer(2));

  const after = sharedBy(child());
  const bytes = new Uint8Array(64 * 1024);
  for (const { fd } of after) {
    const length = readSync(fd, bytes, 0, bytes.length, 0);
    expect(Buffer.from(bytes.subarray(0, length)).includes(Buffer.alloc(4, 0x5a))).toBe(false);
  }
  const old = new Set(before.map(({ inode }) => inode));
  expect(after.map(({ name }) => name).toSorted()).toEqual(before.map(({ name }) => name).toSorted());
  expect(after.filter(({ inode }) => old.has(inode))).toEqual([]);
  for (const one of [server.pid, child()])
    expect([...inodesMappedBy(one)].filter((inode) => old.has(inode))).toEqual([]);
  for (const { fd } of [...before, ...after]) closeSync(fd);
  rmSync(folder, { recursive: true });
});

test("what the one before wrote while it lived is not there either", async () => {
  await start("--renderer", "software");
  newcomer(1);
  const pid = child();
  // It runs no more, and so cannot mend it: the journal, the words and all else are somebody's.
  process.kill(pid, "SIGSTOP");
  for (const { name, fd } of sharedBy(pid)) {
    // From where nobody waits for a word: bells of actors lie first.
    const from = name === "words" ? 4096 : 0;
    writeSync(fd, new Uint8Array(32 * 1024).fill(0x7f), 0, name === "display-period" ? 4 : 32 * 1024, from);
    closeSync(fd);
  }
  process.kill(pid, "SIGCONT");

  expectWorking(newcomer(2));
  expect(child()).not.toBe(pid);
  for (const area of sharedBy(child())) {
    const bytes = new Uint8Array(64 * 1024);
    const length = readSync(area.fd, bytes, 0, bytes.length, 0);
    expect([area.name, Buffer.from(bytes.subarray(0, length)).includes(Buffer.alloc(16, 0x7f))]).toEqual([
      area.name,
      false,
    ]);
    closeSync(area.fd);
  }
});

test("one that does not end is ended, and the next front-end is served", async () => {
  await start("--renderer", "software");
  newcomer(1);
  const pid = child();
  process.kill(pid, "SIGSTOP");
  newcomer(2);
  expect(child()).not.toBe(pid);
  expect(server.log()).toContain("did not end with its guest within 2000 ms, and was ended");
  expect(server.log()).not.toContain("crashed");
});

test("one that has just died has no successor that serves the next guest", async () => {
  await start("--renderer", "software");
  newcomer(1);
  process.kill(child(), "SIGKILL");
  guest!.close();
  guest = null;
  await until("its successor is there", () => server.log().includes("ctrl-queue: restarted"));
  newcomer(2);
  const [died, back] = [/crashed: ended by SIGKILL/g, /ctrl-queue: restarted/g];
  expect([server.log().match(died)?.length, server.log().match(back)?.length]).toEqual([1, 1]);
  expect(await server.control({ command: "status" })).toMatchObject({
    actors: { "ctrl-queue": { restarts: 0 } },
  });
});

test("a front-end that starts no ring costs nothing, and no more does a guest's reboot", async () => {
  await start("--renderer", "software");
  const pid = child();
  for (let times = 0; times < 50; times++) {
    const prober = SyntheticGuest.connect(server.socketPath, patient);
    prober.initialise();
    prober.close();
  }
  newcomer(1);
  for (const restarts of [() => guest!.frontend.resetDevice(), () => guest!.stop()]) {
    restarts();
    for (const queue of guest!.queues) queue.reset(0);
    guest!.start();
    expectWorking(guest!);
  }
  expect(child()).toBe(pid);
});

test("50 front-ends leave nothing behind, however soon they come", async () => {
  await start("--renderer", "software");
  newcomer(0);
  newcomer(1);
  const before = server.usage();
  for (let times = 0; times < 50; times++) {
    guest!.close();
    guest = SyntheticGuest.boot(server.socketPath, patient);
  }
  expectWorking(newcomer(2));
  const after = server.usage();
  expect([after.fds, after.sharedMappings]).toEqual([before.fds, before.sharedMappings]);
});

test("a recording goes on over front-ends, in one count, and shows each picture", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fencepost-renewal-"));
  const file = join(folder, "session.rec");
  await start("--renderer", "software", "--storage", "memfd", "--record", file, "--record-checksums");
  await until("it is recorded", () => server.log().includes("recording to"));
  for (let seed = 0; seed < 3; seed++) {
    newcomer(seed);
    guest!.gpu.updateCursor({ scanoutId: 0, x: seed, y: 4 }, 0);
  }
  guest!.close();
  guest = null;
  await server.stop();
  const recording = openRecording(file);
  const entries = [...recording.entries()];
  const ids = entries.flatMap((one) => (one.kind === "command" ? [`${one.queue} ${one.id}`] : []));
  const answered = entries.flatMap((one) => (one.kind === "answer" ? [`${one.queue} ${one.id}`] : []));
  expect(ids.length).toBe(new Set(ids).size);
  expect(answered.toSorted()).toEqual(ids.toSorted());
  // Two of each guest: what it shows first, and what it draws then.
  expect(entries.filter(({ kind }) => kind === "frame").length).toBe(6);
  expect(recording.ending).toEqual({ reason: "stopped", text: "the server has ended" });
  recording.close();
  const { code, out } = runProgram("replay", file, "--server", "software", "--compare");
  expect([code, out]).toEqual([0, expect.stringContaining("6 pictures as recorded; nothing differs")]);
  rmSync(folder, { recursive: true });
});

test("a recording that is asked for between two front-ends begins with the next, and a process that is ended by force ends it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fencepost-renewal-"));
  const file = join(folder, "session.rec");
  await start("--renderer", "software");
  newcomer(1);
  guest!.close();
  guest = null;
  expect(await server.control({ command: "record-start", path: file })).toMatchObject({ ok: true });
  newcomer(2);
  process.kill(child(), "SIGSTOP");
  newcomer(3);
  await until("it has ended", () => server.log().includes("has ended, with"));
  const recording = openRecording(file);
  expect(recording.ending).toEqual({
    reason: "crashed",
    text: "the ctrl queue did not end in order with its guest",
  });
  expect([...recording.entries()].filter(({ kind }) => kind === "frame").length).toBe(2);
  recording.close();
  rmSync(folder, { recursive: true });
});

test("what the inspector has of one guest stays, and goes on with the next", async () => {
  await start("--renderer", "software", "--inspect");
  newcomer(1);
  newcomer(2);
  const page = new URL(/inspector: open (\S+)/.exec(server.log())![1]!);
  const authorization = `Bearer ${page.searchParams.get("token")}`;
  const created = async (): Promise<number> => {
    const filter = "/api/commands?filter=type:RESOURCE_CREATE_2D";
    const answer = await fetch(new URL(filter, page), { headers: { authorization } });
    return ((await answer.json()) as unknown[]).length;
  };
  for (const deadline = performance.now() + driverPatienceMs; (await created()) < 2; await Bun.sleep(20))
    if (performance.now() > deadline) break;
  expect(await created()).toBe(2);
});

test("a server that ends with its front-end starts no other process", async () => {
  await start("--renderer", "software", "--once", "--log-level", "debug");
  newcomer(1);
  guest!.close();
  guest = null;
  expect(await server.exited).toBe(0);
  expect(server.log()).toContain("the front-end has gone");
});
