// A host without room: every point at which a server makes a descriptor or maps memory is found by using the server, and
// each is refused once. What was wanted then may fail; the server goes on, or ends with a sentence where it has just begun.

import { afterAll, afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EMFILE, ENOMEM } from "../../src/ffi/libc.ts";
import { Format, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { inspectorIn } from "../support/break-page.ts";
import { FaultyServer, type Point } from "../support/faulty-server/faulty-server.ts";
import { draw, scenes, type Stage, withGuest } from "../support/faulty-server/scenes.ts";
import { driverPatienceMs } from "../support/patience.ts";
import { expectOk, expectType } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "fencepost-room-"));
afterAll(() => rmSync(folder, { recursive: true }));

const plain = ["--renderer", "software", "--resource-bridge", join(folder, "bridge")];
const inspected = [...plain, "--inspect"];

let faults: FaultyServer | null = null;
afterEach(async () => {
  await faults?.stop();
  faults = null;
});

async function begin(args: readonly string[] = inspected, point: Point | null = null): Promise<FaultyServer> {
  await faults?.stop();
  faults = new FaultyServer();
  if (point !== null) refuse(faults, point);
  await faults.start(args);
  return faults;
}

const refuse = (to: FaultyServer, point: Point): void =>
  to.fail(point, /^(?:mmap|malloc)/.test(point.point) ? ENOMEM : EMFILE);

const stage = (patienceMs = driverPatienceMs): Stage => ({ server: faults!.server, folder, patienceMs });

/** Longer than a second, after which what found no room is tried again. */
const tolerantMs = 1_500;

/** Why the scene does not come to its end; "" where it does. */
const outcome = async (scene: string, patienceMs?: number): Promise<string> => {
  try {
    await scenes[scene]!(stage(patienceMs));
    return "";
  } catch (error) {
    return (error as Error).message.split("\n")[0]!;
  }
};

/** How many descriptors there are once no more are closed. */
async function settledFds(most: number): Promise<number> {
  const { server } = faults!;
  for (let attempt = 0; attempt < 100 && server.usage().fds > most; attempt++) await Bun.sleep(10);
  return server.usage().fds;
}

const stack = /^\s+at .*:\d+:\d+\)?$/m;

test("a server that runs may be refused any descriptor and mapping: the next guest sees its pictures, and nothing leaks", async () => {
  const { points } = await begin();
  const known = new Set(points.map((one) => JSON.stringify(one)));
  const found: [string, Point][] = [];
  for (const scene of Object.keys(scenes)) {
    expect(await outcome(scene)).toBe("");
    for (const point of faults!.points) {
      const key = JSON.stringify(point);
      // A recorder starts once, and a ctrl queue rehearses once: see below.
      if (!known.has(key) && point.actor !== "recorder" && !point.point.includes("WarmUp"))
        found.push([scene, point]);
      known.add(key);
    }
  }
  expect(found.length).toBeGreaterThan(25);
  for (const scene of Object.keys(scenes)) expect(await outcome(scene)).toBe("");
  const { fds } = faults!.server.usage();

  const wrong: string[] = [];
  const unreached: string[] = [];
  for (const [scene, point] of found) {
    const name = `${scene}: ${point.actor}, ${point.point}`;
    refuse(faults!, point);
    await outcome(scene, tolerantMs);
    if (faults!.failed === 0) unreached.push(name);
    faults!.release();
    const after = await outcome(scene);
    if (after !== "") wrong.push(`${name}: then ${after}`);
    if (faults!.server.exitCode !== null) {
      await begin();
      continue;
    }
    if ((await settledFds(fds)) > fds) wrong.push(`${name}: leaves descriptors`);
  }
  expect(wrong).toEqual([]);
  // What a display or a queue makes once in its life.
  expect(unreached.length).toBeLessThan(found.length / 4);
  expect(faults!.server.log()).not.toMatch(stack);
}, 120_000);

