// The timeline, the resources and the machines in a real browser: each shows what the guest did, and keys alone will do.

import { expect, test } from "bun:test";
import type { Page } from "playwright-core";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { expectOk } from "../device/support.ts";
import { pageTests } from "./support.ts";

const { withPage } = pageTests();

/** Shows a picture, `flushes` times. */
function draw({ gpu }: SyntheticGuest, id: number, flushes: number): void {
  const screen = gpu.createImage(id, Format.B8G8R8X8, 64, 48);
  gpu.show(0, screen);
  for (let turn = 0; turn < flushes; turn++) {
    screen.pixels.fill(turn);
    gpu.present(screen);
  }
}

const side = (page: Page) => page.locator("aside.side");

test("the timeline finds each flush, and shows the chosen one with every field", () =>
  withPage("timeline", async (page, guest) => {
    await page.locator("canvas.timeline").waitFor();
    draw(guest, 71, 7);
    await page.keyboard.press("/");
    await page.keyboard.type("res:71 flush");
    await page.keyboard.press("Enter");
    // GpuDriver.show flushes once, too.
    await page.getByText("8 found").waitFor();
    await page.keyboard.press("b");
    const panel = side(page);
    await panel.getByRole("heading", { name: "RESOURCE_FLUSH" }).waitFor();
    for (const text of ["resourceId", "71", "64", "48", "OK_NODATA", "run"]) {
      expect(await panel.textContent()).toContain(text);
    }
    const id = panel.locator("p a.mono");
    const first = (await id.textContent())!;
    await page.keyboard.press("b");
    await id.filter({ hasNotText: first }).waitFor();
    await page.keyboard.press("n");
    await id.filter({ hasText: first }).waitFor();
  }));

test("a click on a bar of the timeline chooses it, at every zoom; Escape lets it go", () =>
  withPage("timeline", async (page, guest) => {
    await page.locator("canvas.timeline").waitFor();
    draw(guest, 72, 3);
    await page.keyboard.press("/");
    await page.keyboard.type("type:create res:72");
    await page.keyboard.press("Enter");
    await page.getByText("1 found").waitFor();
    // A page that is paused shows what it showed.
    await page.keyboard.press("p");
    await page.keyboard.press("n");
    await side(page).getByRole("heading", { name: "RESOURCE_CREATE_2D" }).waitFor();
    const id = await side(page).locator("p a.mono").textContent();
    await page.keyboard.press("f");
    await page.keyboard.press("-");
    await page.keyboard.press("Escape");
    await side(page).waitFor({ state: "detached" });
    const box = (await page.locator("canvas.timeline").boundingBox())!;
    const chosen = async (): Promise<string | null> => {
      await page.mouse.click(box.x + middle, box.y + 55);
      return side(page).locator("p a.mono").textContent();
    };
    // The canvas is wider without the panel, and what was fitted is where it was.
    const middle = (box.width - 331) / 2;
    expect(await chosen()).toBe(id);
    await page.keyboard.press("Escape");
    await page.mouse.move(box.x + middle, box.y + 55);
    await page.mouse.wheel(0, -200);
    expect(await chosen()).toBe(id);
  }));

test("the timeline has lanes of queues, the display and its sink, with what each did", () =>
  withPage("timeline", async (page, guest) => {
    await page.locator("canvas.timeline").waitFor();
    draw(guest, 73, 5);
    guest.gpu.moveCursor({ scanoutId: 0, x: 3, y: 4 });
    guest.pump.serve(100);
    const lanes = page.locator("canvas.timeline li");
    const all = async (): Promise<string> => (await lanes.allTextContents()).join(" ");
    const whole = /ctrl-queue: \d+ cursor-queue: 1 display: \d+ sink vmm: \d+/;
    for (let attempt = 0; attempt < 50 && !whole.test(await all()); attempt++) await Bun.sleep(100);
    expect(await all()).toMatch(whole);
  }));

