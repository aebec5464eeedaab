// Plays a recording once: on a server that is started for it, or one that runs.

import type { CommandStep } from "../../src/recording/steps.ts";
import type { Address } from "../../src/config-values.ts";
import { Refusal } from "../../src/transport/os/errors.ts";
import { FileRefusal } from "../../src/transport/os/files.ts";
import { RecordingError } from "../../src/transport/wire/record/recording-error.ts";
import { type Recording, totalsOf } from "../../src/transport/wire/record/recording.ts";
import { inspectorUrl } from "../vmm/inspector-url.ts";
import { Comparison } from "./comparison.ts";
import { shownBy } from "./expected.ts";
import type { LiveRecording } from "./live/live-recording.ts";
import type { ReplayOptions } from "./options.ts";
import { PictureFolder } from "./pictures.ts";
import { Playback, type Watcher } from "./playback.ts";
import { Player } from "./player.ts";
import { ProgressLine } from "./progress-line.ts";
import { notes, summary } from "./report.ts";
import { scrub } from "./scrubber/scrub.ts";
import { readChoice, startChoice } from "./server-choice.ts";

/** A renderer on a busy CPU may take long for one command. */
export const patienceMs = 60_000;
/** How often a player is served that has nothing to do. */
const restMs = 25;

export interface Outcome {
  readonly isSame: boolean;
  readonly isInterrupted: boolean;
  readonly lines: readonly string[];
}

/** `live` is what the recording comes from where it is still being made. */
export async function replayOnce(
  recording: Recording,
  live: LiveRecording | null,
  options: ReplayOptions,
  directory: string,
  signal: AbortSignal,
): Promise<Outcome> {
  const { socketPath } = options;
  if (socketPath !== undefined) return playTo(socketPath, recording, live, options, signal);
  const { inspect, compares, png } = options;
  const choice = readChoice(options.servers[0] || recordedRenderer(recording), directory);
  const chosen = await startChoice(choice, inspectArgs(inspect, live), signal);
  try {
    const { server } = chosen;
    const play = (): Promise<Outcome> => playTo(server.socketPath, recording, live, options, signal);
    if (live !== null && inspect !== null) {
      console.log(`open ${(await inspectorUrl(server, patienceMs, signal)).href}`);
    }
    if (live !== null || inspect === null) return await play();
    // What is held against the recording, or saved, is no matter of what a person does meanwhile.
    const outcome = compares || png !== undefined ? await play() : nothingYet;
    for (const line of outcome.lines) console.log(line);
    const isInterrupted = outcome.isInterrupted || (await scrub(inspect, server, recording, options, signal));
    return { isSame: outcome.isSame, isInterrupted, lines: [] };
  } catch (error) {
    // What is wrong with a file the server knows nothing of.
    const isFiles = error instanceof FileRefusal || error instanceof RecordingError;
    if (!(error instanceof Refusal) || isFiles) throw error;
    throw new Refusal(`${error.message}\nThe server's log:\n${lastLines(chosen.server.log())}`, {
      cause: error,
    });
  } finally {
    await chosen.stop();
  }
}

/** Of what is still being recorded, the server's own page is shown. */
function inspectArgs(inspect: Address | null, live: LiveRecording | null): string[] {
  if (inspect === null) return [];
  const { hostname, port } = inspect;
  if (live === null) return ["--inspect"];
  return [`--inspect=${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`];
}

const nothingYet: Outcome = { isSame: true, isInterrupted: false, lines: [] };

/** What the recording was made with. */
function recordedRenderer({ start }: Recording): string {
  return start.renderer["renderer"] === "virgl" ? "virgl" : "software";
}

