// A domain of libvirt's whose graphics card is ours, found by its capability file: no flag of ours is given by anybody.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LibvirtGuest } from "../../lab/qemu/libvirt-guest.ts";
import { ask } from "../../src/cli/control-client.ts";
import { whereGuestsAre } from "./support/guests.ts";
import { expectedPattern } from "./support/pattern.ts";
import { serverScreen, waitForScreen } from "./support/screen.ts";

const binary = join(import.meta.dir, "../../bin/fencepost");
const bootTimeoutMs = 90_000;
const testTimeoutMs = 150_000;

let folder: string;
let guest: LibvirtGuest | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fencepost-virt-"));
});
afterEach(async () => {
  await guest?.stop();
  guest = undefined;
  rmSync(folder, { recursive: true });
});

const control = (): string => join(folder, "gpu.ctl");
const screen = () =>
  serverScreen(
    {
      directory: folder,
      control: (request) =>
        ask(control(), request as Parameters<typeof ask>[1]).then(
          (answer) => ({ ok: true, ...answer }),
          (error: Error) => ({ ok: false, error: error.message }),
        ),
    },
    folder,
  );

/** Starts it with the settings that a host would have in /etc/fencepost.json. */
async function start(acceleration: string, settings: Record<string, unknown>): Promise<LibvirtGuest> {
  guest = await LibvirtGuest.start({
    ...{ folder, binary, acceleration },
    settings: { controlPath: control(), logFile: join(folder, "server.log"), ...settings },
  });
  await guest.serial.waitForBoot(1, bootTimeoutMs);
  return guest;
}

const serverLog = (): string => readFileSync(join(folder, "server.log"), "utf8");
const renderer = async (): Promise<unknown> =>
  ((await ask(control(), { command: "status" }))["renderer"] as { renderer?: string } | null)?.renderer;

whereGuestsAre(() => {
  test(
    "libvirt finds the server by its capability file, and shows, pauses and ends a guest with it",
    async () => {
      // The administrator wants no 3D; libvirt gives --virgl with accel3d='no' too.
      const running = await start('<acceleration accel3d="no"/>', { renderer: "software" });
      await running.serial.run("pattern 0 1024 768 3");
      await waitForScreen(screen(), 0, expectedPattern(1024, 768, 3));
      expect(await renderer()).toBe("software");
      expect(running.log()).not.toContain("error");
      expect(await running.stop()).toBe(0);
      // All has ended in order, the server's socket included.
      expect(serverLog()).toContain("supervisor: stopped: the front-end has gone");
      expect(serverLog()).not.toMatch(/ (warning|error) /);
      expect(existsSync(control())).toBeFalse();
    },
    testTimeoutMs,
  );

  test(
    "3D is there where it starts, whatever the host says of render nodes",
    async () => {
      const running = await start('<acceleration accel3d="yes"/>', {});
      const features = (await running.serial.run("dmesg")).filter((line) => line.includes("features: "));
      expect(features.join("\n")).toContain("+virgl");
      expect(await renderer()).toBe("virgl");
      expect(await running.stop()).toBe(0);
    },
    testTimeoutMs,
  );
});
