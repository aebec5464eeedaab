// Vulkan in a guest behind QEMU's generic device: what it computes and draws is what lavapipe gives without any guest.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { logsPath } from "../../lab/qemu/cache.ts";
import { QemuGuest } from "../../lab/qemu/qemu-guest.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { whereGuestsAre } from "./support/guests.ts";
import { onLavapipe, withDriver } from "./support/vulkan.ts";

const kernel = "6.12";
const bootTimeoutMs = 120_000;
const testTimeoutMs = 240_000;

whereGuestsAre(() => {
  describe(`Linux ${kernel} on a server without Vulkan`, withoutVulkan);
});

function withoutVulkan(): void {
  const session = useGuest("no-vulkan", ["--renderer", "software"]);

  test(
    "its venus driver finds no device",
    async () => {
      const run = withDriver(session.guest, "virtio", "/run/fencepost/fencepost-vulkan compute 2>&1");
      await expect(run).rejects.toThrow(/vkCreateInstance gave -9|there is no Vulkan device/);
    },
    testTimeoutMs,
  );

  test(
    "the guest's CPU computes the same numbers as the host's",
    async () => {
      const [device, ...results] = await withDriver(
        session.guest,
        "lvp",
        "/run/fencepost/fencepost-vulkan compute 2",
      );
      expect(device).toEndWith(" by llvmpipe");
      expect(results).toEqual([
        expect.stringMatching(/^computed 131072 numbers, 0 wrong, hash [0-9a-f]{8}$/),
      ]);
      expect(results).toEqual((await onLavapipe("compute", "2")).slice(1));
    },
    testTimeoutMs,
  );
}

interface Session {
  server: ServerProcess;
  guest: QemuGuest;
}

/** A server and its guest, from before the first test of this block until after the last. */
function useGuest(name: string, args: readonly string[]): Session {
  const logDirectory = join(logsPath, `${kernel}-${name}`);
  const running: Partial<Session> = {};

  beforeAll(async () => {
    running.server = await ServerProcess.start({ args });
    const gpu = { kind: "generic", socketPath: running.server.socketPath } as const;
    running.guest = await QemuGuest.boot({ kernel, root: "vulkan", gpu }, logDirectory);
  }, bootTimeoutMs);

  afterAll(async () => {
    await running.guest?.stop();
    if (running.server === undefined) return;
    await Bun.write(join(logDirectory, "server.txt"), running.server.log());
    await running.server.stop();
  });

  return {
    get server() {
      return running.server!;
    },
    get guest() {
      return running.guest!;
    },
  };
}
