// Break and step in Chromium: the guest waits where the filter says, the page tells for what, and lets it go on, be it by dying.

import { expect, test } from "bun:test";
import type { Page } from "playwright-core";
import * as commands from "../../lab/driver/commands.ts";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { Format, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { pageTests } from "./support.ts";

const { withPage, open, control } = pageTests();

const create = (id: number): DataView => commands.createResource2d(id, Format.B8G8R8X8, 16, 16);
const flush = (id: number): DataView => commands.flushResource(id, { x: 0, y: 0, width: 16, height: 16 });

/** Commands on their way; returns the types of the answers so far. */
function submit({ gpu }: SyntheticGuest, ...requests: DataView[]): () => number[] {
  const sent = requests.map((request) => gpu.control.submit(request));
  return () => {
    gpu.control.collect();
    return sent.filter(({ done }) => done).map(({ result }) => result.type);
  };
}

const state = (page: Page, text: string | RegExp) => page.locator(".pause", { hasText: text });
const plain = (text: string): string => text.replace(/\s+/g, " ").trim();
const next = (page: Page) => page.getByRole("region", { name: "Runs next" });
const touched = async (page: Page): Promise<string[]> =>
  (await page.locator(".touches tr").allInnerTexts()).map(plain);
const ran = async (page: Page): Promise<string[]> =>
  (await page.getByRole("region", { name: "What ran before" }).locator(".what").allInnerTexts()).map(plain);

/** Sets the break that the URL's filter says. */
async function armed(page: Page): Promise<void> {
  await state(page, "nobody has a break").waitFor();
  await page.keyboard.press("b");
  await state(page, "armed").waitFor();
}

const { OK_NODATA, ERR_INVALID_RESOURCE_ID } = Response;

test("a break, steps and going on, by keyboard alone: the page tells every field, what is touched and what ran", () =>
  withPage("", async (page, guest) => {
    const image = guest.gpu.createImage(7, Format.B8G8R8X8, 320, 200);
    guest.gpu.show(0, image);
    await page.locator("nav a", { hasText: "Break" }).waitFor();
    const key = await page.locator("nav a", { hasText: "Break" }).locator("kbd").innerText();
    await page.keyboard.press(key);
    await state(page, "the ctrl queue runs, and nobody has a break").waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("type:flush res:7");
    await page.keyboard.press("Enter");
    await page.keyboard.press("b");
    await state(page, 'armed the ctrl queue runs until "type:flush res:7"').waitFor();

    const answers = submit(
      guest,
      commands.transferToHost2d(7, areaOf(image), 0),
      commands.flushResource(7, { x: 1, y: 2, width: 3, height: 4 }),
      flush(99),
      create(8),
    );
    await state(
      page,
      /before ctrl-queue:\d+; 2 commands wait behind: "type:flush res:7" holds for it/,
    ).waitFor();
    expect(plain(await next(page).innerText())).toMatch(
      /^Runs next RESOURCE_FLUSH ctrl-queue:\d+ 48 bytes contextId 0 x 1 y 2 width 3 height 4 resourceId 7$/,
    );
    expect(await touched(page)).toEqual([
      "resource 7 cpu2d.backed 320×200 B8G8R8X8 is shown as it is now",
      "scanout 0 on resource 7 shows it",
    ]);
    // The list comes behind the stop.
    while ((await ran(page)).length === 0) await page.waitForTimeout(20);
    expect((await ran(page))[0]).toBe("TRANSFER_TO_HOST_2D 320×200 at 0,0");
    expect(answers()).toEqual([OK_NODATA]);

    await page.keyboard.press("s");
    await next(page).getByText("99").waitFor();
    await state(page, "1 command waits behind: after a step").waitFor();
    expect(await touched(page)).toEqual(["resource 99 absent is shown as it is now"]);
    // What ran before the stop is in the list until the page is told of the step.
    while ((await ran(page)).length !== 1) await page.waitForTimeout(20);
    expect(await ran(page)).toEqual(["RESOURCE_FLUSH 3×4 at 1,2"]);
    await page.keyboard.press("s");
    await next(page).getByText("RESOURCE_CREATE_2D").waitFor();
    await page.locator(".picks .bad", { hasText: "ERR_INVALID_RESOURCE_ID" }).waitFor();
    expect(answers()).toEqual([OK_NODATA, OK_NODATA, ERR_INVALID_RESOURCE_ID]);

    await page.keyboard.press("c");
    await state(page, "armed").waitFor();
    guest.gpu.control.waitAll();
    expect(answers()).toHaveLength(4);
    await page.keyboard.press("b");
    await state(page, "nobody has a break").waitFor();
  }));

test("a page that is killed in mid-break lets the guest go on", () =>
  withPage("break", async (page, guest) => {
    const doomed = await open("break?filter=type:create");
    await armed(doomed);
    const answers = submit(guest, create(8));
    await state(page, "paused for").waitFor();
    expect(answers()).toEqual([]);
    const session = await doomed.context().newCDPSession(doomed);
    // The process of the page dies, and says goodbye to nobody.
    const crashed = doomed.waitForEvent("crash");
    void session.send("Page.crash").catch(() => undefined);
    await crashed;
    await state(page, "nobody has a break").waitFor();
    guest.gpu.control.waitAll();
    expect(answers()).toEqual([OK_NODATA]);
  }));

test("an error stops behind the command that earned it, which opens to all that is known of it", () =>
  withPage("break?filter=errors", async (page, guest) => {
    await armed(page);
    const answers = submit(guest, flush(99), create(8));
    await state(page, "RESOURCE_FLUSH, which was answered ERR_INVALID_RESOURCE_ID").waitFor();
    const why = page.getByRole("region", { name: "Why it stopped" });
    expect(plain(await why.locator(".what").innerText())).toBe("RESOURCE_FLUSH ERR_INVALID_RESOURCE_ID");
    await why.getByRole("button").press("Enter");
    expect(plain(await page.locator("aside dl.facts").first().innerText())).toContain("resourceId 99");
    expect(await touched(page)).toEqual(["resource 8 absent is made"]);
    await page.keyboard.press("Escape");
    expect(await page.locator("aside").count()).toBe(0);
    await page.getByRole("button", { name: "Continue" }).click();
    guest.gpu.control.waitAll();
    expect(answers()).toEqual([ERR_INVALID_RESOURCE_ID, OK_NODATA]);
  }));

test("a break lasts while another view is looked at, which says so, and shows what will be touched", () =>
  withPage("break?filter=type:flush", async (page, guest) => {
    guest.gpu.createImage(7, Format.B8G8R8X8, 16, 16);
    await armed(page);
    const answers = submit(guest, flush(7));
    await page.locator(".touches a", { hasText: "resource 7" }).press("Enter");
    await page.locator("aside h2", { hasText: "Resource 7" }).waitFor();
    const tag = page.locator("header .tag", { hasText: "paused" });
    await tag.waitFor();
    expect(answers()).toEqual([]);
    await tag.press("Enter");
    await state(page, "paused for").waitFor();
    await page.keyboard.press("c");
    await tag.waitFor({ state: "detached" });
    guest.gpu.control.waitAll();
    expect(answers()).toEqual([OK_NODATA]);
  }));

test("a filter that makes no sense sets nothing, and a step of a queue that runs is refused", () =>
  withPage("break?filter=fast:yes", async (page, guest) => {
    await state(page, "nobody has a break").waitFor();
    await page.keyboard.press("b");
    await page.getByRole("alert").filter({ hasText: "fast:yes: want ctx:N" }).waitFor();
    await page.getByRole("button", { name: "Break", pressed: false }).waitFor();
    await page.keyboard.press("s");
    await page.getByRole("alert").filter({ hasText: "it has to be paused by a break first" }).waitFor();
    expect(submit(guest, create(8))).toBeDefined();
    guest.gpu.control.waitAll();
  }));

test("what guests name is text, and two pages see one pause", () =>
  withPage("break?filter=type:ctx_destroy", async (page, guest) => {
    const other = await open("break");
    guest.gpu.createContext(5, "<img src=x onerror=alert(1)>");
    await armed(page);
    guest.gpu.control.submit(commands.request(0x0201, 24, { contextId: 5 }));
    for (const one of [page, other]) {
      await state(one, '"type:ctx_destroy" holds for it').waitFor();
      expect(plain(await next(one).innerText())).toContain("CTX_DESTROY");
      expect(await one.locator("img, #page script").count()).toBe(0);
    }
    // Whoever looks may let it go on.
    await other.keyboard.press("c");
    await state(page, "armed").waitFor();
    guest.gpu.control.waitAll();
  }));

test("an inspector that crashes takes the break along, which the page says", () =>
  withPage("break?filter=type:create", async (page, guest) => {
    await armed(page);
    const answers = submit(guest, create(8));
    await state(page, "paused for").waitFor();
    expect(await control().control({ command: "kill", actor: "inspector" })).toEqual({ ok: true });
    guest.gpu.control.waitAll();
    expect(answers()).toEqual([OK_NODATA]);
    await page.locator(".connection.open").waitFor();
    await state(page, "nobody has a break").waitFor();
    expect(await page.getByRole("alert").innerText()).toBe("the connection was lost, and the break with it");
  }));
