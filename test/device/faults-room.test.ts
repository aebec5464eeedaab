// A host without room: every point at which a server makes a descriptor or maps memory is found by using the server, and
// each is refused once. What was wanted then may fail; the server goes on, or ends with a sentence where it has just begun.

import { afterAll, afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manifestOf, type WorkerName, workerNames } from "../../src/actors/registry.ts";
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

test("an actor that comes back without room for something comes back after all, and says what it had no room for", async () => {
  const args = [...inspected, "--record", join(folder, "from-the-start")];
  await begin(args);
  const all = Map.groupBy(
    // What a recording wants of a queue is wanted once.
    faults!.points.filter(
      ({ actor, point }) => isReplaced(actor) && !/ record(?:ing|-ring)\.ts /.test(point),
    ),
    ({ actor }) => actor,
  );
  expect(all.size).toBe(workerNames.filter(isReplaced).length);
  const wrong: string[] = [];
  for (let round = 0; [...all.values()].some((points) => points.length > 0); round++) {
    if (round > 0) await begin(args);
    const { server } = faults!;
    // Each costs two lives, of which an actor has six in ten seconds.
    for (const points of all.values()) {
      for (const point of points.splice(0, 2)) {
        const from = server.log().length;
        const log = (): string => server.log().slice(from);
        refuse(faults!, point);
        expect(await server.control({ command: "kill", actor: point.actor })).toEqual({ ok: true });
        const isBack = (): boolean => log().includes(` ${point.actor}: restarted`);
        for (const end = performance.now() + driverPatienceMs; !isBack() && performance.now() < end;)
          await Bun.sleep(2);
        const isSaid = /failed with (?:EMFILE|ENOMEM)/.test(log());
        if (!isBack() || !isSaid || faults!.failed !== 1)
          wrong.push(`${point.actor}, ${point.point}: ${log()}`);
      }
    }
    faults!.release();
    // A bridge that could not listen tries again after a second.
    while ((await outcome("lending", tolerantMs)) !== "") expect(server.exitCode).toBeNull();
    expect(server.exitCode).toBeNull();
    expect(server.log()).not.toMatch(stack);
  }
  expect(wrong).toEqual([]);
}, 120_000);

test("a server that starts without room for what it cannot do without ends with a sentence", async () => {
  await begin(plain);
  // The runtime is the same for every actor.
  const isOfRuntime = ({ point }: Point): boolean => / (?:shared-words|worker)\.ts /.test(point);
  const points = faults!.points.filter(
    (one) => one.actor === "supervisor" || !(isReplaced(one.actor) || isOfRuntime(one)),
  );
  expect(points.length).toBeGreaterThan(8);
  const wrong: string[] = [];
  for (const point of points) {
    const [code, log] = await begin(plain, point).then(
      ({ server }) => [server.exitCode, server.log()] as const,
      (error: Error) => [1, error.message] as const,
    );
    const isSaid = code !== null && [1, 3].includes(code) && /failed with (?:EMFILE|ENOMEM)/.test(log);
    if (!isSaid || stack.test(log)) wrong.push(`${point.actor}, ${point.point}: ${code}, ${log}`);
  }
  expect(wrong).toEqual([]);
}, 120_000);

test("a guest that comes when there is no room to rehearse is served all the same", async () => {
  await begin(plain);
  const starting = new Set(faults!.points.map((one) => JSON.stringify(one)));
  expect(await outcome("drawing")).toBe("");
  const points = faults!.points.filter(
    (one) => !starting.has(JSON.stringify(one)) && one.point.includes("WarmUp"),
  );
  expect(points).toHaveLength(2);
  for (const point of points) {
    await begin(plain, point);
    expect(await outcome("drawing")).toBe("");
    expect(faults!.failed).toBe(1);
  }
});

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

/** Whether another one takes the place of an actor that has crashed. */
const isReplaced = (name: string): boolean => manifestOf[name as WorkerName]?.survives === true;
