// What the page shows of a guest that draws in 3D: fences and who waits for them.

import { expect, test } from "bun:test";
import * as virgl from "../../lab/driver/virgl/index.ts";
import * as commands3d from "../../lab/driver/commands-3d.ts";
import { clearTo, makeContext, makeTexture } from "../device/3d-support.ts";
import { expectOk } from "../device/support.ts";
import { holdThreads } from "../support/held-threads.ts";
import { pageTests } from "./support.ts";

const { withPage, control: server } = pageTests("--renderer=virgl");

test("the timeline tells a command's fence from its run, in the lane of its context too", () =>
  withPage("timeline", async (page, guest) => {
    await page.locator("canvas.timeline").waitFor();
    makeContext(guest, 6);
    // Enough to draw that the renderer is never done when the command is.
    const texture = makeTexture(guest, 51, 1024, 1024, {}, [6]);
    for (let turn = 1; turn <= 4; turn++) {
      const stream = new virgl.CommandStream();
      for (let times = 0; times < 20; times++) clearTo(stream, texture, [turn, 0, 0, 255]);
      expectOk(guest.gpu.submit3d(6, stream.bytes, { fenceId: BigInt(turn) }));
    }
    const lane = page.locator("canvas.timeline li").filter({ hasText: "context 6 (test-6): 4" });
    await lane.waitFor({ state: "attached" });
    await page.keyboard.press("/");
    await page.keyboard.type("fence:3 type:submit");
    await page.keyboard.press("Enter");
    // In the queue's lane, and in the context's.
    await page.getByText("2 found").waitFor();
    // The view follows what comes, and has long moved on.
    await page.waitForTimeout(1000);
    await page.keyboard.press("n");
    const panel = page.locator("aside.side");
    await panel.getByRole("heading", { name: "SUBMIT_3D" }).waitFor();
    expect(await panel.textContent()).toMatch(/run.*wait for fence \d+.*fenceId3/);
    // A link from elsewhere leads to it, too.
    const id = (await panel.locator("p a.mono").textContent())!;
    await page.goto(`${new URL(page.url()).origin}/#resources?res=51`);
    await panel.getByRole("heading", { name: "Resource 51" }).waitFor();
    await page.goto(`${new URL(page.url()).origin}/#commands?filter=id:${id}`);
    await page.locator(".long-list .row").click();
    await panel.getByRole("link", { name: "on the timeline" }).press("Enter");
    await page.locator("canvas.timeline").waitFor();
    await panel.getByRole("heading", { name: "SUBMIT_3D" }).waitFor();
    expect(await panel.locator("p a.mono").textContent()).toBe(id);
  }));

test("a fence that takes long is told with its context and command, also while the renderer holds up the queue", () =>
  withPage("latency", async (page, guest) => {
    const { control } = guest.gpu;
    makeContext(guest);
    const texture = makeTexture(guest, 1, 256, 256);
    const stream = new virgl.CommandStream();
    clearTo(stream, texture, [1, 0, 0, 255]);
    const letGo = holdThreads(server().pid, "llvmpipe-");
    try {
      const slow = control.submit(commands3d.submit3d(1, stream.bytes, { fenceId: 7n }));
      // It waits in the library for what is drawn.
      const box = { x: 0, y: 0, z: 0, width: 1, height: 1, depth: 1 };
      const held = control.submit(commands3d.transferFromHost3d(1, 1, { box }));
      const tile = page.getByRole("region", { name: "fences" });
      await tile.getByText(/^fence \d+ of context 1\b.* for [\d.]+ s: SUBMIT_3D$/).waitFor();
      await tile
        .getByText(/^ctrl-queue answers nothing for [\d.]+ s: in TRANSFER_FROM_HOST_3D of resource 1/)
        .waitFor();
      await tile.getByRole("link", { name: "TRANSFER_FROM_HOST_3D" }).press("Enter");
      const panel = page.locator("aside.side");
      await panel.getByRole("heading", { name: "TRANSFER_FROM_HOST_3D" }).waitFor();
      expect(await panel.textContent()).toContain("no answer yet");
      expect([slow.done, held.done]).toEqual([false, false]);
      letGo();
      expectOk(control.wait(slow));
      expectOk(control.wait(held));
    } finally {
      letGo();
    }
  }));
