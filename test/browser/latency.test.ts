// Latencies in Chromium, against what the guest sent and what the API says.

import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { defaultRegions } from "../../lab/driver/guest-memory.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import type { LatencyRecord } from "../../src/actors/inspector/feed.ts";
import { bytes, duration } from "../../src/actors/inspector/page/words.ts";
import { pageTests } from "./support.ts";

const { withPage, control } = pageTests();

test("each type has its count, errors and quantiles, and a second its commands", () =>
  withPage("latency", async (page, { gpu }) => {
    for (let id = 1; id <= 20; id++) gpu.createResource2d(id, Format.B8G8R8X8, 4, 4);
    for (let times = 0; times < 3; times++) gpu.unrefResource(999);
    const create = page.locator("tr[data-type=RESOURCE_CREATE_2D] td");
    await create.first().waitFor();
    const unrefs = page.locator("tr[data-type=RESOURCE_UNREF] td");
    await unrefs
      .nth(2)
      .and(page.getByText("3", { exact: true }))
      .waitFor();
    const all = await page.evaluate(
      async () => (await (await fetch("/api/latency")).json()) as LatencyRecord[],
    );
    const [one] = all.filter(({ type }) => type === "RESOURCE_CREATE_2D");
    expect(one).toMatchObject({ count: 20, errors: 0, bytes: 20 * 40 });
    const cells = await create.allInnerTexts();
    expect(cells.slice(0, 8)).toEqual([
      ...["ctrl", "RESOURCE_CREATE_2D", "20", "0", "800 B"],
      ...[duration(one!.p50Ns), duration(one!.p99Ns), duration(one!.maxNs)],
    ]);
    expect((await unrefs.allInnerTexts()).slice(2, 4)).toEqual(["3", "3"]);

    // Each of them is in some bar of the histogram.
    const bars = await page
      .locator("tr[data-type=RESOURCE_CREATE_2D] svg.histogram")
      .getAttribute("aria-label");
    const drawn = [...bars!.matchAll(/(\d+) took/g)].map(([, some]) => Number(some));
    expect(drawn.reduce((sum, some) => sum + some, 0)).toBe(20);

    const tile = page.getByRole("region", { name: "ctrl-queue" }).locator("b");
    const rates: number[] = [];
    for (let second = 0; second < 3; second++) {
      for (let times = 0; times < 100; times++) gpu.unrefResource(999);
      await page.waitForTimeout(1_000);
      rates.push(Number(await tile.innerText()));
    }
    // A sample is a second, give or take the batches that it comes with.
    expect(Math.max(...rates)).toBeWithin(50, 210);
    expect(await page.getByRole("region", { name: "fences" }).locator("b").innerText()).toBe("0");
  }));

test("memory, descriptors, wake-ups and interrupts are told as the kernel and the driver count them", () =>
  withPage("latency", async (page, { gpu, control: { ring } }) => {
    const pid = control().pid;
    // Before the first command there is nothing to tell of.
    gpu.unrefResource(999);
    const descriptors = page.getByText(/^[\d,]+ descriptors open$/);
    await descriptors.waitFor();
    const open = parseInt(await descriptors.innerText(), 10);
    expect(Math.abs(open - readdirSync(`/proc/${pid}/fd`).length)).toBeLessThan(8);
    const memory = page.getByRole("region", { name: "memory" });
    const own = Number(/RssAnon:\s*(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))![1]) / 1024;
    const [, mebibytes] = /([\d.]+) MiB/.exec(await memory.locator("b").innerText())!;
    expect(Number(mebibytes)).toBeWithin(own / 2, own * 2);
    const guestBytes = defaultRegions.reduce((sum, { size }) => sum + size, 0);
    await memory.filter({ hasText: `${bytes(guestBytes)} of the guest mapped` }).waitFor();
    // A driver that asks for each interrupt before its answer can be there gets one for each.
    const ctrl = page.getByRole("region", { name: "ctrl-queue" });
    const isOne = ctrl.getByText(/^1\.00 interrupts a command, [1-9]/);
    while ((await isOne.count()) === 0) {
      for (let times = 0; times < 20; times++) {
        ring.enableCall();
        gpu.unrefResource(999);
      }
    }
    const wakeUps = page.getByRole("region", { name: "threads" }).locator("b");
    while (!/[1-9]/.test(await wakeUps.innerText())) gpu.unrefResource(999);
  }));
