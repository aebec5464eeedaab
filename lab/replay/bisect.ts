// Plays a recording on two servers at once, and finds the first command after which they differ.

import type { CommandStep } from "../../src/recording/steps.ts";
import { commandName, typeOf } from "../../src/recording/steps.ts";
import type { Recording } from "../../src/transport/wire/record/recording.ts";
import type { CommandResult } from "../driver/command-queue.ts";
import type { Framebuffer } from "../vmm/display-scanout.ts";
import { copyOf, firstDifference, responseName } from "./comparison.ts";
import { type Seen, shownBy } from "./expected.ts";
import type { ReplayOptions } from "./options.ts";
import { PictureFolder } from "./pictures.ts";
import { Playback } from "./playback.ts";
import { Player } from "./player.ts";
import { ProgressLine } from "./progress-line.ts";
import { type Outcome, patienceMs } from "./replay.ts";
import { type Chosen, readChoice, type ServerChoice, startChoice } from "./server-choice.ts";

/** Where two servers differ. */
interface Split {
  readonly command: number;
  readonly what: string;
  /** Where a picture differs. */
  readonly seen: Seen | null;
  readonly pictures: readonly Framebuffer[];
}

export async function bisect(
  recording: Recording,
  options: ReplayOptions,
  directory: string,
  signal: AbortSignal,
): Promise<Outcome> {
  const choices = options.servers.map((name) => readChoice(name, directory));
  const chosen: Chosen[] = [];
  try {
    for (const choice of choices) chosen.push(await startChoice(choice, [], signal));
    const search = new Search(recording, options, choices, chosen, signal);
    return await search.run();
  } finally {
    for (const one of chosen) await one.stop();
  }
}

class Search {
  private readonly line: ProgressLine;

  constructor(
    private readonly recording: Recording,
    private readonly options: ReplayOptions,
    private readonly choices: readonly ServerChoice[],
    private readonly chosen: readonly Chosen[],
    private readonly signal: AbortSignal,
  ) {
    this.line = new ProgressLine(recording.chunks.reduce((sum, { commands }) => sum + commands, 0));
  }

  async run(): Promise<Outcome> {
    const first = await this.compare();
    this.line.end();
    const { split, frames, lastSame } = first;
    if (split === null) {
      const text = `${frames} frames are the same on ${this.names().join(" and ")}`;
      return { isSame: true, isInterrupted: this.signal.aborted, lines: [text] };
    }
    const exact = split.seen === null ? split : await this.narrow(split, lastSame);
    this.line.end();
    return { isSame: false, isInterrupted: false, lines: await this.describe(exact, frames) };
  }

  private names(): string[] {
    return this.choices.map(({ name }) => name);
  }

  private players(answered: (index: number, step: CommandStep, result: CommandResult) => void): Player[] {
    return this.chosen.map(
      ({ server }, index) =>
        new Player({
          socketPath: server.socketPath,
          outputs: this.recording.start.outputs,
          patienceMs,
          isWatched: true,
          answered: (step, result) => answered(index, step, result),
        }),
    );
  }

  /** Plays until a frame or an answer differs; `lastSame` is the last command whose frame did not. */
  private async compare(): Promise<{ split: Split | null; frames: number; lastSame: number }> {
    const stop = new AbortController();
    const signal = AbortSignal.any([this.signal, stop.signal]);
    const { lastCommand, lastFrame } = this.options;
    const answers = new Answers();
    const players = this.players(answers.take);
    let [frames, lastSame] = [0, -1];
    let split: Split | null = null;
    const playback = new Playback(this.recording, players, {
      progress: this.line.tell,
      played: (step) => {
        if (answers.first === null) split = splitOf(step, playback.numberOf(step), players);
        if (split !== null || answers.first !== null) return stop.abort();
        if (step.frames.length === 0) return;
        frames++;
        lastSame = playback.numberOf(step);
      },
    });
    try {
      await playback.play({ lastCommand, lastFrame }, { speed: Infinity, signal, patienceMs });
      for (const player of players) player.finish();
    } finally {
      for (const player of players) player.close();
    }
    return { split: answers.split(playback.numberOf) ?? split, frames, lastSame };
  }

