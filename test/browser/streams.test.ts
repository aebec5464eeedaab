// What the page shows of streams: which of them made a pixel, whose they are, and the frame that brought it to the sink.

import { expect, test } from "bun:test";
import type { Page } from "playwright-core";
import * as virgl from "../../lab/driver/virgl/index.ts";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { clearTo, makeTexture, pictureBind, rectangleBox } from "../device/3d-support.ts";
import { expectOk } from "../device/support.ts";
import { pageTests } from "./support.ts";

const { withPage } = pageTests("--renderer=virgl");

const whole = { x: 0, y: 0, width: 160, height: 90 };

/** A picture that context 4 draws, on scanout 0. */
function showPicture(guest: SyntheticGuest, resourceId: number) {
  expectOk(guest.gpu.createContext(4, "kmscube"));
  const bind = pictureBind | virgl.Bind.SCANOUT;
  const picture = makeTexture(guest, resourceId, whole.width, whole.height, { bind }, [4]);
  expectOk(guest.gpu.setScanout(0, resourceId, whole));
  return picture;
}

const panelOf = (page: Page) => page.getByRole("complementary", { name: "Pixel" });

test("a pixel tells the stream that wrote it last, its process, and the frame that brought it to the sink", () =>
  withPage("screen", async (page, guest) => {
    const { gpu } = guest;
    const picture = showPicture(guest, 81);
    const stream = new virgl.CommandStream();
    clearTo(stream, picture, [255, 0, 0, 255]);
    expectOk(gpu.submit3d(4, stream.bytes));
    const patch = new virgl.CommandStream();
    const box = rectangleBox(40, 30, 8, 4);
    virgl.resourceInlineWrite(
      patch,
      { resourceId: 81, box, stride: 32 },
      new Uint8Array(8 * 4 * 4).fill(0x55),
    );
    expectOk(gpu.submit3d(4, patch.bytes));
    expectOk(gpu.flushResource(81, whole));
    const region = page.getByRole("region", { name: /^Picture of scanout 0/ });
    await page.locator("figcaption", { hasText: "160×90" }).waitFor();
    await page.goto(`${new URL(page.url()).origin}/#screen?pixel=0.44.32`);
    const panel = panelOf(page);
    const writer = panel.getByRole("region", { name: "Written last by" });
    await writer.filter({ hasText: "SUBMIT_3D" }).filter({ hasText: "of context 4 (kmscube)" }).waitFor();
    await panel.filter({ hasText: "#555555" }).waitFor();
    const first = await writer.getByRole("link").innerText();
    await panel
      .getByRole("region", { name: "Shown last by" })
      .filter({ hasText: "RESOURCE_FLUSH" })
      .waitFor();
    // The VMM is given the frame whose damage is the flush's, once it takes what came before.
    const drawn = panel.getByRole("region", { name: "Drawn by" }).filter({
      hasText:
        /vmm on scanout 0, a frame of 160×90 at 0, 0.*begun .* after the flush was taken, there .* later/s,
    });
    while ((await drawn.count()) === 0) guest.pump.serve(20);
    // The display knows all of what is flushed once more, and is told nothing.
    const flush = panel.getByRole("region", { name: "Shown last by" }).getByRole("link");
    const flushed = await flush.innerText();
    expectOk(gpu.flushResource(81, whole));
    await flush.filter({ hasNotText: flushed }).waitFor();
    await drawn.filter({ hasNotText: "yet to be drawn" }).waitFor();
    // Beside the patch it is the clear, an older command of the same process.
    await region.focus();
    await page.keyboard.press("Shift+ArrowRight");
    await panel.filter({ hasText: "Pixel 54, 32" }).filter({ hasText: "#ff0000" }).waitFor();
    await writer.filter({ hasText: "of context 4 (kmscube)" }).waitFor();
    expect(await writer.getByRole("link").innerText()).not.toBe(first);
    await writer.getByRole("link").press("Enter");
    const line = page.locator(".long-list .line");
    await line
      .filter({ hasText: "SUBMIT_3D" })
      .filter({ hasText: "4 (kmscube)" })
      .filter({ hasText: "→ 81" })
      .click();
    const written = page.locator("aside.side");
    await written.filter({ hasText: "What its stream may have written" }).waitFor();
    expect(await written.innerText()).toMatch(/resource 81\s+160×90 at 0, 0/);
    expect(await written.innerText()).toContain("4 (kmscube)");
  }));

