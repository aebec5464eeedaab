// A real server whose ctrl queue's process dies under a guest, as the inspector tells of it.

import { afterEach, beforeEach, expect, test } from "bun:test";
import * as commands3d from "../../lab/driver/commands-3d.ts";
import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { inspectorUrl } from "../../lab/vmm/inspector-url.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import type { ActorRecord, CommandRecord, ResourceRecord } from "../../src/actors/inspector/feed.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { patient } from "./3d-support.ts";
import { slowDraws } from "./slow-draws.ts";
import { expectOk, expectWorking, untilSo } from "./support.ts";

let server: ServerProcess;
let guest: SyntheticGuest;
let url: URL;
beforeEach(async () => {
  server = await ServerProcess.start({
    args: ["--isolation", "process", "--renderer", "virgl", "--vulkan", "off", "--inspect"],
  });
  url = await inspectorUrl(server, patient.patienceMs);
  guest = SyntheticGuest.boot(server.socketPath, patient);
});
afterEach(async () => {
  guest.close();
  const code = await server.stop();
  expect(`${code}\n${server.log()}`).toStartWith("0\n");
});

async function textOf(path: string): Promise<string> {
  const authorization = `Bearer ${url.searchParams.get("token")}`;
  const response = await fetch(new URL(path, url), { headers: { authorization } });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  return text;
}

const get = async <T>(path: string): Promise<T> => JSON.parse(await textOf(path)) as T;

/** Asks until `holds`, while actors write and the inspector reads. */
async function until<T>(what: string, path: string, holds: (answer: T) => boolean): Promise<T> {
  for (let attempt = 0; attempt < 400; attempt++) {
    const answer = await get<T>(path);
    if (holds(answer)) return answer;
    await Bun.sleep(20);
  }
  throw new Error(`${what}: ${JSON.stringify(await get<T>(path))}\n${server.log()}`);
}

const commands = "/api/commands?limit=1000";

/** Ends the process amid a read-back, behind a fence that is waited for. Returns once another one serves. */
async function dieAtWork(): Promise<void> {
  const { control } = guest.gpu;
  const stream = slowDraws(guest, 40);
  const box = { x: 0, y: 0, z: 0, width: 256, height: 256, depth: 1 };
  const waiting = control.submit(commands3d.submit3d(1, stream, { fenceId: 7n }));
  const running = control.submit(commands3d.transferFromHost3d(1, 1, { box }));
  await until<CommandRecord[]>(
    "a read-back runs",
    commands,
    (all) => all.at(-1)?.type === "TRANSFER_FROM_HOST_3D",
  );
  process.kill(server.ctrlQueuePid, "SIGKILL");
  await untilSo(
    "another one has taken over",
    () => server.log().includes("ctrl-queue: took over"),
    () => server.log(),
  );
  for (const index of [waiting, running]) control.wait(index);
}

test("what was under way is told as lost with its process, before what the next one does, and nothing is open any more", async () => {
  await dieAtWork();
  expectWorking(guest);
  const all = await until<CommandRecord[]>(
    "all has ended",
    commands,
    (told) => told.every(({ completedNs, lostNs }) => completedNs + lostNs > 0) && told.at(-1)!.lostNs === 0,
  );
  const lost = all.filter(({ lostNs }) => lostNs > 0);
  expect(lost.map(({ type, response, parkedNs }) => [type, response, parkedNs > 0])).toEqual([
    ["SUBMIT_3D", "", true],
    ["TRANSFER_FROM_HOST_3D", "", false],
  ]);
  // No number is given twice, in whichever life.
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
  expect(lost.every(({ lostNs, takenNs }) => lostNs > takenNs)).toBe(true);
});

test("what the next one makes again is as old as it was, and was shown where it was; what the guest makes anew is new", async () => {
  const { gpu } = guest;
  const [screen, other] = [61, 62, 63].map((id) => gpu.createImage(id, Format.B8G8R8X8, 64, 48));
  const path = "/api/resources";
  type Past = Pick<ResourceRecord, "id" | "createdNs" | "wasShown">;
  /** What is known of those three, once that is so of resource `id`. */
  const toldWith = async (id: number, isSo: (one: ResourceRecord) => boolean): Promise<Past[]> => {
    const all = await until<ResourceRecord[]>("resources are told", path, (some) =>
      some.some((one) => one.id === id && isSo(one)),
    );
    const own = all.filter((one) => one.id >= 61 && one.id <= 63);
    return own.map((one) => ({ id: one.id, createdNs: one.createdNs, wasShown: one.wasShown }));
  };
  let before: Past[] = [];
  for (const image of [screen!, other!]) {
    gpu.show(0, image);
    gpu.present(image);
    before = await toldWith(image.resourceId, ({ wasShown }) => wasShown);
  }
  expect(before.map(({ createdNs, wasShown }) => [createdNs > 0, wasShown])).toEqual([
    ...[
      [true, true],
      [true, true],
    ],
    [true, false],
  ]);
  await dieAtWork();
  expectOk(gpu.createResource2d(70, Format.B8G8R8X8, 8, 8));
  expect(await toldWith(70, ({ createdNs }) => createdNs > 0)).toEqual(before);
  expectOk(gpu.unrefResource(61));
  expectOk(gpu.createResource2d(61, Format.B8G8R8X8, 8, 8));
  const anew = await until<ResourceRecord[]>("it is new", path, (all) =>
    all.some(({ id, width }) => id === 61 && width === 8),
  );
  const { createdNs, wasShown } = anew.find(({ id }) => id === 61)!;
  expect([createdNs > before[0]!.createdNs, wasShown]).toEqual([true, false]);
});

test("a death is counted where monitors look, with the name of the context that it came in", async () => {
  await dieAtWork();
  const isCounted = (all: ActorRecord[]): boolean =>
    all.some(({ name, crashes, lastCrash }) => name === "ctrl-queue" && crashes === 1 && lastCrash !== null);
  const actors = await until<ActorRecord[]>("it is counted", "/api/actors", isCounted);
  expect(actors.find(({ name }) => name === "ctrl-queue")!.lastCrash!.reason).toBe(
    "ended by SIGKILL amid TRANSFER_FROM_HOST_3D of context 1 (test-1)",
  );
  const metrics = await textOf("/metrics");
  expect(metrics).toMatch(
    /^# HELP fencepost_actor_crashes_total .+\n# TYPE fencepost_actor_crashes_total counter\n/m,
  );
  expect(metrics).toContain('\nfencepost_actor_crashes_total{actor="ctrl-queue"} 1\n');
  expect(metrics).toContain('\nfencepost_actor_crashes_total{actor="display"} 0\n');
});