  /** Looks after each command from `lastSame` on at what is shown in the end: from where on it differs, and stays so. */
  private async narrow(split: Split, lastSame: number): Promise<Split> {
    const { signal } = this;
    const players = this.players(() => {});
    const { scanout, resource, view } = split.seen!;
    let found: Split | null = null;
    const playback = new Playback(this.recording, players, {
      progress: this.line.tell,
      played: (step) => {
        const number = playback.numberOf(step);
        if (number <= lastSame || step.command.queue !== 0) return;
        const pictures = players.map((player) => player.probe(scanout, resource, view));
        const [a, b] = pictures;
        const pixel = a && b ? firstDifference(a, b, { ...view, x: 0, y: 0 }) : null;
        // What is drawn over, such as a new texture that nothing was drawn to, is not what is shown.
        if (pixel === null) found = null;
        else found ??= { command: number, what: whatOf(step, pixel), seen: split.seen, pictures: [a!, b!] };
      },
    });
    try {
      await playback.play({ lastCommand: split.command }, { speed: Infinity, signal, patienceMs });
    } finally {
      for (const player of players) player.close();
    }
    return found ?? split;
  }

  private async describe({ command, what, pictures }: Split, frames: number): Promise<string[]> {
    const folder = new PictureFolder(this.options.png ?? `${this.options.file}.differs`);
    const saved: string[] = [];
    for (const [index, picture] of pictures.entries()) {
      saved.push(await folder.save(`command-${command}-${"ab"[index]}`, picture));
    }
    const names = this.names().map((name, index) => `${"ab"[index]} is ${name}`);
    return [
      `${frames} frames are the same; ${names.join(", ")}`,
      `the first command after which they differ is ${command}: ${what}`,
      ...(saved.length > 0 ? [`saved ${saved.join(" and ")}`] : []),
    ];
  }
}

const whatOf = (step: CommandStep, pixel: string): string => `${commandName(typeOf(step))}: ${pixel}`;

/** Whether `step` shows something else on one of the players than on the other. */
function splitOf(step: CommandStep, command: number, players: readonly Player[]): Split | null {
  const { state } = players[0]!;
  for (const frame of step.frames) {
    for (const seen of shownBy(frame, state)) {
      const [a, b] = players.map(({ screen, replay }) => screen.picture(replay!, seen.scanout));
      const isAlike = a?.width === b?.width && a?.height === b?.height;
      const pixel = a && b && isAlike ? firstDifference(a, b, seen.rect) : null;
      if (pixel === null && isAlike) continue;
      const what = whatOf(step, pixel ?? "one shows nothing, or another size");
      const pictures = [a, b].flatMap((one) => (one ? [copyOf(one)] : []));
      return { command, what, seen, pictures };
    }
  }
  return null;
}

/** How both have answered. */
class Answers {
  first: { step: CommandStep; what: string } | null = null;
  private readonly open: [Map<CommandStep, number>, Map<CommandStep, number>] = [new Map(), new Map()];

  readonly take = (index: number, step: CommandStep, { type }: CommandResult): void => {
    const [ours, others] = index === 0 ? this.open : this.open.toReversed();
    const other = others!.get(step);
    if (other === undefined) {
      ours!.set(step, type);
      return;
    }
    others!.delete(step);
    if (other === type) return;
    const [a, b] = index === 0 ? [type, other] : [other, type];
    const what = `${commandName(typeOf(step))}: a answers ${responseName(a)}, b ${responseName(b)}`;
    if (this.first === null || step.command.number < this.first.step.command.number)
      this.first = { step, what };
  };

  split(numberOf: (step: CommandStep) => number): Split | null {
    if (this.first === null) return null;
    return { command: numberOf(this.first.step), what: this.first.what, seen: null, pictures: [] };
  }
}
