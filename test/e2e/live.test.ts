// A real guest, from its boot on, seen on a second server while it runs on the first: both show the same in the end.

import { afterEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { logsPath } from "../../lab/qemu/cache.ts";
import { until } from "../../lab/qemu/deadline.ts";
import { diffImages, type Image } from "../../lab/qemu/image.ts";
import { guestSessions, runSession, type SessionName } from "../../lab/replay/guest-sessions.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { decodePng } from "../support/png.ts";
import { whereGuestsAre } from "./support/guests.ts";

const testTimeoutMs = 600_000;
/** How far behind a second server may be on a busy machine that runs both, and a guest. */
const behindMs = 120_000;

let second: ServerProcess | null = null;
let player: Bun.Subprocess<"ignore", "inherit", "inherit"> | null = null;

afterEach(async () => {
  player?.kill("SIGKILL");
  await player?.exited;
  await second?.stop();
  player = second = null;
});

async function isSeenElsewhere(name: SessionName): Promise<void> {
  const { renderer } = guestSessions[name];
  second = await ServerProcess.start({ args: ["--renderer", renderer] });
  const { socketPath } = second;
  await runSession(name, ["--inspect"], join(logsPath, `live-${name}`), {
    begun: async (first) => {
      const { url } = await first.control({ command: "inspector" });
      const args = ["--from", String(url), "--socket-path", socketPath];
      player = Bun.spawn(["bun", "lab/replay/main.ts", ...args], { stdio: ["ignore", "inherit", "inherit"] });
      while (!first.log().includes("recording to a reader at")) await Bun.sleep(20);
    },
    stands: async (picture) => {
      await until("the same picture on the second server", () => isShown(picture), behindMs, 300);
    },
  });
  // The first server has told its end.
  expect(await player!.exited).toBe(0);
}

async function isShown(wanted: Image): Promise<true | undefined> {
  const path = join(second!.directory, "shown.png");
  const { ok } = await second!.control({ command: "screenshot", path });
  if (!ok) return undefined;
  const { width, height, pixels } = decodePng(readFileSync(path));
  const shown = { width, height, pixels: Uint32Array.from(pixels, (pixel) => pixel >>> 8) };
  return diffImages(shown, wanted) === null ? true : undefined;
}

whereGuestsAre(() => {
  test("a boot with page flips, of 2D alone", () => isSeenElsewhere("boot-6.12"), testTimeoutMs);
  test("a boot with kmscube on virgl", () => isSeenElsewhere("cube-6.12"), testTimeoutMs);
});
