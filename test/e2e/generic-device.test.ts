// A Debian kernel behind QEMU's generic vhost-user device: what QEMU says of no GPU is the server's own, and so is the picture.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { logsPath } from "../../lab/qemu/cache.ts";
import { until } from "../../lab/qemu/deadline.ts";
import { QemuGuest } from "../../lab/qemu/qemu-guest.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { whereGuestsAre } from "./support/guests.ts";
import { complaints } from "./support/kernel-log.ts";
import { expectedPattern } from "./support/pattern.ts";
import { ctrlCounters } from "./support/renderer-use.ts";
import { runStep, steps } from "./support/scenario.ts";
import { serverScreen, waitForScreen } from "./support/screen.ts";
import { endServed } from "./support/served-guest.ts";

const kernel = "6.12";
const bootTimeoutMs = 120_000;
const testTimeoutMs = 120_000;
/** And a third that is off. */
const outputs = "1280x800,1024x768";
/** The guest's kernel learns of it by an interrupt, and then asks. */
const noticeMs = 20_000;
const renderers = ["software", "virgl"] as const;

whereGuestsAre(() => {
  for (const renderer of renderers) {
    describe(`Linux ${kernel} behind the generic device, on the ${renderer} renderer`, () =>
      guestTests(renderer));
  }
});

function guestTests(renderer: (typeof renderers)[number]): void {
  const logDirectory = join(logsPath, `${kernel}-generic-${renderer}`);
  let server: ServerProcess;
  let guest: QemuGuest | undefined;

  beforeAll(async () => {
    server = await ServerProcess.start({
      args: ["--renderer", renderer, "--outputs", outputs, "--scanouts", "3"],
    });
    const gpu = { kind: "generic", socketPath: server.socketPath } as const;
    guest = await QemuGuest.boot({ kernel, gpu }, logDirectory);
  }, bootTimeoutMs);

  afterAll(() => endServed({ guest, server }, logDirectory));

  const setOutputs = async (list: string): Promise<void> => {
    expect(await server.control({ command: "outputs-set", outputs: list })).toMatchObject({ ok: true });
  };
  /** What the kernel believes of an output: reading it asks the device nothing. Its console leaves out modes that are larger
   * than it was made. */
  const waitForKernel = async (output: string, status: string, mode = ""): Promise<void> => {
    const connector = `/sys/class/drm/card0-Virtual-${Number(output) + 1}`;
    const expected = [status, ...(mode === "" ? [] : [mode])];
    const reached = async (): Promise<true | undefined> => {
      const [now = "", preferred] = await guest!.run(`sh cat ${connector}/status ${connector}/modes`);
      return Bun.deepEquals([now, ...(mode === "" ? [] : [preferred])], expected) || undefined;
    };
    await until(
      `output ${output} to be ${expected.join(" with ")} in the guest's kernel`,
      reached,
      noticeMs,
      100,
    );
  };

  test("the driver finds all that the server has, outputs included", async () => {
    const log = await guest!.run("dmesg");
    const told = log.flatMap((line) => /\[drm\] (features: .*|number of .*)$/.exec(line)?.[1] ?? []);
    const virgl = renderer === "virgl";
    expect(told).toEqual([
      `features: ${virgl ? "+" : "-"}virgl +edid +resource_blob +host_visible`,
      `features: ${virgl ? "+" : "-"}context_init`,
      "number of scanouts: 3",
      // The third is Vulkan's, where the host has that.
      virgl ? expect.stringMatching(/^number of cap sets: [23]$/) : "number of cap sets: 0",
    ]);
    const modes = await guest!.run("modes");
    expect(modes).toEqual([
      expect.stringMatching(/^0 connected 1280x800( |$)/),
      expect.stringMatching(/^1 connected 1024x768( |$)/),
      "2 disconnected",
    ]);
  });

  for (const step of steps) {
    test(
      `the server shows ${step.name}`,
      async () => {
        await runStep(guest!, step, serverScreen(server, logDirectory));
      },
      testTimeoutMs,
    );
  }

  test(
    "outputs that are changed from outside reach the guest, which is asked nothing",
    async () => {
      await setOutputs("0=1120x700,2=800x600");
      await waitForKernel("0", "connected", "1120x700");
      await waitForKernel("2", "connected", "800x600");
      await guest!.run("pattern 2 800 600 7");
      await waitForScreen(serverScreen(server, logDirectory), 2, expectedPattern(800, 600, 7));
      await setOutputs("2=off");
      await waitForKernel("2", "disconnected");
      await setOutputs("0=1280x800");
      await waitForKernel("0", "connected", "1280x800");
    },
    testTimeoutMs,
  );

  test(
    "the guest reboots and is shown again",
    async () => {
      await guest!.reboot();
      await guest!.run("pattern 0 1024 768 51");
      await waitForScreen(serverScreen(server, logDirectory), 0, expectedPattern(1024, 768, 51));
    },
    bootTimeoutMs,
  );

  test("the kernel has no complaint, and the server none about guest or QEMU", async () => {
    expect(complaints(await guest!.run("dmesg"), kernel)).toEqual([]);
    const { errors, malformedChains, resources, storageBytes } = await ctrlCounters(server);
    expect({ errors, malformedChains }).toEqual({ errors: 0, malformedChains: 0 });
    expect(resources).toBeGreaterThan(0);
    // Without 3D the driver's buffers are blobs of the guest's pages, which are shown, and made cursors of, where they lie.
    if (renderer === "software") expect(storageBytes).toBe(0);
    const told = server.log().split("\n");
    expect(told.filter((line) => / (warning|error) /.test(line))).toEqual([]);
  });
}
