// From a flush to the inspector's canvas: a desktop at 30 updates a second, seen in the Screen view by Chromium.

import { join } from "node:path";
import { bound } from "../../../lab/bound-child.ts";
import { InspectorPage } from "../../../lab/browser/inspector-page.ts";
import { desktopUpdate } from "../../../lab/scenes/desktop.ts";
import { type Backend, start } from "../backends.ts";
import { figure } from "../figure.ts";
import { CanvasClock } from "../inspector/canvas-clock.ts";
import type { Budget } from "../stage.ts";
import type { ServerWorkload } from "../workload.ts";

const perSecond = 30;
/** Of the least budget, so that a 99th percentile says something. */
const updatesMin = 300;

export const canvases: ServerWorkload[] = [
  {
    kind: "server",
    name: "inspect/canvas",
    title: "A desktop's damage 30 times a second: from a flush until the inspector's page has painted it",
    renderer: "software",
    measure: measureCanvas,
  },
];

async function measureCanvas(backend: Backend, { measureMs }: Budget) {
  const updates = Math.max(updatesMin, Math.round((measureMs * perSecond) / 1000));
  const marks = Array.from({ length: updates }, (_, index) => desktopUpdate(index + 1).fills.at(-1)!);
  const server = await start(backend, "software", {}, ["--inspect"]);
  let page: InspectorPage | null = null;
  try {
    page = await InspectorPage.open(server, "screen");
    const clock = await CanvasClock.watch(page, marks);
    const script = join(import.meta.dir, "../inspector/desktop-guest.ts");
    const guest = Bun.spawn(
      bound([process.execPath, script, server.socketPath, String(updates), String(perSecond)]),
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    const flushedMs = JSON.parse(await guest.stdout.text()) as number[];
    const paintedMs = await clock.paintedMs();
    const tookMs = paintedMs.map((ms, index) => ms - flushedMs[index]!);
    // Of two updates at once the later may hide the earlier, which then nobody sees.
    const seen = tookMs.filter(Number.isFinite);
    return [
      figure("flush to canvas", "ms", "less", seen),
      figure("never painted", "updates", "less", [updates - seen.length]),
      figure("error of the clocks", "ms", "neither", [clock.errorMs]),
    ];
  } finally {
    await page?.close();
    await server.stop();
  }
}
