// The screen in a real browser: the canvas has the pixels that the guest drew, and what it changes is marked.

import { expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { expectOk } from "../device/support.ts";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import { driverPatienceMs } from "../support/patience.ts";
import { pageTests } from "./support.ts";

const { withPage } = pageTests();
const plugged = pageTests("--outputs", "800x600", "--scanouts", "2");

/** A colour of its own for each place. */
const pattern = (width: number, height: number, seed: number): Uint32Array =>
  Uint32Array.from({ length: width * height }, (_, at) => (at * 2_654_435 + seed * 7919) & 0xff_ffff);

/** What the canvas of a scanout has, as 0xRRGGBB. */
const painted = (page: Page, scanout: number): Promise<number[]> =>
  page.evaluate<number[]>(`(() => {
    const canvas = document.querySelector('canvas[aria-label="Scanout ${scanout}"]');
    if (canvas === null) return [];
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return Array.from({ length: data.length / 4 }, (_, at) =>
      (data[at * 4] << 16) | (data[at * 4 + 1] << 8) | data[at * 4 + 2]);
  })()`);

async function expectPainted(page: Page, scanout: number, want: Uint32Array): Promise<void> {
  let got = await painted(page, scanout);
  for (let attempt = 0; attempt < 100 && !Bun.deepEquals(got, [...want]); attempt++) {
    await Bun.sleep(50);
    got = await painted(page, scanout);
  }
  expect(got).toEqual([...want]);
}

test("the canvas has what the guest drew, all of it first and then what it changes, until the scanout is off", () =>
  withPage("screen", async (page, { gpu }) => {
    await page.getByText("No scanout shows anything.").waitFor();
    const screen = gpu.createImage(61, Format.B8G8R8X8, 100, 50);
    const want = pattern(100, 50, 1);
    screen.pixels.set(want);
    gpu.show(0, screen);
    await expectPainted(page, 0, want);
    const caption = page.locator("figcaption");
    await caption.filter({ hasText: "100×50" }).waitFor();
    // What is not flushed is not shown, though it is transferred.
    screen.pixels.set(pattern(100, 50, 2));
    const rows = { x: 20, y: 10, width: 30, height: 2 };
    expectOk(gpu.transferToHost2d(61, areaOf(screen)));
    expectOk(gpu.flushResource(61, rows));
    for (const y of [10, 11]) {
      want.set(
        screen.pixels.subarray(y * 100 + 20, y * 100 + 50).map((word) => word & 0xff_ffff),
        y * 100 + 20,
      );
    }
    await expectPainted(page, 0, want);
    await caption.filter({ hasText: "last damage 30×2 at 20, 10" }).waitFor();
    await caption.filter({ hasText: /frame of vmm [\d.]+ (µs|ms|s) ago/ }).waitFor();
    expectOk(gpu.setScanout(0, 0, areaOf(screen)));
    await page.getByText("No scanout shows anything.").waitFor();
  }));

test("damage flashes when it is wanted, and 1:1 has a pixel for each pixel; both by keys, and after a reload", () =>
  withPage("screen", async (page, { gpu }) => {
    const screen = gpu.createImage(62, Format.B8G8R8X8, 200, 100);
    gpu.show(0, screen);
    const glass = page.locator(".glass");
    const canvas = page.getByRole("img", { name: "Scanout 0" });
    await canvas.waitFor();
    // All that fits: as wide as the page is, and in its own shape.
    const fitted = (await glass.boundingBox())!;
    expect(fitted.width).toBeGreaterThan(1000);
    expect(fitted.width / fitted.height).toBeCloseTo(2, 1);
    expect((await canvas.boundingBox())!).toEqual(fitted);
    await page.keyboard.press("f");
    await page.getByRole("button", { name: "1:1", pressed: true }).waitFor();
    expect(await glass.boundingBox()).toMatchObject({ width: 200, height: 100 });
    // Marks that are gone are counted, too.
    await page.evaluate(`new MutationObserver((all) => all.forEach(({ addedNodes }) => addedNodes.forEach(
      ({ style: { left, top, width, height } }) => (window.marks ??= []).push([left, top, width, height].join(" ")),
    ))).observe(document.querySelector(".flashes"), { childList: true })`);
    const flushed = async (area: { x: number; y: number; width: number; height: number }): Promise<void> => {
      gpu.present(screen, area);
      const text = `last damage ${area.width}×${area.height} at ${area.x}, ${area.y}`;
      await page.getByText(text).waitFor();
    };
    await flushed({ x: 1, y: 1, width: 2, height: 2 });
    await page.keyboard.press("d");
    await page.getByRole("button", { name: "Damage", pressed: true }).waitFor();
    await flushed({ x: 50, y: 10, width: 100, height: 20 });
    // The picture as a whole may come once more at its beginning.
    const marks = await page.evaluate("window.marks");
    expect(marks).toContain("25% 10% 50% 20%");
    expect(marks).not.toContain("0.5% 1% 1% 2%");
    await page.locator(".flashes i").first().waitFor({ state: "detached" });
    await page.reload();
    await page.getByRole("button", { name: "Damage", pressed: true }).waitFor();
    await page.getByRole("button", { name: "1:1", pressed: true }).waitFor();
    await page.keyboard.press("d");
    await page.keyboard.press("f");
    expect(await page.evaluate("location.hash")).toBe("#screen");
  }));

test("every scanout has a picture, and all of it again after another view was open", () =>
  withPage("screen", async (page, { gpu }) => {
    const wants = [0, 1].map((scanout) => {
      const image = gpu.createImage(63 + scanout, Format.B8G8R8X8, 40 + scanout, 30);
      const want = pattern(image.width, image.height, 10 + scanout);
      image.pixels.set(want);
      gpu.show(scanout, image);
      return want;
    });
    for (const [scanout, want] of wants.entries()) await expectPainted(page, scanout, want);
    expect(await page.locator("figure.scanout").count()).toBe(2);
    await page.keyboard.press("1");
    await page.locator("figure.scanout").first().waitFor({ state: "detached" });
    await page.keyboard.press("7");
    for (const [scanout, want] of wants.entries()) await expectPainted(page, scanout, want);
  }));

test("a pixel tells its colour, the last transfer that wrote there and the last flush that showed it", () =>
  withPage("screen", async (page, { gpu }) => {
    const screen = gpu.createImage(65, Format.B8G8R8X8, 200, 100);
    screen.pixels.fill(0x11_2233);
    // What is shown begins at 20, 10.
    expectOk(gpu.setScanout(0, 65, { x: 20, y: 10, width: 160, height: 80 }));
    gpu.present(screen);
    screen.pixels.fill(0x44_5566);
    gpu.present(screen, { x: 40, y: 30, width: 8, height: 4 });
    // Refused: it makes no pixel.
    gpu.transferToHost2d(65, { x: 40, y: 30, width: 999, height: 4 });
    const canvas = page.getByRole("img", { name: "Scanout 0" });
    await page.locator("figcaption", { hasText: "160×80" }).waitFor();
    // Scanouts of the guest before may take a moment to go, and those that stay are larger then.
    await page.locator("figure.scanout").nth(1).waitFor({ state: "detached" });
    const { width, height } = (await canvas.boundingBox())!;
    const click = (x: number, y: number): Promise<void> =>
      canvas.click({ position: { x: ((x + 0.5) * width) / 160, y: ((y + 0.5) * height) / 80 }, force: true });
    const panel = page.getByRole("complementary", { name: "Pixel" });
    const made = (title: string, what: string) =>
      panel.getByRole("region", { name: title }).filter({ hasText: what }).waitFor();
    await click(27, 23);
    await panel.getByRole("heading", { name: "Pixel 27, 23 of scanout 0" }).waitFor();
    await made("Written last by", "8×4 at 40,30");
    await made("Shown last by", "8×4 at 40,30");
    expect(await panel.textContent()).toContain("#445566");
    expect(await panel.textContent()).toContain("65 at 47, 33");
    // Time goes on though the feed has nothing to tell.
    await panel
      .getByText(/^[1-9]\.\d+ s ago$/)
      .first()
      .waitFor();
    // One farther the picture is older.
    await page.getByRole("region", { name: /^Picture of scanout 0/ }).focus();
    await page.keyboard.press("ArrowRight");
    await panel.getByRole("heading", { name: "Pixel 28, 23 of scanout 0" }).waitFor();
    await made("Written last by", "200×100 at 0,0");
    await made("Shown last by", "200×100 at 0,0");
    expect(await panel.textContent()).toContain("#112233");
    await page.reload();
    await panel.getByRole("heading", { name: "Pixel 28, 23 of scanout 0" }).waitFor();
    await made("Written last by", "200×100 at 0,0");
    await page.keyboard.press("Escape");
    await panel.waitFor({ state: "detached" });
    await page.getByRole("region", { name: /^Picture of scanout 0/ }).press("Enter");
    await panel.getByRole("heading", { name: "Pixel 80, 40 of scanout 0" }).waitFor();
    await panel.getByRole("region", { name: "Written last by" }).getByRole("link").press("Enter");
    await page.locator(".long-list .line", { hasText: "TRANSFER_TO_HOST_2D" }).waitFor();
    expect(await page.locator(".long-list .line").count()).toBe(1);
  }));

test("the cursor lies over the picture where sinks draw it, with its image, until it is hidden", () =>
  withPage("screen", async (page, { gpu }) => {
    const screen = gpu.createImage(66, Format.B8G8R8X8, 200, 100);
    screen.pixels.fill(0x10_1010);
    gpu.show(0, screen);
    const arrow = gpu.createImage(67, Format.B8G8R8A8, 64, 64);
    arrow.pixels[3 * 64 + 2] = 0xff_00ff80;
    expectOk(gpu.transferToHost2d(67, areaOf(arrow)));
    expectOk(gpu.updateCursor({ scanoutId: 0, x: 30, y: 40 }, 67, 1, 2));
    const caption = page.locator("figcaption");
    await caption.filter({ hasText: "cursor at 30, 40, hot spot 1, 2" }).waitFor();
    const cursor = page.getByRole("img", { name: "Cursor of scanout 0" });
    const pixel = (x: number, y: number): Promise<number[]> =>
      page.evaluate(
        `[...document.querySelector("canvas.cursor").getContext("2d").getImageData(${x}, ${y}, 1, 1).data]`,
      );
    expect(await pixel(2, 3)).toEqual([0, 255, 128, 255]);
    expect((await pixel(3, 3))[3]).toBe(0);
    const placed = async (): Promise<number[]> => {
      const [own, whole] = [(await cursor.boundingBox())!, (await page.locator(".glass").boundingBox())!];
      const scale = whole.width / 200;
      return [(own.x - whole.x) / scale, (own.y - whole.y) / scale, own.width / scale].map(Math.round);
    };
    expect(await placed()).toEqual([30, 40, 64]);
    expectOk(gpu.moveCursor({ scanoutId: 0, x: 100, y: 20 }));
    await caption.filter({ hasText: "cursor at 100, 20" }).waitFor();
    expect(await placed()).toEqual([100, 20, 64]);
    // A page that comes later sees it, too.
    await page.reload();
    await caption.filter({ hasText: "cursor at 100, 20" }).waitFor();
    expectOk(gpu.updateCursor({ scanoutId: 0, x: 0, y: 0 }, 0));
    await cursor.waitFor({ state: "detached" });
  }));

test("outputs are one line that can be typed anew; what cannot be is said, and Escape takes it back", async () => {
  const page = await plugged.open("screen");
  const field = page.getByRole("textbox", { name: "Outputs" });
  const valueIs = async (text: string): Promise<void> => {
    const deadline = performance.now() + driverPatienceMs;
    for (let value = ""; value !== text; value = await field.inputValue()) {
      if (performance.now() > deadline) throw new Error(`the field has ${value}, not ${text}`);
      await Bun.sleep(20);
    }
  };
  await valueIs("800x600,off");
  await field.fill("1=640x480");
  await field.press("Enter");
  await valueIs("800x600,640x480");
  expect(await plugged.control().control({ command: "outputs" })).toMatchObject({
    outputs: [{ isOn: true }, { isOn: true, x: 800, width: 640, height: 480 }],
  });
  await field.fill("800x600,640x480,32x32");
  await field.press("Enter");
  await page.getByRole("alert").filter({ hasText: "--scanouts 3 has output 2" }).waitFor();
  // Keys of the view are letters here.
  expect(await page.getByRole("button", { name: "Damage", pressed: true }).count()).toBe(0);
  await field.press("Escape");
  await valueIs("800x600,640x480");
  expect(await page.getByRole("alert").count()).toBe(0);
  // What others do is told, too.
  await plugged.control().control({ command: "outputs-set", outputs: "0=off" });
  await valueIs("off,640x480");
});

test("outputs that the VMM says are told, and cannot be typed", () =>
  withPage("screen", async (page, { gpu }) => {
    gpu.getDisplayInfo();
    const field = page.getByRole("textbox", { name: "Outputs" });
    await field.waitFor();
    expect(await field.isEditable()).toBe(false);
    expect(await field.inputValue()).toMatch(/^\d+x\d+/);
  }));
