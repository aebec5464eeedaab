// A page that does not keep up: it misses what it is too slow for, the server keeps nothing for it, and nobody else waits.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { pageTests } from "./support.ts";

const { withPage, open, control } = pageTests();

interface Status {
  actors: Record<string, { counters: Record<string, number> }>;
}

/** A page may have 2 MiB unsent, its sockets some more, and garbage is not collected at once. */
const [width, height] = [1024, 768];
const settled = 10;
const pictures = 100;
/** Many pictures of that size are made, sent and painted. */
const limitMs = 60_000;
const allBytes = pictures * width * height * 4;

/** Has the page run nothing more, until what is returned is called. */
async function freeze(page: Page): Promise<() => Promise<void>> {
  const session = await page.context().newCDPSession(page);
  await session.send("Debugger.enable");
  const paused = new Promise((resolve) => session.once("Debugger.paused", resolve));
  await session.send("Debugger.pause");
  await paused;
  return async () => void (await session.send("Debugger.disable"));
}

async function droppedBatches(): Promise<number> {
  const { actors } = (await control().control({ command: "status" })) as unknown as Status;
  return actors["inspector"]!.counters["droppedBatches"]!;
}

const ownBytes = (pid: number): number =>
  1024 * Number(/RssAnon:\s*(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))![1]);

/** The colour of the middle of what a scanout shows, as 0xRRGGBB; -1 where it shows nothing. */
const middle = (page: Page): Promise<number> =>
  page.evaluate<number>(`(() => {
    const canvas = document.querySelector('canvas[aria-label="Scanout 0"]');
    if (canvas === null) return -1;
    const [red, green, blue] = canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data;
    return (red << 16) | (green << 8) | blue;
  })()`);

test(
  "a page that reads nothing for a while misses batches, holds up nobody, and then goes on with all that is shown",
  () =>
    withPage("screen", async (page, { gpu }) => {
      const screen = gpu.createImage(9, Format.B8G8R8X8, width, height);
      let turn = 0;
      /** Of the last picture; there may be more than 255. */
      const colour = (): number => (turn * 0x01_0203) & 0xff_ffff;
      const draw = (): void => {
        turn++;
        screen.pixels.fill(colour());
        gpu.present(screen);
      };
      gpu.show(0, screen);
      const other = await open("latency");
      await page.locator("figcaption", { hasText: `${width}×${height}` }).waitFor();
      draw();
      while ((await middle(page)) !== colour()) await page.waitForTimeout(20);
      const thaw = await freeze(page);
      try {
        // The first are unsent, and in the sockets.
        while ((await droppedBatches()) < settled) draw();
        const before = ownBytes(control().pid);
        const first = turn;
        let most = 0;
        for (let missed = 0; turn < first + pictures || missed < settled + pictures;) {
          draw();
          missed = await droppedBatches();
          most = Math.max(most, ownBytes(control().pid) - before);
        }
        expect(most).toBeLessThan(allBytes / 2);
        expect(await other.locator(".losses", { hasText: "batches" }).count()).toBe(0);
      } finally {
        await thaw();
      }
      await page.locator(".losses", { hasText: /[1-9]\d* batches missed/ }).waitFor();
      while ((await middle(page)) !== colour()) await page.waitForTimeout(20);
      draw();
      while ((await middle(page)) !== colour()) await page.waitForTimeout(20);
      await page.keyboard.press("5");
      await page.locator(".long-list .line", { hasText: "RESOURCE_FLUSH" }).first().waitFor();
    }),
  limitMs,
);