async function playTo(
  socketPath: string,
  recording: Recording,
  live: LiveRecording | null,
  options: ReplayOptions,
  signal: AbortSignal,
): Promise<Outcome> {
  const { compares, isRealtime, lastCommand, lastFrame } = options;
  const folder = options.png === undefined ? null : new PictureFolder(options.png);
  const goal = { lastCommand, lastFrame };
  const comparison = new Comparison((step) => playback.numberOf(step));
  const player = new Player({
    socketPath,
    outputs: recording.start.outputs,
    patienceMs,
    isWatched: compares || folder !== null,
    ...(compares ? { answered: (step, result) => comparison.answered(step, result) } : {}),
  });
  const line = new ProgressLine(live ?? totalsOf(recording).commands);
  const saved: string[] = [];
  const watcher: Watcher = {
    progress: line.tell,
    played: async (step, { frames }) => {
      if (compares) comparison.look(step, player);
      const isWanted = lastFrame === undefined || frames > lastFrame;
      if (folder !== null && isWanted) saved.push(...(await saveFrame(folder, step, frames - 1, player)));
    },
  };
  const playback = new Playback(recording, [player], watcher, live);
  const began = performance.now();
  try {
    if (!compares) playback.approach(goal);
    await playback.play(goal, { speed: isRealtime ? 1 : Infinity, signal, patienceMs });
    line.end();
    const lines = [...summary(playback, recording, performance.now() - began), ...savedLines(saved, folder)];
    const isInterrupted = signal.aborted;
    const told = [...lines, ...notes(player)];
    const outcome = compares ? await compared(comparison, options, told) : { isSame: true, lines: told };
    if (live === null || options.inspect === null || isInterrupted) return { ...outcome, isInterrupted };
    await stay(player, outcome.lines, signal);
    return { ...outcome, isInterrupted, lines: [] };
  } finally {
    line.end();
    player.close();
  }
}

/** Leaves the last picture where it is seen, until `signal`. */
async function stay(player: Player, lines: readonly string[], signal: AbortSignal): Promise<void> {
  for (const line of lines) console.log(line);
  console.log("stays here until Ctrl-C");
  while (!signal.aborted && player.replay?.guest.frontend.closed === false) {
    player.rest();
    await Bun.sleep(restMs);
  }
}

/** Saves what a step shows, if it shows anything; returns where. */
async function saveFrame(
  folder: PictureFolder,
  { frames }: CommandStep,
  frame: number,
  { state, screen, replay }: Player,
): Promise<string[]> {
  const saved: string[] = [];
  for (const { scanout } of frames.flatMap((one) => shownBy(one, state))) {
    const picture = screen.picture(replay!, scanout);
    if (picture !== null) saved.push(await folder.save(`frame-${frame}-scanout-${scanout}`, picture));
  }
  return saved;
}

function savedLines(saved: readonly string[], folder: PictureFolder | null): string[] {
  if (folder === null) return [];
  if (saved.length === 0) return ["no picture was saved: nothing was shown"];
  return [`saved ${saved.length === 1 ? saved[0] : `${saved.length} pictures, the last ${saved.at(-1)}`}`];
}

async function compared(
  { first, differences, same, unknown }: Comparison,
  { png, file }: ReplayOptions,
  lines: readonly string[],
): Promise<Omit<Outcome, "isInterrupted">> {
  const rest = `; ${unknown} that a renderer drew could not be compared: --record-checksums records how they look`;
  const count = `${same} ${same === 1 ? "picture" : "pictures"} as recorded${unknown > 0 ? rest : ""}`;
  const found =
    same + unknown === 0
      ? "there was no picture to compare; nothing else differs"
      : `${count}; nothing differs`;
  if (first === null) return { isSame: true, lines: [...lines, found] };
  const folder = new PictureFolder(png ?? `${file}.differs`);
  const paths: string[] = [];
  for (const [name, picture] of Object.entries(first.pictures)) {
    paths.push(await folder.save(`command-${first.command}-${name}`, picture));
  }
  return {
    isSame: false,
    lines: [
      ...lines,
      `${count}; ${differences} differences, the first after command ${first.command}: ${first.what}`,
      ...(paths.length > 0 ? [`saved ${paths.join(" and ")}`] : []),
    ],
  };
}

const lastLines = (log: string): string => log.trimEnd().split("\n").slice(-10).join("\n");
