// What `bun run trace-trim` does: makes a recording as small as what is to be seen of it.

import { closeSync, openSync, unlinkSync, writeSync } from "node:fs";
import { resolve } from "node:path";
import { readArguments, UsageError } from "../config-arguments.ts";
import { trim, type TrimOptions } from "../recording/trim.ts";
import { withFile } from "../transport/os/files.ts";
import { openRecording } from "../transport/wire/record/reader.ts";
import type { CallOf } from "./begin.ts";
import { exitCodeOf, follow, onePath } from "./recording-program.ts";

const helpText = (
  call: string,
): string => `Makes a small recording of another one, for whoever is to see a mistake.

Usage: ${call} FILE -o OUT [--frame K…] [--blank]

  --frame K    keep what frame K needs, counted from 0; may be given more than once (default: all)
  --blank      keep structure and sizes, but no pixel: what was on the screen is not in OUT
  -o OUT       where it goes; what is there already is not overwritten

Without --blank the recording holds what the guest had on its screen in these frames.
Exit codes: 0 done, 1 it could not be done, 2 a mistake in the command line, 130 interrupted: OUT is not there then.`;

export async function main(args: string[], directory: string, callOf: CallOf): Promise<number> {
  return exitCodeOf("trace-trim", async (signal) => {
    const { values, positionals } = readArguments({
      args,
      allowPositionals: true,
      options: {
        frame: { type: "string", multiple: true },
        blank: { type: "boolean", default: false },
        output: { type: "string", short: "o" },
        help: { type: "boolean", short: "h" },
      },
    });
    if (values.help) return console.log(helpText(callOf("trace-trim")));
    const path = onePath(positionals);
    const { output, blank, frame = [] } = values;
    if (output === undefined) throw new UsageError("want -o and where it goes");
    if (frame.length === 0 && !blank) throw new UsageError("want --frame or --blank");
    const frames = frame.map(frameOf);
    const options = { frames, isBlank: blank };
    const bytes = await write(resolve(directory, path), resolve(directory, output), options, signal);
    console.log(`${output}: ${bytes} bytes`);
  });
}

function frameOf(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new UsageError(`--frame ${text}: want a number from 0 on`);
  return Number(text);
}

/** Returns how long it is. */
async function write(
  path: string,
  output: string,
  options: TrimOptions,
  signal: AbortSignal,
): Promise<number> {
  const recording = withFile(path, () => openRecording(path));
  let bytes = 0;
  try {
    // It shows a guest's screen.
    const fd = withFile(output, () => openSync(output, "wx", 0o600));
    try {
      const work = trim(recording, options, (piece) => {
        withFile(output, () => writeAll(fd, piece));
        bytes += piece.length;
      });
      await follow(work, signal);
    } catch (error) {
      // Half of it is of no use.
      unlinkSync(output);
      throw error;
    } finally {
      closeSync(fd);
    }
  } finally {
    recording.close();
  }
  return bytes;
}

function writeAll(fd: number, piece: Uint8Array): void {
  for (let done = 0; done < piece.length;) done += writeSync(fd, piece, done);
}