test("a server that starts without room for something ends with a sentence, or does without and serves", async () => {
  await begin(plain);
  const starting = faults!.points;
  for (const scene of ["drawing", "recording"]) expect(await outcome(scene)).toBe("");
  const late = faults!.points.filter(({ actor, point }) => actor === "recorder" || point.includes("WarmUp"));
  // To be looked into takes time to start, and has points of its own.
  const known = new Set([...starting, ...late].map((one) => JSON.stringify(one)));
  const { points } = await begin();
  const more = points.filter((one) => !known.has(JSON.stringify(one)));
  const all = distinct([...starting, ...late, ...more]);
  expect(all.length).toBeGreaterThan(25);

  const wrong: string[] = [];
  for (const point of all) {
    const name = `${point.actor}, ${point.point}`;
    let log = "";
    try {
      await begin(more.includes(point) ? inspected : plain, point);
      const { server, failed } = faults!;
      if (server.exitCode === null) {
        if (late.includes(point)) await outcome("recording", tolerantMs);
        const after = await outcome("drawing");
        if (after !== "") wrong.push(`${name}: then ${after}`);
      } else if (![1, 3].includes(server.exitCode)) wrong.push(`${name}: code ${server.exitCode}`);
      if (failed === 0 && faults!.failed === 0) wrong.push(`${name}: was not reached`);
      log = server.log();
    } catch (error) {
      log = (error as Error).message;
    }
    if (!/failed with (?:EMFILE|ENOMEM)/.test(log) && !point.point.includes("WarmUp"))
      wrong.push(`${name}: says nothing`);
    if (stack.test(log)) wrong.push(`${name}: ${log}`);
  }
  expect(wrong).toEqual([]);
}, 180_000);

test("a server without one descriptor left goes on with its guest, and serves everybody once there are some again", async () => {
  await begin();
  const { server } = faults!;
  const allow = (soft: number): void => {
    const { exitCode } = Bun.spawnSync(["prlimit", "--pid", String(server.pid), `--nofile=${soft}:`]);
    expect(exitCode).toBe(0);
  };
  await withGuest(stage(), async (guest) => {
    draw(guest, 5);
    const { fds } = server.usage();
    allow(3);
    const programs = [1, 2, 3].map(() => createConnection(server.controlPath));
    for (const program of programs) program.on("error", () => undefined);
    const { url } = inspectorIn(server.log());
    const page = createConnection(Number(url.port), url.hostname);
    page.on("error", () => undefined);
    const peer = createConnection(server.socketPath);
    const { gpu } = guest;
    const area = { x: 0, y: 0, width: 64, height: 48 };
    for (let frame = 0; frame < 20; frame++) {
      expectOk(gpu.transferToHost2d(1, area));
      expectOk(gpu.flushResource(1, area));
      expectOk(gpu.moveCursor({ scanoutId: 0, x: frame, y: frame }));
    }
    // What would need a descriptor is refused.
    expectOk(gpu.createResource2d(9, Format.B8G8R8X8, 64, 48));
    expectType(gpu.setScanout(0, 9, area), Response.ERR_OUT_OF_MEMORY);

    allow(4096);
    for (const program of [...programs, page]) program.destroy();
    peer.destroy();
    expect((await server.control({ command: "status" })).ok).toBe(true);
    expect((await fetch(url)).status).toBe(401);
    expectOk(gpu.setScanout(0, 9, area));
    for (const id of [1, 2, 3, 9]) expectOk(gpu.unrefResource(id));
    draw(guest, 6);
    expect(await settledFds(fds + 1)).toBeLessThanOrEqual(fds + 1);
  });
  for (const scene of Object.keys(scenes)) expect(await outcome(scene)).toBe("");
});

/** What every actor's runtime does is tried with one that can be replaced, and with one that cannot. */
function distinct(points: readonly Point[]): Point[] {
  const isOfRuntime = ({ point }: Point): boolean => / (?:shared-words|worker|tap-ring)\.ts /.test(point);
  return points.filter(
    (one) => !isOfRuntime(one) || ["supervisor", "display", "ctrl-queue"].includes(one.actor),
  );
}
