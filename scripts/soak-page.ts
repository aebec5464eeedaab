// How the inspector and its page fare that are up for long: a server, a guest and Chromium, looked at again and again.

import { join } from "node:path";
import { bound } from "../lab/bound-child.ts";
import { InspectorPage, inspectorViews as views } from "../lab/browser/inspector-page.ts";
import { ServerProcess } from "../lab/vmm/server-process.ts";
import { readCommandLine, refuse } from "./lib/command-line.ts";

const help = `Keeps a server with --inspect under a moderate load (2,000 small commands, 10 flushes of a desktop's damage and two
resources a second), with its page open in Chromium: a view a minute, in turn. Prints at intervals what all of it takes.

Usage: bun scripts/soak-page.ts [flags]

  --minutes N       how long (default: 60)
  --seconds N       between two looks (default: 60)
  --renderer NAME   the server's (default: software)
  -h, --help        this text

The page's heap is measured after a collection. Exit codes: 0 done, 1 something has ended, 2 a mistake in the command line.`;

const exitFailed = 1;
const mebibyte = 2 ** 20;

const { values } = readCommandLine(help, {
  options: {
    minutes: { type: "string", default: "60" },
    seconds: { type: "string", default: "60" },
    renderer: { type: "string", default: "software" },
  },
});
const minutes = Number(values.minutes);
const seconds = Number(values.seconds);
if (!(minutes > 0) || !(seconds > 0)) refuse("--minutes and --seconds want numbers above 0");

const server = await ServerProcess.start({ args: ["--inspect", `--renderer=${values.renderer}`] });
const guest = Bun.spawn(
  bound([process.execPath, join(import.meta.dir, "lib/page-guest.ts"), server.socketPath]),
  {
    stdio: ["ignore", "inherit", "inherit"],
  },
);
const page = await InspectorPage.open(server, views[0]!);
page.page.on("crash", () => refuse("the page has crashed", exitFailed));
page.page.on("pageerror", (error) => console.log(`the page has failed: ${error.message}`));

console.log(
  "minutes  view       server MiB  history MiB  records    dropped  page heap MiB  nodes  listeners  dropped batches",
);
const start = performance.now();
for (let look = 0; performance.now() - start < minutes * 60_000; look++) {
  const view = views[look % views.length]!;
  await page.show(view);
  await Bun.sleep(seconds * 1000);
  if (guest.exitCode !== null || server.exitCode !== null)
    refuse("the guest or the server has ended", exitFailed);
  await tell(view);
}
await page.close();
guest.kill();
await guest.exited;
await server.stop();

async function tell(view: string): Promise<void> {
  const { actors } = (await server.control({ command: "status" })) as unknown as {
    actors: Record<string, { counters: Record<string, number> }>;
  };
  const { records, droppedRecords, historyBytes, droppedBatches } = actors["inspector"]!.counters;
  const { heapBytes, nodes, listeners } = await page.memory();
  const mib = (bytes: number): string => (bytes / mebibyte).toFixed(1);
  const cells: [text: string, width: number][] = [
    [((performance.now() - start) / 60_000).toFixed(1), 7],
    [view, -9],
    [mib(server.usage().residentBytes), 10],
    [mib(historyBytes!), 11],
    [String(records), 10],
    [String(droppedRecords), 7],
    [mib(heapBytes), 13],
    [String(nodes), 5],
    [String(listeners), 9],
    [String(droppedBatches), 15],
  ];
  console.log(
    cells.map(([text, width]) => (width < 0 ? text.padEnd(-width) : text.padStart(width))).join("  "),
  );
}
