// The page's trace, in Chromium: made while it is wanted, saved as a file that Perfetto's trace_processor reads.

import { expect, test } from "bun:test";
import type { Page } from "playwright-core";
import type { TraceProcessor } from "../../lab/perfetto/trace-processor.ts";
import { expectSound, openTrace } from "../support/trace.ts";
import { pageTests } from "./support.ts";

const { withPage, control } = pageTests();

const named = (trace: TraceProcessor, name: string): number =>
  trace.query(`SELECT 1 FROM slice WHERE name = '${name}'`).length;

/** The bytes that the button says the trace has so far. */
const traced = (page: Page): Promise<string> => page.locator("button.trace").innerText();

/** Waits until the trace has grown twice: what was there before is in it then. */
async function untilGrown(page: Page, make: () => void): Promise<void> {
  for (let grown = 0, last = await traced(page); grown < 2;) {
    make();
    const now = await traced(page);
    if (now !== last) grown++;
    last = now;
  }
}

test("a button begins a trace and saves it, and so does a key", () =>
  withPage("actors", async (page, { gpu }) => {
    const button = page.locator("button.trace");
    await button.click();
    await button.filter({ hasText: "Stop" }).waitFor();
    gpu.createResource2d(70, 1, 4, 4);
    await untilGrown(page, () => gpu.unrefResource(71));
    const [download] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("w")]);
    expect(download.suggestedFilename()).toBe("fencepost.pftrace");
    const trace = await openTrace(await download.path());
    expectSound(trace);
    expect(named(trace, "RESOURCE_CREATE_2D")).toBe(1);
    await button.filter({ hasText: "Trace" }).waitFor();
  }));

test("what there is of a trace is saved when the inspector goes", () =>
  withPage("actors", async (page, { gpu }) => {
    await page.keyboard.press("w");
    await page.locator("button.trace", { hasText: "Stop" }).waitFor();
    gpu.createResource2d(70, 1, 4, 4);
    await untilGrown(page, () => gpu.unrefResource(71));
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      control().control({ command: "kill", actor: "inspector" }),
    ]);
    expect(named(await openTrace(await download.path()), "RESOURCE_CREATE_2D")).toBe(1);
  }));
