// A Linux guest that QEMU saves with its card, and brings back behind another server.

import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { logsPath } from "../../lab/qemu/cache.ts";
import { until } from "../../lab/qemu/deadline.ts";
import { QemuGuest } from "../../lab/qemu/qemu-guest.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { fsCard, fsCardInitramfs, takeCard } from "./support/fs-card.ts";
import { whereGuestsAre } from "./support/guests.ts";
import { expectedPattern, paintedOver } from "./support/pattern.ts";
import { serverScreen, waitForScreen } from "./support/screen.ts";
import { endServed } from "./support/served-guest.ts";

const kernel = "6.12";
const logDirectory = join(logsPath, `${kernel}-migration`);
const testTimeoutMs = 180_000;
const savingMs = 60_000;
/** What is told to the display is there by and by. */
const noticeMs = 20_000;

const servers: ServerProcess[] = [];
const guests: QemuGuest[] = [];

afterAll(async () => {
  for (const [index, server] of servers.entries())
    await endServed({ guest: guests[index], server }, join(logDirectory, String(index)));
});

async function start(...extraArgs: string[]): Promise<{ server: ServerProcess; guest: QemuGuest }> {
  const directory = join(logDirectory, String(servers.length));
  const server = await ServerProcess.start({ args: ["--renderer", "software"] });
  servers.push(server);
  const initramfs = join(server.directory, "initramfs");
  await Bun.write(initramfs, await fsCardInitramfs(kernel));
  const guest = await QemuGuest.start(
    {
      ...{ kernel, qemu: "11.1", memory: "256M" },
      gpu: { kind: "other", socketPath: server.socketPath, device: fsCard },
      extraArgs: ["-initrd", initramfs, ...extraArgs],
    },
    directory,
  );
  guests.push(guest);
  return { server, guest };
}

whereGuestsAre(() => {
  test(
    "a guest that QEMU saves goes on behind another QEMU and another server, with its picture and cursor",
    async () => {
      const first = await start();
      await first.guest.waitForBoot(1);
      await first.guest.run(takeCard);
      await first.guest.run("pattern 0 1280 800 7");
      await first.guest.run("cursor 0 100 50 1 2 3");
      const picture = expectedPattern(1280, 800, 7);
      await waitForScreen(serverScreen(first.server, logDirectory), 0, picture);
      const cursor = { visible: true, x: 100, y: 50, hotX: 1, hotY: 2 };
      const image = await cursorOf(first.server, cursor);

      const file = join(first.server.directory, "vm");
      await first.guest.qmp.execute("migrate", { uri: `file:${file}` });
      await until("QEMU to save its guest", () => hasSaved(first.guest), savingMs);
      await first.guest.stop();
      await hasLogged(first.server, "the device's state was saved\n");

      const second = await start("-incoming", `file:${file}`);
      await until(
        "the guest to go on",
        async () => (await second.guest.status()) === "running" || undefined,
        savingMs,
      );
      // Nobody has drawn here.
      const screen = serverScreen(second.server, logDirectory);
      await waitForScreen(screen, 0, picture);
      expect(await cursorOf(second.server, cursor)).toBe(image);
      await hasLogged(second.server, "took up a snapshot: ");
      const area = { x: 10, y: 20, width: 300, height: 200 };
      await second.guest.run("dirty 0 10 20 300 200 9");
      await waitForScreen(screen, 0, paintedOver(picture, area, 9));
    },
    testTimeoutMs,
  );
});

async function hasSaved({ qmp }: QemuGuest): Promise<true | undefined> {
  const { status, ...why } = (await qmp.execute("query-migrate")) as { status: string };
  if (status === "failed") throw new Error(`QEMU has not saved its guest: ${JSON.stringify(why)}`);
  return status === "completed" || undefined;
}

/** Waits until the cursor of the first scanout is so; returns what tells its image from others. */
function cursorOf(server: ServerProcess, expected: object): Promise<string> {
  const look = async (): Promise<string | undefined> => {
    const { display } = (await server.control({ command: "status" })) as unknown as {
      display: { scanouts: { cursor: { imageHash: string } }[] };
    };
    const cursor = display.scanouts[0]?.cursor;
    return cursor !== undefined && Bun.deepMatch(expected, cursor) ? cursor.imageHash : undefined;
  };
  return until("the cursor", look, noticeMs);
}

const hasLogged = (server: ServerProcess, text: string): Promise<true> =>
  until(text, () => server.log().includes(text) || undefined, noticeMs);