test("a resource's history has the streams that wrote to it, and a context its name wherever it is told", () =>
  withPage("resources?res=82", async (page, guest) => {
    const picture = showPicture(guest, 82);
    for (let turn = 1; turn <= 3; turn++) {
      const stream = new virgl.CommandStream();
      clearTo(stream, picture, [turn, 0, 0, 255]);
      expectOk(guest.gpu.submit3d(4, stream.bytes, { fenceId: BigInt(turn) }));
    }
    const panel = page.getByRole("complementary", { name: "Resource 82" });
    await panel.locator("li", { hasText: "SUBMIT_3D" }).nth(2).waitFor();
    await panel.filter({ hasText: "4 (kmscube)" }).waitFor();
    await page.locator(".line.resource", { hasText: "4 (kmscube)" }).filter({ hasText: "82" }).waitFor();
    await page.keyboard.press("2");
    const lanes = page.locator("canvas.timeline li");
    await lanes.filter({ hasText: "context 4 (kmscube): 3" }).waitFor({ state: "attached" });
    await page.keyboard.press("5");
    await page.locator(".view-commands [data-filter]").waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("ctx:KMSCUBE res:82 type:submit");
    const lines = page.locator(".long-list .line");
    await page.waitForURL(/submit$/);
    await lines.filter({ hasText: "CTX_CREATE" }).first().waitFor({ state: "detached" });
    await lines.nth(2).waitFor();
    for (const line of await lines.allInnerTexts()) expect(line).toMatch(/SUBMIT_3D.*4 \(kmscube\).*→ 82/s);
  }));

test("the timeline remembers what the display and its sinks did before it was opened", () =>
  withPage("commands", async (page, guest) => {
    showPicture(guest, 83);
    for (let turn = 0; turn < 5; turn++) expectOk(guest.gpu.flushResource(83, whole));
    const shown = async (): Promise<number> => {
      const all = await page.evaluate<{ what: string; resource: number }[]>(
        `fetch("/api/pictures?limit=1000").then((answer) => answer.json())`,
      );
      return all.filter(({ what }) => what === "frame-shown").length;
    };
    while ((await shown()) === 0) guest.pump.serve(20);
    await page.keyboard.press("2");
    const lanes = page.locator("canvas.timeline li");
    await lanes.filter({ hasText: /^display: [1-9]/ }).waitFor({ state: "attached" });
    await lanes.filter({ hasText: /^sink vmm: [1-9]/ }).waitFor({ state: "attached" });
  }));

test("contexts are listed by their names where their machine is, in the state that is chosen", () =>
  withPage("machines?machine=context", async (page, { gpu }) => {
    const now = page.locator("aside.side").getByRole("region", { name: "There now" });
    await now.getByText("None is.").waitFor();
    expectOk(gpu.createContext(6, "kmscube"));
    expectOk(gpu.createContext(7, "<b>weston</b>"));
    await now.getByRole("row").nth(1).waitFor();
    const told = (await now.getByRole("row").allInnerTexts()).map((text) => text.replace(/\s+/g, " ").trim());
    expect(told).toEqual(["6 (kmscube) created 0 resources", "7 (<b>weston</b>) created 0 resources"]);
    await page.getByRole("button", { name: /^lost/ }).press("Enter");
    await now.getByText("None is.").waitFor();
    await page.getByRole("button", { name: "created, 2 now" }).press("Enter");
    await now.getByRole("link", { name: "6 (kmscube)" }).press("Enter");
    await page.locator(".long-list .line", { hasText: "CTX_CREATE" }).waitFor();
    expect(await page.locator(".long-list .line").count()).toBe(1);
  }));
