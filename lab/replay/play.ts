// A replay: plays a recording.

import { basename, resolve } from "node:path";
import { UsageError } from "../../src/config-arguments.ts";
import { asRefusal, Refusal } from "../../src/transport/os/errors.ts";
import { withFile } from "../../src/transport/os/files.ts";
import { openRecording } from "../../src/transport/wire/record/reader.ts";
import { type Recording, totalsOf } from "../../src/transport/wire/record/recording.ts";
import { bisect } from "./bisect.ts";
import { FollowedFile } from "./live/followed-file.ts";
import { LiveRecording } from "./live/live-recording.ts";
import type { Source } from "./live/source.ts";
import { Stream } from "./live/stream.ts";
import { helpText, parseReplayOptions, type ReplayOptions } from "./options.ts";
import { replayOnce } from "./replay.ts";

const exit = { done: 0, failed: 1, usage: 2, differs: 3, interrupted: 130 } as const;

/** Returns the exit code; paths among `argv` are relative to `directory`, and `call` is how a program is called. */
export async function main(
  argv: readonly string[],
  directory: string,
  call: (program: "replay") => string,
): Promise<number> {
  const interrupted = new AbortController();
  const { signal } = interrupted;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => interrupted.abort());
  try {
    const options = parseReplayOptions(await withAddress(argv));
    if (options === null) {
      console.log(helpText(call("replay")));
      return exit.done;
    }
    const png = options.png === undefined ? undefined : resolve(directory, options.png);
    return await play({ ...options, png, file: resolve(directory, options.file) }, directory, signal);
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`replay: ${error.message}. See ${call("replay")} --help.`);
      return exit.usage;
    }
    if (signal.aborted) {
      console.error("interrupted");
      return exit.interrupted;
    }
    console.error(`replay: ${asRefusal(error).message}`);
    return exit.failed;
  }
}

/** A token is not for the list of processes: `--from -` has the URL on standard input. */
async function withAddress(argv: readonly string[]): Promise<readonly string[]> {
  const at = argv.indexOf("--from");
  if (at < 0 || argv[at + 1] !== "-") return argv;
  for await (const line of console) return argv.with(at + 1, line);
  return argv;
}

async function play(options: ReplayOptions, directory: string, signal: AbortSignal): Promise<number> {
  const source = liveSource(options);
  const live = source === null ? null : await LiveRecording.open(source, mayLeap(options), signal);
  const recording = live?.recording ?? withFile(options.file, () => openRecording(options.file));
  try {
    if (live === null) checkGoal(recording, options);
    const { isSame, isInterrupted, lines } =
      options.servers.length === 2
        ? await bisect(recording, options, directory, signal)
        : await replayOnce(recording, live, options, directory, signal);
    for (const line of lines) console.log(line);
    if (isInterrupted) return exit.interrupted;
    return isSame ? exit.done : exit.differs;
  } finally {
    recording.close();
  }
}

/** Whoever looks at each frame wants each. */
const mayLeap = ({ compares, png, lastCommand, lastFrame }: ReplayOptions): boolean =>
  !compares && png === undefined && (lastCommand ?? lastFrame) === undefined;

/** Where what is still being recorded comes from; null of a file that is whole. */
function liveSource({ from, save, file, follows }: ReplayOptions): Source | null {
  if (follows) {
    const followed = withFile(file, () => new FollowedFile(file));
    // It may wait without a word for who writes no more.
    console.log(`following ${basename(file)} to its end mark, or Ctrl-C`);
    return followed;
  }
  if (from === undefined) return null;
  console.log(`playing what ${new URL(from.url).host} records: it holds what the guest shows`);
  return new Stream(from, save === undefined ? null : file);
}

/** Throws a {@link Refusal} where the recording ends before what is asked for. */
function checkGoal(recording: Recording, { lastCommand = -1, lastFrame = -1 }: ReplayOptions): void {
  const { commands, frames } = totalsOf(recording);
  if (lastCommand >= commands)
    throw new Refusal(`this recording has no command ${lastCommand}: there are ${commands}`);
  if (lastFrame >= frames) throw new Refusal(`this recording has no frame ${lastFrame}: there are ${frames}`);
}
