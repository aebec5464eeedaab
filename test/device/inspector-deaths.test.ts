// A real server whose ctrl queue's process dies under a guest, as the inspector tells of it.

import { afterEach, beforeEach, expect, test } from "bun:test";
import * as commands3d from "../../lab/driver/commands-3d.ts";
import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { inspectorUrl } from "../../lab/vmm/inspector-url.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import type { CommandRecord } from "../../src/actors/inspector/feed.ts";
import { patient } from "./3d-support.ts";
import { slowDraws } from "./slow-draws.ts";
import { expectWorking, untilSo } from "./support.ts";

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

async function get<T>(path: string): Promise<T> {
  const authorization = `Bearer ${url.searchParams.get("token")}`;
  const response = await fetch(new URL(path, url), { headers: { authorization } });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

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
