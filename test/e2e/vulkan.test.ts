// Vulkan in a guest behind QEMU's generic device: what it computes and draws is what lavapipe gives without any guest.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { logsPath, vulkanServer } from "../../lab/qemu/cache.ts";
import { until } from "../../lab/qemu/deadline.ts";
import { diffImages, readPpm } from "../../lab/qemu/image.ts";
import { QemuGuest } from "../../lab/qemu/qemu-guest.ts";
import { type ServerOptions, ServerProcess } from "../../lab/vmm/server-process.ts";
import { whereGuestsAre } from "./support/guests.ts";
import { complaints } from "./support/kernel-log.ts";
import {
  ctrlCounters,
  type RendererUse,
  steadyRendererUse,
  waitForRendererUse,
} from "./support/renderer-use.ts";
import { endServed } from "./support/served-guest.ts";
import { inBackground, onLavapipe, withDriver } from "./support/vulkan.ts";

const kernel = "6.12";
const bootTimeoutMs = 120_000;
const testTimeoutMs = 240_000;
const program = "/run/fencepost/fencepost-vulkan";

whereGuestsAre(() => {
  describe(`Linux ${kernel} on a server without Vulkan`, withoutVulkan);
  describe(`Linux ${kernel} on a server with Vulkan`, withVulkan);
});

function withoutVulkan(): void {
  const session = useGuest("no-vulkan", { args: ["--renderer", "software"] });

  test(
    "its venus driver finds no device",
    async () => {
      const run = withDriver(session.guest, "virtio", `${program} compute 2>&1`);
      await expect(run).rejects.toThrow(/vkCreateInstance gave -9|there is no Vulkan device/);
    },
    testTimeoutMs,
  );

  test(
    "the guest's CPU computes the same numbers as the host's",
    async () => {
      const [device, ...results] = await withDriver(session.guest, "lvp", `${program} compute 2`);
      expect(device).toEndWith(" by llvmpipe");
      expect(results).toEqual([rightNumbers(131_072)]);
      expect(results).toEqual((await onLavapipe("compute", "2")).slice(1));
    },
    testTimeoutMs,
  );
}

function withVulkan(): void {
  const session = useGuest("vulkan", vulkanServer());
  /** What the driver and its text console hold. */
  let atRest: RendererUse;

  test(
    "the driver finds blobs, host-visible memory and three capability sets, and vulkaninfo venus",
    async () => {
      const log = (await session.guest.run("dmesg")).join("\n");
      expect(log).toContain("features: +virgl +edid +resource_blob +host_visible");
      expect(log).toMatch(/Host memory window: 0x[0-9a-f]+ \+0x10000000/);
      expect(log).toContain("number of cap sets: 3");
      const summary = await withDriver(session.guest, "virtio", "vulkaninfo --summary 2>&1");
      const fields = summary
        .filter((line) => /^\t(deviceName|driverID) /.test(line))
        .map((line) => line.trim());
      expect(fields).toEqual([
        expect.stringMatching(/^deviceName +?= Virtio-GPU Venus \(llvmpipe \(/),
        expect.stringMatching(/^driverID +?= DRIVER_ID_MESA_VENUS$/),
      ]);
      atRest = await steadyRendererUse(session.server);
    },
    testTimeoutMs,
  );

  test(
    "memory of the host that the guest maps is written and read by both: a job's numbers are right, and as without a guest",
    async () => {
      const [device, ...results] = await withDriver(session.guest, "virtio", `${program} compute 4`);
      expect(device).toEndWith(" by venus");
      expect(results).toEqual([rightNumbers(262_144)]);
      expect(results).toEqual((await onLavapipe("compute", "4")).slice(1));
      await waitForRendererUse(session.server, atRest);
    },
    testTimeoutMs,
  );

  test(
    "a cube is, pixel by pixel, what it is without a guest",
    async () => {
      await withDriver(session.guest, "virtio", `${program} cube /mnt/guest.ppm`);
      await onLavapipe("cube", join(session.shared, "host.ppm"));
      const [guest, host] = await Promise.all(["guest", "host"].map((name) => session.picture(name)));
      expect(guest).toMatchObject({ width: 640, height: 480 });
      expect(new Set(host!.pixels).size).toBeGreaterThan(1_000);
      expect(diffImages(guest!, host!)).toBeNull();
      await waitForRendererUse(session.server, atRest);
    },
    testTimeoutMs,
  );

  test(
    "a GL program on virgl and a Vulkan program on venus work side by side",
    async () => {
      const { guest, server } = session;
      await guest.run("sh /run/fencepost/fencepost-gl frames 256 256 0 600000 >/tmp/gl.log 2>&1 &");
      await guest.run("sh until grep -q warm /tmp/gl.log; do sleep 0.1; done", testTimeoutMs);
      const [, ...results] = await withDriver(guest, "virtio", `${program} compute 4`);
      expect(results).toEqual([rightNumbers(262_144)]);
      expect(await guest.run("sh grep renderer /tmp/gl.log; killall fencepost-gl")).toEqual([
        expect.stringMatching(/^renderer virgl /),
      ]);
      await waitForRendererUse(server, atRest);
    },
    testTimeoutMs,
  );

  test(
    "a guest that ends its programs and reboots has memory of the host mapped anew",
    async () => {
      const { guest, server } = session;
      const mappings = async () => (await ctrlCounters(server))["mappings"]!;
      await inBackground(guest, "virtio", `${program} show 600`);
      await until(
        "the program to have memory mapped",
        async () => (await mappings()) > 0 || undefined,
        testTimeoutMs,
      );
      // QEMU 11.1.3 dies of a reset that comes before: quirks.qemuTakesMappingsForSlots.
      await guest.run("sh killall fencepost-vulkan");
      await until("nothing to be mapped", async () => (await mappings()) === 0 || undefined, testTimeoutMs);
      await guest.reboot();
      const [, ...results] = await withDriver(guest, "virtio", `${program} compute 4`);
      expect(results).toEqual([rightNumbers(262_144)]);
      // QEMU would have closed the channel over one request that it refuses.
      expect(server.log()).not.toContain("no host memory is mapped");
    },
    testTimeoutMs,
  );

  test("the kernel has no complaint, and the server none about its guest", async () => {
    expect(complaints(await session.guest.run("dmesg"), kernel)).toEqual([]);
    const { errors, malformedChains, fencesStuck } = await ctrlCounters(session.server);
    expect({ errors, malformedChains, fencesStuck }).toEqual({
      errors: 0,
      malformedChains: 0,
      fencesStuck: 0,
    });
  });

  test(
    "a context's process that is killed costs its program the device, and nobody else anything",
    async () => {
      const { guest, server } = session;
      await withDriver(guest, "virtio", `(${program} compute 1000000; echo ended $?) >/tmp/lost.log 2>&1 &`);
      await guest.run("sh until grep -q device /tmp/lost.log; do sleep 0.1; done", testTimeoutMs);
      const [pid] = contextProcesses(server.pid);
      process.kill(pid!, "SIGKILL");
      await until(
        "the server to name the lost context",
        () => /fencepost-vulka\) is lost/.test(server.log()) || undefined,
        30_000,
      );
      const told = await guest.run(
        "sh until grep -q ended /tmp/lost.log; do sleep 0.1; done; cat /tmp/lost.log",
        testTimeoutMs,
      );
      // Mesa notices that nobody works on its ring, and aborts; or a call gives VK_ERROR_DEVICE_LOST.
      expect(told.at(-1)).toMatch(/^ended (134|3)$/);
      const [, ...results] = await withDriver(guest, "virtio", `${program} compute 4`);
      expect(results).toEqual([rightNumbers(262_144)]);
      await waitForRendererUse(server, atRest);
    },
    testTimeoutMs,
  );
}

/** The processes of Vulkan contexts: children of the render server, which is a child of the server's. */
function contextProcesses(server: number): number[] {
  const childrenOf = (pid: number): number[] =>
    readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean).map(Number),
    );
  return childrenOf(server).flatMap(childrenOf);
}

