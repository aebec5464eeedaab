// Makes the pictures of docs/inspector.md and docs/recording.md: the page, while a real guest draws and has its faults, and
// with a recording.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { InspectorPage } from "../lab/browser/inspector-page.ts";
import { logsPath, missingParts } from "../lab/qemu/cache.ts";
import { until } from "../lab/qemu/deadline.ts";
import { QemuGuest } from "../lab/qemu/qemu-guest.ts";
import { ServerProcess } from "../lab/vmm/server-process.ts";
import { readCommandLine, refuse } from "./lib/command-line.ts";
import { takeScrubber } from "./lib/scrubber-picture.ts";

const help = `Boots a guest on a virgl server, has it draw and make mistakes, and writes what the inspector's page shows of that to
docs/images/. Takes two minutes.

Usage: bun scripts/screenshots.ts [options]

  --scrubber        only the one of a recording, which needs no guest
  -h, --help        this text

Exit codes: 0 done, 1 the guest did not come up or the page shows something else, 2 a mistake in the command line.`;

const { values } = readCommandLine(help, { options: { scrubber: { type: "boolean", default: false } } });
const images = join(import.meta.dir, "../docs/images");
mkdirSync(images, { recursive: true });
await takeScrubber(join(images, "scrubber.png"));
if (values.scrubber) process.exit(0);
const missing = missingParts();
if (missing.length > 0) refuse(`${missing.join(", ")} is missing: run ./setup.sh`, 1);

const patienceMs = 120_000;
/** Long enough for a graph to have something in it, and short of what the stuck fence takes. */
const settleMs = 3_000;

const server = await ServerProcess.start({ args: ["--renderer", "virgl", "--inspect"] });
let guest: QemuGuest | null = null;
let inspector: InspectorPage | null = null;
try {
  inspector = await InspectorPage.open(server, "commands");
  inspector.page.setDefaultTimeout(patienceMs);
  const gpu = { kind: "vhost-user", socketPath: server.socketPath, outputs: 1 } as const;
  guest = await QemuGuest.boot({ kernel: "6.12", root: "debian", gpu }, join(logsPath, "screenshots"));
  await takeAll(inspector, guest);
} finally {
  await inspector?.close();
  await guest?.stop();
  await server.stop();
}

async function takeAll(inspector: InspectorPage, guest: QemuGuest): Promise<void> {
  const { page } = inspector;
  const start = (program: string): Promise<string[]> => guest.run(`sh ${program} >/dev/null 2>&1 &`);
  const fault = (name: string): Promise<string[]> => start(`/run/fencepost/${name}`);
  const take = async (name: string): Promise<void> => {
    // Nothing is under the pointer.
    await page.mouse.move(0, 719);
    await Bun.sleep(settleMs);
    await page.screenshot({ path: join(images, `${name}.png`) });
    console.log(`docs/images/${name}.png`);
  };
  const lines = page.locator(".long-list .line");

  await start("(tail -f /dev/null | kmscube)");
  await inspector.show("screen");
  await until("the cube", () => hasColours(page), patienceMs, 500);
  await page.getByRole("img", { name: "Scanout 0" }).click({ force: true });
  await page.getByRole("region", { name: "Written last by" }).getByText("kmscube").waitFor();
  await take("screen");
  await page.keyboard.press("Escape");

  await inspector.show("actors");
  await page.getByText("ctrl-queue").first().waitFor();
  await take("actors");

  await inspector.show("timeline");
  await page.locator("canvas.timeline li", { hasText: "(kmscube)" }).waitFor({ state: "attached" });
  await take("timeline");

  await inspector.show("machines?machine=fence");
  await page.getByRole("heading", { name: "fence" }).waitFor();
  await take("machines");

  await guest.run("sh killall -KILL kmscube tail; while pidof kmscube; do sleep 0.1; done");
  await fault("refused-stream");
  await inspector.show("commands?filter=errors");
  await lines.filter({ hasText: "(refused" }).click();
  await take("refused");
  await page.keyboard.press("Escape");

  await fault("leaking-client");
  await inspector.show("resources?filter=marked");
  await lines.nth(20).click();
  await page.getByText("Perhaps a leak").waitFor();
  await take("leak");
  await page.keyboard.press("Escape");

  await inspector.show("latency");
  await fault("stuck-fence");
  await page.getByRole("region", { name: "fences" }).getByText("(stuck-fence)").waitFor();
  await page.locator(".tile.alarm").waitFor();
  await take("stuck");
}

/** Whether the picture on the page has more than a console's few colours. */
async function hasColours(page: Page): Promise<true | undefined> {
  const has = await page.evaluate<boolean>(`(() => {
    const canvas = document.querySelector('canvas[aria-label="Scanout 0"]');
    if (canvas === null) return false;
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(data.buffer)).size > 1000;
  })()`);
  return has || undefined;
}
