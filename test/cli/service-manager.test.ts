// What a service manager is told of a server that it has started.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { ServiceManager } from "../../src/cli/service-manager.ts";
import { DatagramListener } from "../support/datagram-listener.ts";
import { ServerRun } from "../support/server-run.ts";

let folder: string;
let manager: DatagramListener;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fencepost-test-"));
  manager = new DatagramListener(join(folder, "notify"));
});
afterEach(() => {
  manager.close();
  rmSync(folder, { recursive: true });
});

test("a server tells when it is ready, what its guest does, that it lives, and that it ends", async () => {
  const socket = join(folder, "gpu.sock");
  const env = { NOTIFY_SOCKET: manager.path, WATCHDOG_USEC: "40000", WATCHDOG_PID: "" };
  const run = new ServerRun(["--socket-path", socket, "--renderer", "software"], { env });
  expect(await manager.until("READY=1")).toBe("READY=1\nSTATUS=waiting for a VMM");
  await manager.until("WATCHDOG=1");
  const guest = SyntheticGuest.boot(socket);
  await manager.until("STATUS=a guest's driver is running");
  guest.close();
  await manager.until("STATUS=waiting for a VMM");
  const other = SyntheticGuest.boot(socket);
  await manager.until("STATUS=a guest's driver is running");
  run.kill("SIGTERM");
  expect(await manager.until("STOPPING=1")).toBe("STOPPING=1\nSTATUS=received SIGTERM");
  expect(await run.ended()).toMatchObject({ code: 0 });
  other.close();
  // That the VMM is let go is no news of a server that ends.
  for (let text = manager.next(); text !== null; text = manager.next()) expect(text).toBe("WATCHDOG=1");
}, 30_000);

test("nobody is told anything where there is nobody, or somebody else is meant", () => {
  for (const env of [
    {},
    { NOTIFY_SOCKET: "" },
    { NOTIFY_SOCKET: "relative" },
    { NOTIFY_SOCKET: join(folder, "none") },
  ]) {
    const service = new ServiceManager(env);
    service.ready("up");
    service.close();
  }
  const env = { NOTIFY_SOCKET: manager.path, WATCHDOG_USEC: "1000", WATCHDOG_PID: "1" };
  const service = new ServiceManager(env, 2);
  service.ready("up");
  expect(manager.next()).toBe("READY=1\nSTATUS=up");
  Bun.sleepSync(20);
  service.close();
  expect(manager.next()).toBeNull();
});

test("a manager in the abstract namespace is told", () => {
  const other = new DatagramListener(`@fencepost-test-${process.pid}`);
  const service = new ServiceManager({ NOTIFY_SOCKET: other.path });
  service.stopping("enough");
  expect(other.next()).toBe("STOPPING=1\nSTATUS=enough");
  service.close();
  other.close();
});
