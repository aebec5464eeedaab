// A recording in a real browser: its bar leads by mouse and keys to every frame, and a pixel to the command that made it.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { openRecording } from "../../src/transport/wire/record/reader.ts";
import type { RecordedPixel } from "../../src/transport/wire/replay/messages.ts";
import { chanceOf } from "../../lab/fuzz/chance.ts";
import { drawOldCorner, picturesSize, record } from "../support/recorded.ts";
import { ReplayRun } from "../support/replay-run.ts";
import { browserTests } from "./browser-tests.ts";

const directory = mkdtempSync(join(tmpdir(), "fencepost-replay-page-"));
const file = join(directory, "corner.rec");
const steps = 60;
const browser = browserTests();
let run: ReplayRun;
/** When each frame was shown, in nanoseconds. */
let times: readonly number[];

beforeAll(async () => {
  await record(file, ["--renderer", "software"], (guest, keyframes) =>
    drawOldCorner(guest, keyframes, chanceOf(1), steps),
  );
  const recording = openRecording(file);
  times = [...recording.entries()].filter(({ kind }) => kind === "frame").map(({ time }) => time);
  recording.close();
  run = await ReplayRun.start(file);
});
afterAll(async () => {
  await run.stop();
  rmSync(directory, { recursive: true });
});

/** The last frame: an empty picture, a plain one and the corner come before the steps. */
const last = steps + 2;

/** Colours of the right part as the guest drew them, frame by frame. */
function colours(): string[] {
  const chance = chanceOf(1);
  const all = ["000000", "203040", "203040"];
  for (let step = 0; step < steps; step++)
    all.push(
      chance(2 ** 24)
        .toString(16)
        .padStart(6, "0"),
    );
  return all;
}

/** Waits until the page's canvas has the frame with that number, and its bar says so. */
async function expectFrame(page: Page, frame: number): Promise<void> {
  const seen = (): Promise<[string, string]> =>
    page.evaluate<[string, string]>(`(() => {
      const canvas = document.querySelector('canvas[aria-label="Scanout 0"]');
      const bytes = canvas?.getContext("2d").getImageData(100, 60, 1, 1).data ?? [];
      const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"));
      return [hex.slice(0, 3).join(""), document.querySelector(".replay input").value];
    })()`);
  const want: [string, string] = [colours()[frame]!, String(frame)];
  let got = await seen();
  for (let attempt = 0; attempt < 200 && !Bun.deepEquals(got, want); attempt++) {
    await Bun.sleep(50);
    got = await seen();
  }
  expect(got).toEqual(want);
}

const withPage = async (hash: string, body: (page: Page) => Promise<void>): Promise<void> => {
  try {
    const page = await browser.open(run.url, hash);
    await page.getByRole("region", { name: "Recording" }).waitFor();
    await body(page);
    browser.expectNoComplaint();
  } finally {
    await browser.close();
  }
};

test("the scale leads to where it is pressed, goes along with a drag, and shows frames and keyframes", () =>
  withPage("screen", async (page) => {
    const scale = page.getByRole("slider", { name: "Moment" });
    const { x, y, width, height } = (await scale.boundingBox())!;
    expect(width).toBeGreaterThan(350);
    await page.locator(".scale path.keyframe[d*=M]").waitFor({ state: "attached" });
    await page.locator(".scale path.frame[d*=M]").waitFor({ state: "attached" });
    const placeOf = (frame: number): number => (width * times[frame]!) / run.state!.duration;
    const at = (frame: number): [number, number] => [x + placeOf(frame), y + height / 2];
    /** What was shown last by then is there, and nothing after. */
    const isAt = async (frame: number): Promise<void> => {
      const { duration } = run.state!;
      const framesBy = (place: number): number =>
        times.filter((time) => time <= (duration * place) / width).length;
      // A pointer is at a whole pixel.
      const [least, most] = [framesBy(placeOf(frame) - 1), framesBy(placeOf(frame) + 1)];
      await run.until(() => {
        const { activity, frames } = run.state!;
        return activity === "paused" && frames >= least && frames <= most;
      });
    };
    await page.mouse.move(...at(20));
    await page.mouse.down();
    await isAt(20);
    await page.mouse.move(...at(50), { steps: 20 });
    await isAt(50);
    await page.mouse.up();
    await expectFrame(page, run.state!.frames - 1);
    await page.mouse.click(...at(5));
    await isAt(5);
    await expectFrame(page, run.state!.frames - 1);
  }));

