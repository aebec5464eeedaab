// How fast a recording is played, against what its guest got done while it was made.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bound } from "../../../lab/bound-child.ts";
import { type Backend, start } from "../backends.ts";
import { type Figure, figure } from "../figure.ts";
import type { Played } from "../replay-player.ts";
import { drive } from "../runner.ts";
import type { Budget } from "../stage.ts";
import type { GuestWorkload, ServerWorkload } from "../workload.ts";
import { recorded } from "./record.ts";

/** Those in which each unit is one command. */
const floods = ["record/smallest", "record/stream", "record/transfer/desktop", "record/transfer/film"];

export const replays: ServerWorkload[] = recorded
  .filter(({ name }) => floods.includes(name))
  .map((workload) => ({
    kind: "server",
    name: workload.name.replace("record/", "replay/"),
    title: `A recording of this, played: ${workload.title}`,
    renderer: workload.renderer,
    measure: (backend, budget) => measure(workload, backend, budget),
  }));

async function measure(workload: GuestWorkload, backend: Backend, budget: Budget): Promise<Figure[]> {
  const directory = mkdtempSync(join(tmpdir(), "fencepost-bench-"));
  const file = join(directory, "recording");
  try {
    const rate = await record(workload, backend, budget, file);
    const { commands, ms } = await play(workload, backend, file);
    const played = commands / (ms / 1000);
    return [
      figure("recorded", "commands/s", "neither", [rate]),
      figure("played", "commands/s", "more", [played]),
      figure("played of the recorded", "%", "more", [(100 * played) / rate]),
    ];
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Returns commands a second. */
async function record(
  workload: GuestWorkload,
  backend: Backend,
  budget: Budget,
  file: string,
): Promise<number> {
  const args = ["--record", file, "--record-wait-ms", "1000"];
  const server = await start(backend, workload.renderer, {}, args);
  try {
    const { signal } = new AbortController();
    const figures = await drive(workload, backend, server, null, { budget, signal });
    return figures.find(({ metric }) => metric === "rate")!.median;
  } finally {
    await server.stop();
  }
}

async function play({ renderer }: GuestWorkload, backend: Backend, file: string): Promise<Played> {
  const server = await start(backend, renderer);
  try {
    const script = join(import.meta.dir, "../replay-player.ts");
    const player = Bun.spawn(bound([process.execPath, script, server.socketPath, file]), {
      stdio: ["ignore", "pipe", "inherit"],
    });
    return JSON.parse(await player.stdout.text()) as Played;
  } finally {
    await server.stop();
  }
}
