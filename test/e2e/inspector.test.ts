// The inspector's page while a real guest boots, draws with GL and makes mistakes: all that is asked is answered by the page.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { Locator, Page } from "playwright-core";
import { logsPath } from "../../lab/qemu/cache.ts";
import type { Image } from "../../lab/qemu/image.ts";
import { QemuGuest } from "../../lab/qemu/qemu-guest.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { browserTests, urlIn } from "../browser/browser-tests.ts";
import { cubeFault } from "./support/cube.ts";
import { startCube, stopCube } from "./support/gl.ts";
import { whereGuestsAre } from "./support/guests.ts";
import { pagePicture } from "./support/page.ts";
import { endServed } from "./support/served-guest.ts";

const kernel = "6.12";
const bootTimeoutMs = 120_000;
const testTimeoutMs = 300_000;
/** Programs of the guest take their time where the CPU is emulated, and a leak is one after ten seconds. */
const patienceMs = 60_000;

whereGuestsAre(() => describe(`the page of Linux ${kernel} with Mesa`, guestTests));

function guestTests(): void {
  const browser = browserTests();
  let server: ServerProcess;
  let guest: QemuGuest;
  let page: Page;
  const logDirectory = join(logsPath, `${kernel}-inspector`);

  beforeAll(async () => {
    server = await ServerProcess.start({ args: ["--renderer", "virgl", "--inspect"] });
    page = await browser.open(urlIn(server.log()), "commands");
    page.setDefaultTimeout(patienceMs);
    const gpu = { kind: "vhost-user", socketPath: server.socketPath, outputs: 1 } as const;
    guest = await QemuGuest.boot({ kernel, root: "debian", gpu }, logDirectory);
  }, bootTimeoutMs);

  afterAll(async () => {
    await browser.close();
    // The renderer may still be busy with what was stuck.
    await endServed({ guest, server }, logDirectory);
  }, bootTimeoutMs);

  const inPage = (name: string, body: () => Promise<void>): void =>
    test(
      name,
      async () => {
        await body();
        browser.expectNoComplaint();
      },
      testTimeoutMs,
    );
  const start = (program: string): Promise<string[]> =>
    guest.run(`sh /run/fencepost/${program} >/tmp/${program}.log 2>&1 &`);
  const view = (hash: string): Promise<unknown> => page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  const lines = () => page.locator(".long-list .line");
  const panel = () => page.locator("aside.side");
  const chooseStream = async (line: Locator): Promise<void> => {
    const heading = panel().getByRole("heading", { name: "SUBMIT_3D" });
    // A list that is drawn anew under the pointer takes no click.
    do {
      await line.click();
      await Bun.sleep(200);
    } while (!(await heading.isVisible()));
  };

  inPage("the log tells the boot, from the driver's first questions to the console's picture", async () => {
    // A line's cells have nothing between them.
    const told = async (filter: string, line: RegExp): Promise<void> => {
      await view(`commands?filter=${filter}`);
      await lines().filter({ hasText: line }).first().waitFor();
    };
    await told("type:get_display_info", /ctrl\d+GET_DISPLAY_INFOOK_DISPLAY_INFO/);
    await told("type:get_capset_info", /GET_CAPSET_INFO.*OK_CAPSET_INFO/);
    await told("type:get_edid", /GET_EDID.*OK_EDID/);
    await told("type:create_2d", /RESOURCE_CREATE_2D\d+1280×800 B8G8R8X8OK_NODATA/);
    await told("type:set_scanout+scanout:0", /SET_SCANOUT\d+1280×800 at 0,0.*OK_NODATA/);
    await told("type:flush", /RESOURCE_FLUSH\d+\d+×\d+ at \d+,\d+OK_NODATA/);
    await view("screen");
    await page.locator("figcaption", { hasText: "1280×800" }).waitFor();
  });

  inPage("a GL program is seen by its name: its streams, its fences, and the cube that turns", async () => {
    await startCube(guest);
    await view("screen");
    const first = await cube(page);
    await cube(page, first);
    await view("timeline");
    const lane = page.locator("canvas.timeline li");
    await lane.filter({ hasText: /^context \d+ \(kmscube\): \d+/ }).waitFor({ state: "attached" });
    for (const id of ["ctrl-queue", "display", "sink vmm"]) {
      await lane.filter({ hasText: new RegExp(`^${id}: [1-9]`) }).waitFor({ state: "attached" });
    }
    await stopCube(guest);
    await view("commands?filter=type:submit+fenced");
    await chooseStream(lines().filter({ hasText: "(kmscube)" }).first());
    expect(await panel().innerText()).toMatch(/wait for fence \d+[^]*kmscube/);
  });

  inPage("a client whose stream is refused is found by the log", async () => {
    await start("refused-stream");
    await view("commands?filter=errors");
    await page.locator(".count", { hasText: /^1 commands/ }).waitFor();
    await chooseStream(lines().filter({ hasText: /SUBMIT_3D.*ERR_INVALID_PARAMETER/ }));
    const text = await panel().innerText();
    expect(text).toContain("refused-stream");
    expect(text).toMatch(/context \d+ created FAULT →\s+lost/);
  });

  inPage("a client that leaks is found among the resources", async () => {
    await start("leaking-client");
    await view("resources?filter=marked");
    await lines().nth(20).waitFor();
    const all = await lines().allInnerTexts();
    expect(all.filter((text) => !/leaking-client/.test(text))).toEqual([]);
    await lines().first().click();
    await panel().getByText("one of 64 alike").waitFor();
    await panel().getByText("RESOURCE_CREATE_3D").waitFor();
    expect(await panel().innerText()).toMatch(/256×256 R8G8B8A8[^]*\(leaking-client\)/);
  });

  inPage("a fence that is stuck is found by its tile, and leads to its command and process", async () => {
    await view("latency");
    await start("stuck-fence");
    const tile = page.getByRole("region", { name: "fences" });
    await tile.getByText(/^fence \d+ of context \d+ \(stuck-fence\) for \d.* s: SUBMIT_3D$/).waitFor();
    await tile.getByRole("link", { name: "SUBMIT_3D" }).press("Enter");
    await panel().getByRole("heading", { name: "SUBMIT_3D" }).waitFor();
    expect(await panel().innerText()).toMatch(/no answer yet[^]*stuck-fence/);
  });
}

/** The picture of the cube on the page, once there is one; other than `before`. */
async function cube(page: Page, before?: Image): Promise<Image> {
  let fault: string | null = "no picture";
  for (const deadline = performance.now() + patienceMs; performance.now() < deadline; await Bun.sleep(200)) {
    const image = await pagePicture(page);
    fault = image === null ? "no picture" : cubeFault(image);
    if (fault !== null) continue;
    if (before === undefined || !Bun.deepEquals(image!.pixels, before.pixels)) return image!;
    fault = "it does not turn";
  }
  throw new Error(`the page shows no cube: ${fault}`);
}