test("keys alone lead everywhere, and the list of keys has them", () =>
  withPage("screen", async (page) => {
    await page.keyboard.press("[");
    await page.getByText("no command", { exact: true }).waitFor();
    for (let count = 0; count < 5; count++) await page.keyboard.press(".");
    await expectFrame(page, 4);
    await page.keyboard.press(",");
    await expectFrame(page, 3);
    await page.keyboard.press("]");
    await expectFrame(page, last);
    await page.keyboard.press("<");
    await run.until(() => run.state!.commands === run.state!.commandsTotal - 1);
    await page.keyboard.press(">");
    await run.until(() => run.state!.commands === run.state!.commandsTotal);
    // On the scale, as sliders have it.
    const scale = page.getByRole("slider", { name: "Moment" });
    await scale.focus();
    await page.keyboard.press("ArrowLeft");
    await expectFrame(page, last - 1);
    await page.keyboard.press("PageDown");
    await expectFrame(page, last - 11);
    await page.keyboard.press("Home");
    await page.getByText("no command", { exact: true }).waitFor();
    await page.keyboard.press(" ");
    await expectFrame(page, last);
    const field = page.locator(".replay input");
    await field.fill("7");
    await field.press("Enter");
    await expectFrame(page, 7);
    await page.keyboard.press("k");
    await expectFrame(page, last);
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keys" }).getByText("the frame before, or the next one").waitFor();
  }));

test("a pixel that was made before the keyframe leads to its command, and the log to what led there", () =>
  withPage("screen", async (page) => {
    await run.go({ type: "seek", frame: steps - 1 }, ({ frames }) => frames === steps);
    await expectFrame(page, steps - 1);
    const canvas = page.getByRole("img", { name: "Scanout 0" });
    const { width, height } = (await canvas.boundingBox())!;
    const position = { x: (width * 10.5) / picturesSize.width, y: (height * 8.5) / picturesSize.height };
    await canvas.click({ position, force: true });
    const writer = page.getByRole("region", { name: "Written last by" });
    await writer.getByText("20×10 at 3,5").waitFor();
    const { writer: known } = await run.json<RecordedPixel>("/api/replay/pixel?scanout=0&x=10&y=8");
    await writer.getByText(`command ${known!.number}`, { exact: true }).waitFor();
    await writer.getByRole("button", { name: "Go there" }).click();
    await writer.getByText("the replay is there").waitFor();
    expect(run.state!.commands).toBe(known!.number + 1);
    // The log has what led there, and nothing of where the replay was before.
    await page.keyboard.press("5");
    const lines = page.locator(".long-list .line");
    await lines.last().filter({ hasText: "TRANSFER_TO_HOST_2D" }).click();
    await page.getByText(`command ${known!.number} of the recording`).waitFor();
    expect(await lines.count()).toBe(known!.number + 1);
  }));

test("the log and the timeline forget what was before a seek", () =>
  withPage("commands", async (page) => {
    await run.go({ type: "seek", frame: steps - 1 }, ({ frames }) => frames === steps);
    const lines = page.locator(".long-list .line");
    await run.go({ type: "seek", frame: 0 }, ({ frames }) => frames === 1);
    // Made, attached, shown, and the first picture.
    await lines.nth(4).waitFor();
    for (let attempt = 0; attempt < 100 && (await lines.count()) !== 5; attempt++) await Bun.sleep(50);
    expect(await lines.count()).toBe(5);
    await page.keyboard.press("2");
    await page.locator("canvas.timeline li", { hasText: /^ctrl.*: 5$/ }).waitFor({ state: "attached" });
  }));
