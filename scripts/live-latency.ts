// How long after a guest's flush another server has the picture that is streamed to it.

import { join } from "node:path";
import { bound } from "../lab/bound-child.ts";
import { SyntheticGuest } from "../lab/driver/synthetic-guest.ts";
import { ServerProcess } from "../lab/vmm/server-process.ts";
import type { CommandRecord, PictureRecord } from "../src/actors/inspector/feed.ts";
import { Format } from "../src/transport/wire/virtio-gpu/protocol.ts";
import { readCommandLine, refuse } from "./lib/command-line.ts";

const help = `Runs a server with a guest that draws, and a second one to which bun run replay plays what the first one records. Prints
how long after each flush the second one's display was told of the picture, and its sink had begun to draw it.

Usage: bun scripts/live-latency.ts [flags]

  --frames N        how many (default: 300)
  --rate N          a second (default: 30)
  --renderer NAME   of both (default: software)
  -h, --help        this text

Times are those of both servers' inspectors, by one clock. Exit codes: 0 done, 2 a mistake in the command line.`;

const { values } = readCommandLine(help, {
  options: {
    frames: { type: "string", default: "300" },
    rate: { type: "string", default: "30" },
    renderer: { type: "string", default: "software" },
  },
});
const frames = Number(values.frames);
const rate = Number(values.rate);
if (!(frames > 0 && frames <= 5_000) || !(rate > 0))
  refuse("--frames wants 1 to 5,000, --rate a number above 0");

const screen = { width: 1280, height: 800 };
/** What of it changes in a frame. */
const window = { width: 640, height: 400 };

const args = ["--inspect", `--renderer=${values.renderer}`];
const [a, b] = [await ServerProcess.start({ args }), await ServerProcess.start({ args })];
const guest = SyntheticGuest.boot(a.socketPath, { patienceMs: 30_000 });
const player = Bun.spawn(
  bound([
    process.execPath,
    join(import.meta.dir, "../lab/replay/main.ts"),
    ...["--from", String((await a.control({ command: "inspector" }))["url"]), "--socket-path", b.socketPath],
  ]),
  { stdio: ["ignore", "ignore", "inherit"] },
);
const { gpu } = guest;
const image = gpu.createImage(1, Format.B8G8R8X8, screen.width, screen.height);
gpu.show(0, image);
while ((await commands(b, "SET_SCANOUT")).length === 0) await rest(50);

for (let frame = 0; frame < frames; frame++) {
  const x = (frame * 7) % (screen.width - window.width);
  const y = (frame * 3) % (screen.height - window.height);
  for (let row = y; row < y + window.height; row++) {
    image.pixels.fill(frame * 0x01_03_05, row * screen.width + x, row * screen.width + x + window.width);
  }
  gpu.present(image, { x, y, ...window });
  await rest(1000 / rate);
}
while ((await commands(b, "RESOURCE_FLUSH")).length < frames) await rest(50);
await rest(500);

const ours = (await commands(a, "RESOURCE_FLUSH")).slice(-frames);
const theirs = await commands(b, "RESOURCE_FLUSH");
const told: number[] = [];
const begun: number[] = [];
for (const [index, { id }] of theirs.entries()) {
  const pictures = (await ask(b, `/api/pictures?of=${id}`)) as PictureRecord[];
  const { takenNs } = ours[index]!;
  for (const { what, ns } of pictures) {
    if (what === "damage" || what === "view") told.push((ns - takenNs) / 1e6);
    if (what === "frame-begun") begun.push((ns - takenNs) / 1e6);
  }
}
guest.close();
player.kill("SIGINT");
await player.exited;
await a.stop();
await b.stop();
console.log(
  `${frames} frames, ${rate} a second; milliseconds from a flush on the first server until on the second`,
);
tell("its display was told", told);
tell("its sink began to draw", begun);

function tell(what: string, all: number[]): void {
  const sorted = all.toSorted((one, other) => one - other);
  const at = (share: number): string => (sorted[Math.ceil(share * sorted.length) - 1] ?? NaN).toFixed(1);
  console.log(`${what.padEnd(24)} p50 ${at(0.5)}  p99 ${at(0.99)}  max ${at(1)}  (${all.length})`);
}

/** Serves the guest's display meanwhile. */
async function rest(ms: number): Promise<void> {
  const until = performance.now() + ms;
  do {
    guest.pump.drain();
    await Bun.sleep(Math.min(2, Math.max(0, until - performance.now())));
  } while (performance.now() < until);
}

async function commands(server: ServerProcess, type: string): Promise<CommandRecord[]> {
  return (await ask(server, `/api/commands?filter=type:${type}&limit=10000`)) as CommandRecord[];
}

async function ask(server: ServerProcess, path: string): Promise<unknown> {
  const url = new URL(String((await server.control({ command: "inspector" }))["url"]));
  const headers = { authorization: `Bearer ${url.searchParams.get("token")}` };
  return await (await fetch(new URL(path, url), { headers })).json();
}