const rightNumbers = (count: number): string =>
  expect.stringMatching(new RegExp(`^computed ${count} numbers, 0 wrong, hash [0-9a-f]{8}$`)) as string;

interface Session {
  server: ServerProcess;
  guest: QemuGuest;
  /** A folder of this machine, which is the guest's /mnt. */
  shared: string;
  /** A picture in it. */
  picture(name: string): Promise<ReturnType<typeof readPpm>>;
}

/** A server and its guest, from before the first test of this block until after the last. */
function useGuest(name: string, options: ServerOptions): Session {
  const logDirectory = join(logsPath, `${kernel}-${name}`);
  const running: { server?: ServerProcess; guest?: QemuGuest; shared?: string } = {};

  beforeAll(async () => {
    running.shared = mkdtempSync(join(tmpdir(), "fencepost-shared-"));
    running.server = await ServerProcess.start(options);
    const gpu = { kind: "generic", socketPath: running.server.socketPath } as const;
    const extraArgs = [
      ...["-fsdev", `local,id=shared,path=${running.shared},security_model=none`],
      ...["-device", "virtio-9p-pci,fsdev=shared,mount_tag=shared"],
    ];
    running.guest = await QemuGuest.boot({ kernel, root: "vulkan", gpu, extraArgs }, logDirectory);
    await running.guest.run(
      "sh modprobe -a 9p 9pnet_virtio && mount -t 9p -o trans=virtio,version=9p2000.L shared /mnt",
    );
  }, bootTimeoutMs);

  afterAll(async () => {
    await endServed(running, logDirectory);
    if (running.shared !== undefined) rmSync(running.shared, { recursive: true });
  });

  return {
    get server() {
      return running.server!;
    },
    get guest() {
      return running.guest!;
    },
    get shared() {
      return running.shared!;
    },
    async picture(picture) {
      const bytes = await Bun.file(join(running.shared!, `${picture}.ppm`)).bytes();
      // For whoever asks later what was wrong.
      mkdirSync(logDirectory, { recursive: true });
      await Bun.write(join(logDirectory, `${picture}.ppm`), bytes);
      return readPpm(bytes);
    },
  };
}