test("resources are sorted, narrowed and chosen by keys, and each tells its history", () =>
  withPage("resources", async (page, { gpu }) => {
    for (const [id, width] of [
      [301, 64],
      [302, 128],
      [303, 32],
    ] as const) {
      expectOk(gpu.createResource2d(id, Format.B8G8R8X8, width, width));
    }
    gpu.createImage(304, Format.B8G8R8X8, 16, 16);
    gpu.flushResource(303, { x: 0, y: 0, width: 999, height: 1 });
    const rows = page.locator(".long-list .row");
    await rows.nth(3).waitFor();
    const ids = (): Promise<string[]> => page.locator(".long-list .r-id").allTextContents();
    expect(await ids()).toEqual(["301", "302", "303", "304"]);
    await page.getByRole("button", { name: "size" }).press("Enter");
    expect(await ids()).toEqual(["302", "301", "303", "304"]);
    await page.keyboard.press("/");
    await page.keyboard.type("res:303");
    await page.keyboard.press("Enter");
    await rows.nth(1).waitFor({ state: "detached" });
    // What is large beyond sense is marked, and a key shows what is.
    expectOk(gpu.createResource2d(305, Format.B8G8R8X8, 8192, 4096));
    await page.getByText("1 oversized").waitFor();
    await page.keyboard.press("m");
    await page.locator(".long-list .r-marks", { hasText: "oversized" }).waitFor();
    expect(await ids()).toEqual(["305"]);
    await page.keyboard.press("/");
    await page.keyboard.type("res:303");
    await page.keyboard.press("Enter");
    await rows.filter({ hasText: "32×32" }).waitFor();
    await page.locator(".long-list").focus();
    await page.keyboard.press("ArrowDown");
    const panel = side(page);
    await panel.getByRole("heading", { name: "Resource 303" }).waitFor();
    await panel.getByRole("listitem").nth(1).waitFor();
    const history = await panel.getByRole("listitem").allTextContents();
    expect(history).toHaveLength(2);
    expect(history[0]).toMatch(/RESOURCE_FLUSH ERR_INVALID_PARAMETER/);
    expect(history[1]).toMatch(/RESOURCE_CREATE_2D 32×32 B8G8R8X8/);
    await panel.getByRole("listitem").nth(0).getByRole("button").press("Enter");
    await panel.getByRole("heading", { name: "RESOURCE_FLUSH" }).waitFor();
  }));

test("machines show who is in which state, how often each way was gone, and which command was refused", () =>
  withPage("machines?machine=resource", async (page, { gpu }) => {
    gpu.createImage(401, Format.B8G8R8X8, 8, 8);
    gpu.flushResource(4040, { x: 0, y: 0, width: 1, height: 1 });
    await page.getByRole("button", { name: "cpu2d.backed, 1 now" }).waitFor();
    const gone = page.locator(".way.gone").filter({ hasText: "create 2d" });
    expect(await gone.locator("title").textContent()).toMatch(/absent → cpu2d.bare: CREATE_2D, \d+ times/);
    const absent = page.getByRole("button", { name: /absent, \d+ refused/ });
    await absent.press("Enter");
    const panel = side(page);
    await panel.getByRole("heading", { name: "absent" }).waitFor();
    expect(await panel.locator("table.counts").last().textContent()).toMatch(
      /RESOURCE_FLUSH in absentERR_INVALID_RESOURCE_ID\d/,
    );
    await panel.getByRole("listitem").first().getByRole("button").press("Enter");
    await panel.getByRole("heading", { name: "RESOURCE_FLUSH" }).waitFor();
    expect(await panel.textContent()).toContain("4040");
  }));

test("arrow keys go through all machines, each with a diagram of its states", () =>
  withPage("machines?machine=device", async (page) => {
    await page.locator(".state.lit").getByText("device").or(page.locator(".state.lit")).first().waitFor();
    for (const [name, state] of [
      ["actor", "running"],
      ["session", ""],
      ["vring", "started+enabled"],
    ] as const) {
      await page.keyboard.press("ArrowDown");
      await page.locator(`svg[aria-label="The ${name} machine"]`).waitFor();
      if (state !== "")
        await page
          .getByRole("button", { name: new RegExp(`^${state.replace("+", ".")}, \\d+ now`) })
          .waitFor();
    }
  }));
