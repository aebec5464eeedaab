// A Debian guest behind QEMU's generic device on the screens that are the server's own: a window, which says how large the guest's
// screen is, and the inspector's page.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { logsPath } from "../../lab/qemu/cache.ts";
import { until } from "../../lab/qemu/deadline.ts";
import { diffImages, type Image } from "../../lab/qemu/image.ts";
import { desktopCommands } from "../../lab/qemu/desktop.ts";
import { QemuGuest } from "../../lab/qemu/qemu-guest.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { browserTests, urlIn } from "../browser/browser-tests.ts";
import { Weston } from "../support/wayland/weston.ts";
import { whereGuestsAre } from "./support/guests.ts";
import { pagePicture } from "./support/page.ts";
import { expectedPattern } from "./support/pattern.ts";
import { isDesktop, savePng, type Screen, serverScreen, waitForScreen } from "./support/screen.ts";
import { endServed } from "./support/served-guest.ts";

const kernel = "6.12";
const bootTimeoutMs = 120_000;
const testTimeoutMs = 240_000;
const noticeMs = 30_000;
/** Of the window, which fills a screen of another size than the guest was started with. */
const window = { width: 1000, height: 700 };

whereGuestsAre(() =>
  describe(`Linux ${kernel} behind the generic device, on a window and on the page`, guestTests),
);

function guestTests(): void {
  const logDirectory = join(logsPath, `${kernel}-own-screens`);
  const browser = browserTests();
  const weston = new Weston({ ...window, shell: "kiosk", hasSeat: true });
  let server: ServerProcess;
  let guest: QemuGuest | undefined;
  let page: Page;

  beforeAll(async () => {
    await weston.start();
    server = await ServerProcess.start({ args: [`--wayland=${weston.path}`, "--inspect"] });
    const gpu = { kind: "generic", socketPath: server.socketPath } as const;
    guest = await QemuGuest.boot({ kernel, root: "vulkan", gpu }, logDirectory);
    page = await browser.open(urlIn(server.log()), "screen");
  }, bootTimeoutMs);

  afterAll(async () => {
    await browser.close();
    await endServed({ guest, server }, logDirectory);
    await weston.end();
  }, bootTimeoutMs);

  const windowScreen: Screen = {
    logDirectory,
    screendump: () => Promise.resolve({ ...window, pixels: Uint32Array.from(weston.screenshot().pixels) }),
  };
  const pageScreen: Screen = { logDirectory, screendump: () => pagePicture(page) };

  test(
    "the window's size is the guest's mode, which its kernel has heard of",
    async () => {
      const connector = "/sys/class/drm/card0-Virtual-1";
      const preferred = async (): Promise<true | undefined> =>
        (await guest!.run(`sh head -n 1 ${connector}/modes`))[0] === "1000x700" || undefined;
      await until("the guest's kernel to prefer the window's size", preferred, noticeMs, 100);
    },
    testTimeoutMs,
  );

  test(
    "its console is on both",
    async () => {
      await guest!.run("sh echo Fencepost >/dev/tty0");
      for (const [name, screen] of [
        ["window", windowScreen],
        ["page", pageScreen],
      ] as const) {
        const seen = await until(`a console on the ${name}`, () => consoleOn(screen), noticeMs, 100);
        await savePng(join(logDirectory, `console-on-${name}.png`), seen);
      }
    },
    testTimeoutMs,
  );

  test(
    "what it draws is on both, pixel by pixel",
    async () => {
      for (const seed of [5, 6]) {
        await guest!.run(`pattern 0 ${window.width} ${window.height} ${seed}`);
        const expected = expectedPattern(window.width, window.height, seed);
        for (const screen of [windowScreen, pageScreen, serverScreen(server, logDirectory)]) {
          expect(diffImages(await waitForScreen(screen, 0, expected), expected)).toBeNull();
        }
      }
      browser.expectNoComplaint();
    },
    testTimeoutMs,
  );

  test(
    "a desktop, Weston's, is on both, as the server has it",
    async () => {
      for (const command of desktopCommands) await guest!.run(command);
      const screens = [windowScreen, pageScreen, serverScreen(server, logDirectory)];
      const seen = await until(
        "the same desktop on all",
        () => desktopOn(screens),
        testTimeoutMs / 2,
        100,
      ).catch(async (error: Error) => {
        const told = await guest!.run("sh tail -n 30 /tmp/weston.log");
        throw new Error([error.message, ...told].join("\n"), { cause: error });
      });
      await savePng(join(logDirectory, "desktop.png"), seen);
      expect(seen).toMatchObject(window);
    },
    testTimeoutMs,
  );
}

/** What all of `screens` show, once they show the same and that is a desktop; its clock may tick meanwhile. */
async function desktopOn(screens: readonly Screen[]): Promise<Image | undefined> {
  const [first, ...others] = await Promise.all(screens.map((screen) => screen.screendump(0)));
  const isSame = (other: Image | null): boolean => other !== null && diffImages(other, first!) === null;
  return first && isDesktop(first) && others.every(isSame) ? first : undefined;
}

/** A text console: few of its pixels are lit, and of few colours. */
async function consoleOn(screen: Screen): Promise<Image | undefined> {
  const image = await screen.screendump(0);
  if (image === null) return undefined;
  const lit = image.pixels.filter((pixel) => pixel !== 0).length;
  const colours = new Set(image.pixels).size;
  return lit > 100 && lit < image.pixels.length / 4 && colours < 32 ? image : undefined;
}
