// The process that runs a real guest's commands dies while the guest draws: what it shows stays, and it goes on.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { logsPath } from "../../lab/qemu/cache.ts";
import { until } from "../../lab/qemu/deadline.ts";
import { diffImages, type Image } from "../../lab/qemu/image.ts";
import { desktopCommands } from "../../lab/qemu/desktop.ts";
import { QemuGuest } from "../../lab/qemu/qemu-guest.ts";
import { type ServerOptions, ServerProcess } from "../../lab/vmm/server-process.ts";
import { waitForTurningCube } from "./support/cube.ts";
import { cubeRenderer, startCube, stopCube } from "./support/gl.ts";
import { whereGuestsAre } from "./support/guests.ts";
import { isDesktop, savePng, serverScreen } from "./support/screen.ts";
import { endServed } from "./support/served-guest.ts";

const bootTimeoutMs = 120_000;
const testTimeoutMs = 240_000;
const noticeMs = 30_000;
const kernel = "6.12";

whereGuestsAre(() => {
  describe("Linux 6.12 with Mesa on virgl", cubeTests);
  describe("Linux 6.12 with Weston's desktop", desktopTests);
});

function cubeTests(): void {
  // Nothing keeps streams from virglrenderer that it is known to die of; all else is the real thing.
  const unguarded = join(import.meta.dir, "../support/unguarded-device/server.ts");
  const session = served("debian", { command: [process.execPath, unguarded], args: ["--renderer", "virgl"] });

  const deaths: [string, (session: Served) => Promise<unknown>][] = [
    ["SIGKILL", async ({ server }) => process.kill(server.actorProcesses[0]!, "SIGKILL")],
    ["a stream that virglrenderer dies of", ({ guest }) => guest.run("sh /run/fencepost/deadly-stream")],
  ];

  for (const [what, die] of deaths) {
    test(
      `${what} ends kmscube's picture and nothing else: the console is there behind it, and a new kmscube turns`,
      async () => {
        const { guest, server } = session();
        await startCube(guest);
        expect(await cubeRenderer(guest)).toStartWith("virgl ");
        await waitForTurningCube(guest, 0);

        const before = successors(server);
        await die(session());
        await successor(server, before);

        // What it was submitting earns errors, of which its kernel tells.
        const refused = async (): Promise<true | undefined> =>
          (await guest.run("dmesg")).some((line) => /response 0x1200 \(command 0x207\)/.test(line)) ||
          undefined;
        await until("the guest's kernel to hear of errors", refused, noticeMs, 200);
        await stopCube(guest);
        await guest.run("sh echo Fencepost >/dev/tty0");
        await until("the console", () => consoleOn(guest.screendump(0)), noticeMs, 100);
        await startCube(guest);
        await waitForTurningCube(guest, 0);
        await stopCube(guest);
      },
      testTimeoutMs,
    );
  }

  test("the log tells the deaths, what was lost, and the command that was not run again", () => {
    const log = session().server.log();
    expect(log).toMatch(/ctrl-queue: crashed: ended by SIGKILL/);
    expect(log).toMatch(/ctrl-queue: crashed: ended by SIGSEGV amid SUBMIT_3D of context \d+/);
    expect(log).toMatch(/SUBMIT_3D of context \d+ \(deadly-stream\) is not run again/);
    expect(log).toMatch(
      /took over in \d+ ms: \d+ resources are there again; 3D contexts are lost: .*kmscube/,
    );
    expect(log).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m);
  });
}

function desktopTests(): void {
  const session = served("vulkan", { args: ["--renderer", "virgl", "--vulkan", "off"] });

  test(
    "stays to be seen pixel by pixel when the process is killed, and goes on",
    async () => {
      const { guest, server } = session();
      const screen = serverScreen(server, session().logDirectory);
      for (const command of desktopCommands) await guest.run(command);
      let last: Image | null = null;
      // It fades in, and its panel comes behind it.
      const shown = async (): Promise<Image | undefined> => {
        const [before, image] = [last, await screen.screendump(0)];
        last = image;
        const isStill = before !== null && image !== null && diffImages(before, image) === null;
        return isStill && isDesktop(image) ? image : undefined;
      };
      const before = await until("the desktop", shown, testTimeoutMs / 2, 200);

      const lives = successors(server);
      process.kill(server.actorProcesses[0]!, "SIGKILL");
      await successor(server, lives);

      const after = (await screen.screendump(0))!;
      await savePng(join(session().logDirectory, "desktop-after.png"), after);
      // Its clock may have gone on.
      expect(changedShare(before, after)).toBeLessThan(0.01);
      // A window opens, which the desktop draws.
      const client = "XDG_RUNTIME_DIR=/tmp/weston WAYLAND_DISPLAY=wayland-1";
      await guest.run(`sh (${client} weston-flower) >/tmp/flower.log 2>&1 &`);
      const opened = async (): Promise<Image | undefined> => {
        const image = await screen.screendump(0);
        return image !== null && changedShare(after, image) > 0.005 ? image : undefined;
      };
      const window = await until("a window", opened, noticeMs, 200).catch(async (error: Error) => {
        const told = await guest.run("sh tail -n 20 /tmp/flower.log /tmp/weston.log; ls /usr/bin/weston*");
        throw new Error([error.message, ...told].join("\n"), { cause: error });
      });
      await savePng(join(session().logDirectory, "desktop-with-window.png"), window);
      expect(diffImages(window, after)).not.toBeNull();
    },
    testTimeoutMs,
  );
}

interface Served {
  server: ServerProcess;
  guest: QemuGuest;
  logDirectory: string;
}

/** A server whose ctrl queue has a process of its own, and its guest, from before the first test of this block until after the last. */
function served(root: "debian" | "vulkan", { args = [], ...options }: ServerOptions): () => Served {
  const logDirectory = join(logsPath, `${kernel}-recovery-${root}`);
  const running: { server?: ServerProcess; guest?: QemuGuest } = {};
  beforeAll(async () => {
    running.server = await ServerProcess.start({ ...options, args: ["--isolation", "process", ...args] });
    const gpu = { kind: "vhost-user", socketPath: running.server.socketPath, outputs: 1 } as const;
    running.guest = await QemuGuest.boot({ kernel, root, gpu }, logDirectory);
  }, bootTimeoutMs);
  afterAll(() => endServed(running, logDirectory));
  return () => ({ server: running.server!, guest: running.guest!, logDirectory });
}

const successors = (server: ServerProcess): number => server.log().split(" ctrl-queue: restarted").length;

/** Waits for the process that takes the place of one that has died, or is about to. */
async function successor(server: ServerProcess, before: number): Promise<void> {
  await until("another process", async () => successors(server) > before || undefined, noticeMs, 20);
}

function changedShare(before: Image, after: Image): number {
  const changed = after.pixels.reduce((count, pixel, at) => count + Number(pixel !== before.pixels[at]), 0);
  return changed / after.pixels.length;
}

/** A text console: few of its pixels are lit, and of few colours. */
async function consoleOn(screen: Promise<Image>): Promise<Image | undefined> {
  const image = await screen;
  const lit = image.pixels.filter((pixel) => pixel !== 0).length;
  return lit > 0 && lit < image.pixels.length * 0.2 && new Set(image.pixels).size < 32 ? image : undefined;
}
