// `bun run replay`: plays a recording.

import { resolve } from "node:path";
import { UsageError } from "../../src/config-arguments.ts";
import { asRefusal, Refusal } from "../../src/transport/os/errors.ts";
import { withFile } from "../../src/transport/os/files.ts";
import { openRecording } from "../../src/transport/wire/record/reader.ts";
import { type Recording, totalsOf } from "../../src/transport/wire/record/recording.ts";
import { bisect } from "./bisect.ts";
import { help, parseReplayOptions, type ReplayOptions } from "./options.ts";
import { replayOnce } from "./replay.ts";

const exit = { done: 0, failed: 1, usage: 2, differs: 3, interrupted: 130 } as const;
/** Where `bin/fencepost` was called, which goes to / before Bun starts. */
const directory = process.env["FENCEPOST_DIRECTORY"] ?? process.cwd();

async function main(argv: readonly string[]): Promise<number> {
  const interrupted = new AbortController();
  const { signal } = interrupted;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => interrupted.abort());
  try {
    const options = parseReplayOptions(argv);
    if (options === null) {
      console.log(help);
      return exit.done;
    }
    const png = options.png === undefined ? undefined : resolve(directory, options.png);
    return await play({ ...options, png, file: resolve(directory, options.file) }, signal);
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`replay: ${error.message}. See bun run replay --help.`);
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

async function play(options: ReplayOptions, signal: AbortSignal): Promise<number> {
  const recording = withFile(options.file, () => openRecording(options.file));
  try {
    checkGoal(recording, options);
    const { isSame, isInterrupted, lines } =
      options.servers.length === 2
        ? await bisect(recording, options, directory, signal)
        : await replayOnce(recording, options, directory, signal);
    for (const line of lines) console.log(line);
    if (isInterrupted) return exit.interrupted;
    return isSame ? exit.done : exit.differs;
  } finally {
    recording.close();
  }
}

/** Throws a {@link Refusal} where the recording ends before what is asked for. */
function checkGoal(recording: Recording, { lastCommand = -1, lastFrame = -1 }: ReplayOptions): void {
  const { commands, frames } = totalsOf(recording);
  if (lastCommand >= commands)
    throw new Refusal(`this recording has no command ${lastCommand}: there are ${commands}`);
  if (lastFrame >= frames) throw new Refusal(`this recording has no frame ${lastFrame}: there are ${frames}`);
}

process.exit(await main(process.argv.slice(2)));
