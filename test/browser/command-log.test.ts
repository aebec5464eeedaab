// The command log in Chromium: what the guest did, in its order, as one field filters it, and every field of one command.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { pageTests } from "./support.ts";

const { withPage, open } = pageTests();

const lines = async (page: Page): Promise<string[]> =>
  (await page.locator(".long-list .line").allInnerTexts()).map((text) => text.replace(/\s+/g, " "));

const line = (page: Page, text: string | RegExp) => page.locator(".long-list .line", { hasText: text });

test("each command is a line with its ids, sizes, answer and time", () =>
  withPage("commands", async (page, { gpu }) => {
    gpu.show(0, gpu.createImage(77, Format.B8G8R8X8, 320, 200));
    gpu.flushResource(4242, { x: 1, y: 2, width: 3, height: 4 });
    await line(page, "ERR_INVALID_RESOURCE_ID").waitFor();
    const all = await lines(page);
    expect(
      all.map((text) => text.replace(/^[\d:.]+ ctrl \d+ /, "").replace(/ [\d.]+ (?:ns|µs|ms)$/, "")),
    ).toEqual([
      "RESOURCE_CREATE_2D 77 320×200 B8G8R8X8 OK_NODATA",
      expect.stringMatching(
        /^RESOURCE_ATTACH_BACKING 77 entryCount=1 address0=\d+ length0=256000 OK_NODATA$/,
      ),
      "SET_SCANOUT 77 320×200 at 0,0 OK_NODATA",
      "TRANSFER_TO_HOST_2D 77 320×200 at 0,0 OK_NODATA",
      "RESOURCE_FLUSH 77 320×200 at 0,0 OK_NODATA",
      "RESOURCE_FLUSH 4242 3×4 at 1,2 ERR_INVALID_RESOURCE_ID",
    ]);
    expect(await page.locator(".line.bad .c-type").allInnerTexts()).toEqual(["RESOURCE_FLUSH"]);
  }));

test("a line opens to every field, state and byte, by keyboard alone", () =>
  withPage("commands?filter=res:8", async (page, { gpu }) => {
    gpu.createImage(8, Format.B8G8R8A8, 64, 32);
    await page.locator(".count", { hasText: /^2 commands/ }).waitFor();
    await page.locator(".long-list").focus();
    await page.keyboard.press("End");
    await page.keyboard.press("ArrowUp");
    const side = page.locator("aside");
    expect(await side.locator("header h2").innerText()).toBe("RESOURCE_CREATE_2D");
    const facts = (await side.locator("dl.facts").allInnerTexts()).join("\n").replace(/\n+/g, " ");
    expect(facts).toContain("resourceId 8 format B8G8R8A8 width 64 height 32");
    expect(await side.locator(".moves").innerText()).toMatch(/resource 8\s+absent CREATE_2D →\s+cpu2d\.bare/);
    // VIRTIO_GPU_CMD_RESOURCE_CREATE_2D is 0x0101.
    expect(await side.locator(".hex").innerText()).toStartWith("00  01 01 00 00");
    await side.getByRole("link", { name: "8", exact: true }).press("Enter");
    expect(await page.evaluate("location.hash")).toBe("#commands?filter=res%3A8");
    await page.keyboard.press("Escape");
    expect(await side.count()).toBe(0);
  }));

