// A Debian kernel in QEMU that draws in 2D: what Fencepost shows is, pixel by pixel, what the guest has painted and what QEMU's own
// virtio-gpu-pci shows.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { type Kernel, kernels, logsPath } from "../../lab/qemu/cache.ts";
import { until } from "../../lab/qemu/deadline.ts";
import { diffImages, type Image } from "../../lab/qemu/image.ts";
import { whereGuestsAre } from "./support/guests.ts";
import { warnings } from "./support/kernel-log.ts";
import { expectedCursor, expectedPattern } from "./support/pattern.ts";
import { QemuGuest } from "../../lab/qemu/qemu-guest.ts";
import { runStep, type Step, steps } from "./support/scenario.ts";
import { waitForScreen } from "./support/screen.ts";
import { endServed } from "./support/served-guest.ts";

const bootTimeoutMs = 120_000;
const testTimeoutMs = 60_000;
const cursorTimeoutMs = 5_000;
const outputs = 2;

const renderers = ["software", "virgl"] as const;
type Renderer = (typeof renderers)[number];

/** What QEMU's own device gave, for the comparison. */
interface Baseline {
  frames: Map<Step, Map<number, Image>>;
  warnings: string[];
}

whereGuestsAre(() => {
  for (const kernel of kernels) {
    describe(`Linux ${kernel}`, () => {
      const baseline: Baseline = { frames: new Map(), warnings: [] };
      describe("on QEMU's own device", () => baselineTests(kernel, baseline));
      for (const renderer of renderers) {
        describe(`on Fencepost's ${renderer} renderer`, () => fencepostTests(kernel, renderer, baseline));
      }
    });
  }
});

function baselineTests(kernel: Kernel, baseline: Baseline): void {
  let guest: QemuGuest | undefined;

  beforeAll(async () => {
    const gpu = { kind: "in-process", outputs } as const;
    guest = await QemuGuest.boot({ kernel, gpu }, join(logsPath, `${kernel}-in-process`));
  }, bootTimeoutMs);

  afterAll(async () => {
    await guest?.stop();
  });

  for (const step of steps) {
    test(
      `shows ${step.name}`,
      async () => {
        baseline.frames.set(step, await runStep(guest!, step));
      },
      testTimeoutMs,
    );
  }

  test("the kernel's warnings are known", async () => {
    baseline.warnings = warnings(await guest!.run("dmesg"));
  });
}

function fencepostTests(kernel: Kernel, renderer: Renderer, baseline: Baseline): void {
  const logDirectory = join(logsPath, `${kernel}-${renderer}`);
  let server: ServerProcess | undefined;
  let guest: QemuGuest | undefined;

  beforeAll(async () => {
    server = await ServerProcess.start({ args: ["--renderer", renderer] });
    const gpu = { kind: "vhost-user", socketPath: server.socketPath, outputs } as const;
    guest = await QemuGuest.boot({ kernel, gpu }, logDirectory);
  }, bootTimeoutMs);

  afterAll(() => endServed({ guest, server }, logDirectory));

  const expectNoNewWarning = async (): Promise<void> => {
    const known = new Set(baseline.warnings);
    expect(warnings(await guest!.run("dmesg")).filter((line) => !known.has(line))).toEqual([]);
  };

  test("the driver probes without a warning, with the outputs that QEMU has", async () => {
    await expectNoNewWarning();
    const modes = await guest!.run("modes");
    expect(modes).toHaveLength(outputs);
    expect(modes[0]).toStartWith("0 connected 1280x800 ");
    expect(modes[1]).toBe("1 disconnected");
    const [edid] = await guest!.run("edid 0");
    expect(edid).toStartWith("00ffffffffffff00");
  });

  for (const step of steps) {
    test(
      `shows ${step.name}, as QEMU's own device does`,
      async () => {
        const frames = await runStep(guest!, step);
        const known = baseline.frames.get(step);
        if (known === undefined) throw new Error("QEMU's own device gave no frames; run its tests too");
        for (const [head, frame] of frames) expect(diffImages(frame, known.get(head)!)).toBeNull();
      },
      testTimeoutMs,
    );
  }

  test(
    "a cursor is set, moved and hidden",
    async () => {
      // QEMU's screendump leaves the cursor out, so the server is asked what it has been told.
      const hot = { hotX: 3, hotY: 5 };
      const imageHash = Bun.hash(expectedCursor(9).buffer).toString(16).padStart(16, "0");
      await guest!.run("cursor 0 200 100 3 5 9");
      await waitForCursor(server!, { visible: true, x: 200, y: 100, ...hot, imageHash });
      await guest!.run("cursor-move 0 640 480");
      await waitForCursor(server!, { visible: true, x: 640, y: 480, ...hot, imageHash });
      await guest!.run("cursor-hide 0");
      await waitForCursor(server!, { visible: false });
    },
    testTimeoutMs,
  );

  test(
    "a VM that was paused shows its screen again, and its guest draws on",
    async () => {
      await guest!.run("pattern 0 1024 768 61");
      await waitForScreen(guest!, 0, expectedPattern(1024, 768, 61));
      await guest!.qmp.execute("stop");
      await guest!.qmp.execute("cont");
      await waitForScreen(guest!, 0, expectedPattern(1024, 768, 61));
      await guest!.run("pattern 0 800 600 62");
      await waitForScreen(guest!, 0, expectedPattern(800, 600, 62));
    },
    testTimeoutMs,
  );

  test(
    "the guest reboots and shows a pattern again",
    async () => {
      await guest!.reboot();
      await guest!.run("pattern 0 1024 768 51");
      await waitForScreen(guest!, 0, expectedPattern(1024, 768, 51));
      await expectNoNewWarning();
    },
    bootTimeoutMs,
  );

  test(
    "the server is stopped, and QEMU and its guest run on",
    async () => {
      await Bun.write(join(logDirectory, "server.txt"), server!.log());
      expect(await server!.stop()).toBe(0);
      server = undefined;
      expect(await guest!.status()).toBe("running");
      await guest!.run("ping");
    },
    testTimeoutMs,
  );
}

/** Waits until the server has, of the first scanout's cursor, what `expected` names. */
async function waitForCursor(server: ServerProcess, expected: Record<string, unknown>): Promise<void> {
  let last: unknown;
  await until(
    `the cursor ${JSON.stringify(expected)}`,
    async () => {
      const { display } = (await server.control({ command: "status" })) as unknown as {
        display: { scanouts: { scanout: number; cursor: Record<string, unknown> }[] };
      };
      const cursor = display.scanouts.find(({ scanout }) => scanout === 0)?.cursor;
      last = cursor;
      return cursor && Object.entries(expected).every(([key, value]) => cursor[key] === value)
        ? true
        : undefined;
    },
    cursorTimeoutMs,
  ).catch((error: Error) => {
    throw new Error(`${error.message}; it is ${JSON.stringify(last)}`);
  });
}
