// A resource's picture in a real browser: small, large, and pixel by pixel, of 2D and of 3D resources.

import { expect, test } from "bun:test";
import type { Page } from "playwright-core";
import * as virgl from "../../lab/driver/virgl/index.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { clearTo, makeContext, makeTexture, rectangleBox } from "../device/3d-support.ts";
import { expectOk } from "../device/support.ts";
import { pageTests } from "./support.ts";

const { withPage, control } = pageTests("--renderer=virgl");

/** Waits until a canvas has a colour, 0xRRGGBB, at a pixel. */
async function painted(page: Page, name: string, x: number, y: number, colour: number): Promise<void> {
  const look = (): Promise<number> =>
    page.evaluate(`(() => {
      const canvas = document.querySelector('canvas[aria-label="${name}"]');
      if (canvas === null) return -1;
      const [red, green, blue] = canvas.getContext("2d").getImageData(${x}, ${y}, 1, 1).data;
      return (red << 16) | (green << 8) | blue;
    })()`);
  let found = await look();
  for (let attempt = 0; attempt < 200 && found !== colour; attempt++) {
    await Bun.sleep(50);
    found = await look();
  }
  expect(found).toBe(colour);
}

test("a 2D resource has a thumbnail and a full view, whose pixels tell who wrote them", () =>
  withPage("resources", async (page, { gpu }) => {
    const image = gpu.createImage(91, Format.B8G8R8X8, 40, 20);
    image.pixels.fill(0x33_6699);
    image.pixels[5 * 40 + 7] = 0xff_cc00;
    expectOk(gpu.transferToHost2d(91, { x: 0, y: 0, width: 40, height: 20 }));
    await page.locator(".line.resource", { hasText: "91" }).click();
    await painted(page, "Thumbnail", 7, 5, 0xff_cc00);
    await painted(page, "Thumbnail", 8, 5, 0x33_6699);
    await page.keyboard.press("v");
    await painted(page, "Resource 91", 7, 5, 0xff_cc00);
    const canvas = page.getByRole("img", { name: "Resource 91" });
    const { width, height } = (await canvas.boundingBox())!;
    await canvas.click({ position: { x: (7.5 * width) / 40, y: (5.5 * height) / 20 }, force: true });
    const panel = page.getByRole("complementary", { name: "Pixel" });
    await panel.getByRole("heading", { name: "Pixel 7, 5 of resource 91" }).waitFor();
    await panel.filter({ hasText: "#ffcc00" }).waitFor();
    const writer = panel.getByRole("region", { name: "Written last by" });
    await writer.filter({ hasText: "TRANSFER_TO_HOST_2D" }).filter({ hasText: "40×20 at 0,0" }).waitFor();
    await page.getByRole("region", { name: /^Picture of resource 91/ }).press("ArrowRight");
    await panel.filter({ hasText: "Pixel 8, 5" }).filter({ hasText: "#336699" }).waitFor();
    // What is drawn then is there without a key.
    image.pixels.fill(0x00_ff00);
    expectOk(gpu.transferToHost2d(91, { x: 0, y: 0, width: 40, height: 20 }));
    await panel.filter({ hasText: "#00ff00" }).waitFor();
    await page.reload();
    await panel.filter({ hasText: "Pixel 8, 5" }).filter({ hasText: "#00ff00" }).waitFor();
    for (const gone of [panel, canvas]) {
      await page.keyboard.press("Escape");
      await gone.waitFor({ state: "detached" });
    }
    await page.locator(".line.resource", { hasText: "91" }).waitFor();
  }));

test("a 3D resource is looked at where it is, which costs the guest nothing of its budget", () =>
  withPage("resources?res=92", async (page, guest) => {
    makeContext(guest, 5);
    const texture = makeTexture(guest, 92, 64, 32, {}, [5]);
    const stream = new virgl.CommandStream();
    clearTo(stream, texture, [255, 0, 0, 255]);
    const box = rectangleBox(10, 4, 2, 1);
    virgl.resourceInlineWrite(stream, { resourceId: 92, box, stride: 8 }, new Uint8Array(8).fill(0x80));
    expectOk(guest.gpu.submit3d(5, stream.bytes));
    const taken = async (): Promise<number> => {
      const { actors } = (await control().control({ command: "status" })) as unknown as {
        actors: Record<string, { counters: Record<string, number> }>;
      };
      return actors["ctrl-queue"]!.counters["storageBytes"]!;
    };
    const before = await taken();
    await painted(page, "Thumbnail", 11, 4, 0x80_8080);
    await painted(page, "Thumbnail", 12, 4, 0xff_0000);
    expect(await taken()).toBe(before);
  }));

test("what is no picture, or not there, says so", () =>
  withPage("resources", async (page, guest) => {
    const buffer = { resourceId: 93, target: virgl.Target.BUFFER, format: virgl.VirglFormat.R8_UNORM };
    expectOk(guest.gpu.createResource3d({ ...buffer, bind: virgl.Bind.VERTEX_BUFFER, width: 64, height: 1 }));
    await page.locator(".line.resource", { hasText: "93" }).click();
    await page.getByText("No picture: it is no picture that a display could show.").waitFor();
    const [status, { error }] = await page.evaluate<[number, { error: string }]>(
      `fetch("/api/picture?res=4040").then(async (answer) => [answer.status, await answer.json()])`,
    );
    expect([status, error]).toEqual([404, "there is no resource 4040"]);
  }));