test("what is typed stays, whatever the page draws meanwhile", () =>
  withPage("commands", async (page) => {
    await page.evaluate(`{
      const field = document.querySelector("[data-filter]");
      field.focus();
      field.value = "res:41";
      field.dispatchEvent(new Event("input", { bubbles: true }));
      [...document.querySelectorAll(".tools button")].find(({ title }) => title === "p").click();
    }`);
    await page.getByRole("button", { name: "Paused" }).waitFor();
    await page.waitForURL(/#commands\?filter=res%3A41$/);
    const field = page.locator("[data-filter]");
    expect(await field.inputValue()).toBe("res:41");
    // A link is another filter, which is shown in it.
    await page.goto(`${new URL(page.url()).origin}/#commands?filter=res%3A42`);
    while ((await field.inputValue()) !== "res:42") await page.waitForTimeout(20);
  }));

test("the filter is the server's: it finds what was before, follows what comes, and says what makes no sense", () =>
  withPage("commands", async (page, { gpu }) => {
    gpu.createImage(5, Format.B8G8R8X8, 16, 16);
    gpu.createImage(6, Format.B8G8R8X8, 16, 16);
    await page.keyboard.press("/");
    await page.keyboard.type("res:6 type:create");
    await page.locator(".count", { hasText: /^1 commands/ }).waitFor();
    gpu.unrefResource(6);
    gpu.createImage(6, Format.B8G8R8X8, 24, 24);
    await line(page, "24×24").waitFor();
    expect((await lines(page)).map((text) => /\d+×\d+/.exec(text)?.[0])).toEqual(["16×16", "24×24"]);
    expect(await page.evaluate("location.hash")).toBe("#commands?filter=res%3A6+type%3Acreate");

    const other = await open("commands?filter=res:5");
    await other.locator(".count", { hasText: /^\d+ commands/ }).waitFor();
    expect((await other.locator(".c-resource").allInnerTexts()).slice(1).every((text) => text === "5")).toBe(
      true,
    );
    await page.locator("[data-filter]").fill("fast:yes");
    expect(await page.getByRole("alert").innerText()).toContain("fast:yes: want ctx:N or ctx:NAME, res:N");
  }));

test("a pause holds the list still, and what it shows is exported as JSON lines", () =>
  withPage("commands?filter=res:900", async (page, { gpu }) => {
    const screen = gpu.createImage(900, Format.B8G8R8X8, 16, 16);
    await page.locator(".count", { hasText: /^2 commands/ }).waitFor();
    await page.keyboard.press("p");
    for (let times = 0; times < 3; times++) gpu.transferToHost2d(900, areaOf(screen));
    await page.locator(".count", { hasText: "2 commands, 3 since the pause" }).waitFor();
    const [download] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("e")]);
    const exported = readFileSync(await download.path(), "utf8")
      .trimEnd()
      .split("\n");
    expect(exported.map((text) => JSON.parse(text) as object)).toMatchObject([
      { type: "RESOURCE_CREATE_2D", fields: { resourceId: 900, width: 16 }, response: "OK_NODATA" },
      { type: "RESOURCE_ATTACH_BACKING", request: expect.stringMatching(/^06010000/) },
    ]);
    await page.keyboard.press("p");
    await page.locator(".count", { hasText: /^5 commands$/ }).waitFor();
  }));

test("a long log keeps to the rows that are seen, and stays where somebody reads", () =>
  withPage("commands?filter=res:31", async (page, { gpu }) => {
    const screen = gpu.createImage(31, Format.B8G8R8X8, 16, 16);
    for (let times = 0; times < 400; times++) {
      gpu.transferToHost2d(31, areaOf(screen));
      // A tap that nobody empties in time drops what comes.
      if (times % 50 === 0) await page.waitForTimeout(100);
    }
    await page.locator(".count", { hasText: /^402 commands/ }).waitFor();
    expect(await page.locator(".long-list .row").count()).toBeLessThan(60);
    await page.locator(".long-list").evaluate((list) => (list.scrollTop = 0));
    await line(page, "RESOURCE_CREATE_2D").first().waitFor();
    const before = (await lines(page))[0];
    for (let times = 0; times < 50; times++) gpu.transferToHost2d(31, areaOf(screen));
    await page.waitForTimeout(200);
    // All but the clock, which is set by the batch that came quickest.
    const withoutTime = (line: string | undefined): string => line!.replace(/^\S+/, "");
    expect(withoutTime((await lines(page))[0])).toBe(withoutTime(before));
  }));

test("a list that is scrolled while its history comes anew shows that, whole and in its order", () =>
  withPage("commands?filter=res:90", async (page, { gpu }) => {
    const image = gpu.createImage(90, Format.B8G8R8X8, 16, 16);
    for (let times = 0; times < 58; times++) gpu.transferToHost2d(90, areaOf(image));
    await page.locator(".count", { hasText: /^60 commands/ }).waitFor();
    await page.keyboard.press("p");
    await page.getByRole("button", { name: "Paused" }).waitFor();
    // At once, so that no answer can come between the two.
    await page.evaluate(`(() => {
      document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "p", bubbles: true }));
      document.querySelector(".long-list").scrollTop = 0;
    })()`);
    await page.locator(".long-list .line", { hasText: "RESOURCE_CREATE_2D" }).waitFor();
    const numbers = (await page.locator(".long-list .c-number").allInnerTexts()).map(Number);
    expect(numbers.length).toBeGreaterThan(20);
    expect(numbers).toEqual(numbers.map((_, index) => numbers[0]! + index));
  }));
