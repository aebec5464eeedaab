// How long a replay takes to go to any frame of ten minutes of a desktop, and to say which command made a pixel.

import { appendFileSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { SyntheticGuest } from "../lab/driver/synthetic-guest.ts";
import { Playback } from "../lab/replay/playback.ts";
import { Player } from "../lab/replay/player.ts";
import { lead } from "../lab/replay/scrubber/deck.ts";
import { Desktop, desktopUpdate } from "../lab/scenes/desktop.ts";
import { ServerProcess } from "../lab/vmm/server-process.ts";
import { Catalogue } from "../src/recording/catalogue.ts";
import { addEntry } from "../src/recording/written-state.ts";
import type { Recording } from "../src/transport/wire/record/recording.ts";
import { openRecording } from "../src/transport/wire/record/reader.ts";
import { RecordingWriter } from "../src/transport/wire/record/writer.ts";
import { ReplayRun } from "../test/support/replay-run.ts";
import { readCommandLine } from "./lib/command-line.ts";

const help = `Records ten minutes of a desktop (20 updates a second: a letter, and a window that moves, by turns), made as fast as
it goes and given its times afterwards; then goes to frames by chance, and asks about pixels by chance.

Usage: bun scripts/seek-times.ts [options]

  --minutes N       of the desktop (default: 10)
  --seeks N         of each kind (default: 100)
  --keep FILE       keep the recording, or take one that was kept
  -h, --help        this text

Exit codes: 0 done, 1 something failed, 2 a mistake in the command line.`;

const { values } = readCommandLine(help, {
  options: {
    minutes: { type: "string", default: "10" },
    seeks: { type: "string", default: "100" },
    keep: { type: "string" },
  },
});
const perSecond = 20;
const seeks = Number(values.seeks);
const patienceMs = 60_000;
const directory = mkdtempSync(join(tmpdir(), "fencepost-seek-times-"));
const path = values.keep ?? join(directory, "desktop.rec");

/** Draws it as fast as a recorder takes it, and writes it again with the times that it would have had. */
async function record(to: string, updates: number): Promise<void> {
  const fast = join(directory, "fast.rec");
  const args = ["--renderer", "software", "--record", fast, "--record-wait-ms", "1000"];
  const server = await ServerProcess.start({ args });
  try {
    const guest = SyntheticGuest.boot(server.socketPath, { patienceMs });
    const desktop = new Desktop(guest.gpu, 1);
    for (let number = 1; number <= updates; number++) desktop.show(number);
    guest.stop();
    guest.close();
  } finally {
    await server.stop();
  }
  const recording = openRecording(fast);
  const writer = new RecordingWriter((bytes) => appendFileSync(to, bytes), recording.start);
  let flushes = 0;
  let time = 0;
  for (const entry of recording.entries()) {
    if (entry.kind === "start" || entry.kind === "end") continue;
    // What belongs to one update happens within a millisecond.
    time = Math.max(time + 1000, (flushes * 1e9) / perSecond);
    if (entry.kind === "frame") flushes++;
    addEntry(writer, entry.kind, time, entry as unknown as Readonly<Record<string, number>>, entry.body);
  }
  writer.end(time, { reason: "stopped", text: "all was drawn" });
  recording.close();
}

function describe({ chunks }: Recording): void {
  const last = chunks.at(-1)!;
  const plain = chunks.reduce((sum, { plainBytes }) => sum + plainBytes, 0);
  const keyframes = chunks.filter(({ isKeyframe }) => isKeyframe).length;
  const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  console.log(
    `${(last.firstTime / 6e10).toFixed(1)} minutes, ${last.framesBefore + last.frames} frames, ` +
      `${last.commandsBefore + last.commands} commands, ${mib(statSync(path).size)} on disk, ${mib(plain)} unpacked, ` +
      `${keyframes} keyframes`,
  );
}

/** Frames at which the window has moved: their colour is nowhere else. */
function* targets(framesTotal: number): Generator<{ frame: number; x: number; y: number; colour: number }> {
  for (let seek = 0; seek < seeks; seek++) {
    const number = 1 + 2 * Math.floor(Math.random() * Math.floor(framesTotal / 2 - 1));
    const { x, y, width, height, colour } = desktopUpdate(number).fills.at(-1)!;
    // The first frame is an empty desktop.
    yield { frame: number, x: x + (width >> 1), y: y + (height >> 1), colour };
  }
}

/** Until the player's display has the picture, in milliseconds each. */
async function onDisplay(recording: Recording): Promise<number[]> {
  const server = await ServerProcess.start({
    args: ["--renderer", "software", "--copy-pictures", "--frame-rate", "unlimited"],
  });
  const { outputs } = recording.start;
  const player = new Player({ socketPath: server.socketPath, outputs, patienceMs, isWatched: false });
  const playback = new Playback(recording, [player]);
  const { signal } = new AbortController();
  // The server is there by then, as it is for whoever seeks.
  await playback.play({ lastCommand: 0 }, { speed: Infinity, signal, patienceMs });
  const took: number[] = [];
  const last = recording.chunks.at(-1)!;
  try {
    for (const { frame, x, y, colour } of targets(last.framesBefore + last.frames)) {
      const began = performance.now();
      playback.approach({ lastFrame: frame }, lead);
      await playback.play({ lastFrame: frame }, { speed: Infinity, signal, patienceMs });
      const isThere = (): boolean => {
        const shown = player.screen.picture(player.replay!, 0);
        return shown !== null && (shown.pixels[y * shown.width + x]! & 0xff_ffff) === colour;
      };
      player.replay!.until({ happened: isThere, what: `frame ${frame}`, chains: 1 });
      took.push(performance.now() - began);
    }
  } finally {
    player.close();
    await server.stop();
  }
  return took;
}

/** Until the canvas in Chromium has it; and then questions about pixels. */
async function inPage(): Promise<void> {
  const recording = openRecording(path);
  const catalogue = new Catalogue(recording);
  const began = performance.now();
  while (!catalogue.isWhole) catalogue.advance(1000);
  console.log(`looked through by itself in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  recording.close();
  const run = await ReplayRun.start(path, "--to", "3");
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
  try {
    while (!(await run.json<{ isWhole: boolean }>("/api/replay/marks")).isWhole) await Bun.sleep(100);
    const page = await browser.newPage({ viewport: { width: 1280, height: 720 } });
    await page.goto(`${run.url}#screen`);
    await page.locator(".connection.open").waitFor();
    await page.getByRole("img", { name: "Scanout 0" }).waitFor();
    await page.evaluate(seeker);
    const took: number[] = [];
    for (const target of targets(run.state!.framesTotal)) {
      took.push(await page.evaluate<number>(`window.seekTo(${JSON.stringify(target)})`));
    }
    report("the page's canvas has it", took);
    report("which command made a pixel", await asked(run));
  } finally {
    await browser.close();
    await run.stop();
  }
}

/** In the page: asks for a frame, and resolves with how long it took until the frame of the page that has painted it. */
const seeker = `(() => {
  const socket = new WebSocket("ws://" + location.host + "/replay");
  const isThere = ({ x, y, colour }) => {
    const canvas = document.querySelector('canvas[aria-label="Scanout 0"]');
    if (canvas === null) return false;
    const [red, green, blue] = canvas.getContext("2d").getImageData(x, y, 1, 1).data;
    return ((red << 16) | (green << 8) | blue) === colour;
  };
  window.seekTo = (target) => new Promise((resolve) => {
    const began = performance.now();
    socket.send(JSON.stringify({ type: "seek", frame: target.frame }));
    const look = () => {
      if (isThere(target)) resolve(performance.now() - began);
      else requestAnimationFrame(look);
    };
    look();
  });
  return new Promise((resolve) => (socket.onopen = () => resolve(null)));
})()`;

async function asked(run: ReplayRun): Promise<number[]> {
  const took: number[] = [];
  for (const { frame } of targets(run.state!.framesTotal)) {
    await run.go({ type: "seek", frame }, ({ frames }) => frames === frame + 1);
    const [x, y] = [Math.floor(Math.random() * 1280), Math.floor(Math.random() * 800)];
    const began = performance.now();
    await run.json(`/api/replay/pixel?scanout=0&x=${x}&y=${y}`);
    took.push(performance.now() - began);
  }
  return took;
}

function report(what: string, took: readonly number[]): void {
  const sorted = took.toSorted((a, b) => a - b);
  const at = (share: number): string =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!.toFixed(0);
  console.log(
    `${what}: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${sorted.at(-1)!.toFixed(0)} ms, of ${took.length}`,
  );
}

try {
  if (!(await Bun.file(path).exists())) await record(path, Number(values.minutes) * 60 * perSecond);
  const recording = openRecording(path);
  describe(recording);
  report("a frame is on the replay's own display", await onDisplay(recording));
  recording.close();
  await inPage();
} finally {
  rmSync(directory, { recursive: true });
}
