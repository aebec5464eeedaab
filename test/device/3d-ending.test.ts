// A ctrl queue that is inside of one long call of the renderer's: whoever waits for it says so, and the server still ends.

import { afterEach, expect, test } from "bun:test";
import * as commands3d from "../../lab/driver/commands-3d.ts";
import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { existsSync } from "node:fs";
import { patient, virglServer } from "./3d-support.ts";
import { slowDraws } from "./slow-draws.ts";

let server: ServerProcess;
afterEach(() => server.stop());

/** Starts a server whose driver draws on the thread that calls it, and hangs up while it draws for some minutes. */
async function hangUpInALongCall(draws: number): Promise<void> {
  server = await ServerProcess.start({ args: virglServer, env: { LP_NUM_THREADS: "0" } });
  const guest = SyntheticGuest.boot(server.socketPath, patient);
  guest.gpu.control.submit(commands3d.submit3d(1, slowDraws(guest, draws)));
  // It is taken, and the thread inside of it.
  await Bun.sleep(300);
  guest.close();
}

async function logged(text: string): Promise<void> {
  while (!server.log().includes(text)) {
    if (server.exitCode !== null) throw new Error(server.log());
    await Bun.sleep(20);
  }
}

test("a session waits for the queue, and the next front-end is served when it is done", async () => {
  await hangUpInALongCall(60);
  await logged("waiting for the ctrl-queue, which is in one long command");
  await logged("the session goes on after");
  const guest = SyntheticGuest.boot(server.socketPath, patient);
  guest.gpu.createResource2d(1, 1, 4, 4);
  guest.close();
  expect(await server.stop()).toBe(0);
}, 60_000);

test("a second signal ends the server at once", async () => {
  await hangUpInALongCall(2_000);
  process.kill(server.pid, "SIGTERM");
  // Longer than signals count as one.
  await Bun.sleep(1_000);
  expect(server.exitCode).toBeNull();
  const from = performance.now();
  process.kill(server.pid, "SIGTERM");
  expect(await server.exited).toBe(4);
  expect(performance.now() - from).toBeLessThan(2_000);
  expect(server.log()).toContain("received SIGTERM while stopping: ends at once");
  expect([server.socketPath, server.controlPath].filter(existsSync)).toEqual([]);
});

test("one signal ends it in the end, and leaves no socket", async () => {
  await hangUpInALongCall(2_000);
  process.kill(server.pid, "SIGTERM");
  expect(await server.exited).toBe(4);
  expect(server.log()).toContain("ctrl-queue: did not stop within 10 s, and was ended");
  expect([server.socketPath, server.controlPath].filter(existsSync)).toEqual([]);
}, 60_000);
