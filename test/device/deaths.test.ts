// What the server itself keeps of actors' processes that have died: nothing.

import { afterEach, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { driverPatienceMs } from "../support/patience.ts";
import { expectShown, expectWorking, pattern, untilSo } from "./support.ts";

let server: ServerProcess;
let guest: SyntheticGuest | null = null;
afterEach(async () => {
  guest?.close();
  guest = null;
  const code = await server.stop();
  expect(`${code}\n${server.log()}`).toStartWith("0\n");
});

const until = (what: string, isSo: () => boolean): Promise<void> => untilSo(what, isSo, () => server.log());

const descriptors = (): number => readdirSync(`/proc/${server.pid}/fd`).length;

test("deaths cost the server no descriptors", async () => {
  server = await ServerProcess.start({ args: ["--isolation", "process", "--renderer", "software"] });
  guest = SyntheticGuest.boot(server.socketPath, { patienceMs: driverPatienceMs });
  const { gpu } = guest;
  const image = gpu.createImage(1, Format.B8G8R8X8, 64, 48);
  image.pixels.set(pattern(64, 48));
  gpu.show(0, image);
  gpu.present(image);
  const before = descriptors();

  for (let death = 1; death <= 2; death++) {
    process.kill(server.actorProcesses[0]!, "SIGKILL");
    await until(
      "another one has taken over",
      () => server.log().split("ctrl-queue: took over").length > death,
    );
  }

  expectWorking(guest);
  expectShown(guest, 0, 64, 48, pattern(64, 48));
  await until("all is closed that was theirs", () => descriptors() <= before);
});

test("one for which there are no descriptors comes once there are", async () => {
  server = await ServerProcess.start({ args: ["--isolation", "process", "--renderer", "software"] });
  guest = SyntheticGuest.boot(server.socketPath, { patienceMs: driverPatienceMs });
  const limitTo = (most: number): unknown =>
    Bun.spawnSync(["prlimit", "--pid", String(server.pid), `--nofile=${most}:`]);
  // Some are given back by a death, and are too few for another process.
  const most = 1 + Math.max(...readdirSync(`/proc/${server.pid}/fd`).map(Number));
  limitTo(most + 4);
  process.kill(server.actorProcesses[0]!, "SIGKILL");
  await until("it waits", () => server.log().includes("ctrl-queue: waits: the host is out of descriptors"));
  limitTo(4096);
  expectWorking(guest);
  expect(server.log().split("ctrl-queue: crashed")).toHaveLength(2);
});

test("one that does not come up is ended, too, and the next one serves", async () => {
  const args = ["--isolation", "process", "--renderer", "software", "--stall-ms", "1000"];
  server = await ServerProcess.start({ args });
  guest = SyntheticGuest.boot(server.socketPath, { patienceMs: driverPatienceMs });
  const first = server.actorProcesses[0]!;
  process.kill(first, "SIGKILL");
  const next = (): number | undefined => server.actorProcesses.find((pid) => pid !== first);
  await until("there is another process", () => next() !== undefined);
  process.kill(next()!, "SIGSTOP");
  await until("it is ended", () =>
    server.log().includes("crashed: ended, since it was starting for 5000 ms"),
  );
  expectWorking(guest);
}, 60_000);

test("whoever looks later is told of the last death: of what, when, and how long nobody was there", async () => {
  server = await ServerProcess.start({ args: ["--isolation", "process", "--renderer", "software"] });
  const crashOf = async (): Promise<unknown> => {
    const { actors } = await server.control({ command: "status" });
    return (actors as Record<string, { lastCrash: unknown }>)["ctrl-queue"]!.lastCrash;
  };
  expect(await crashOf()).toBeNull();
  const from = Date.now();
  process.kill(server.actorProcesses[0]!, "SIGSEGV");
  await until("another one is there", () => server.log().includes("ctrl-queue: restarted"));
  const crash = (await crashOf()) as { reason: string; at: string; backMs: number };
  expect(crash.reason).toBe("ended by SIGSEGV");
  expect(Date.parse(crash.at)).toBeGreaterThanOrEqual(from);
  expect(crash.backMs).toBeGreaterThan(0);
});
