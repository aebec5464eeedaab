// Records what test guests do from their boot on, and replays it: each frame must be as it was. See docs/recording.md.

import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { logsPath, missingParts, recordingsPath } from "../lab/qemu/cache.ts";
import { guestSessions, recordSession, type SessionName } from "../lab/replay/guest-sessions.ts";
import { openRecording } from "../src/transport/wire/record/reader.ts";
import { readCommandLine, refuse } from "./lib/command-line.ts";

const names = Object.keys(guestSessions) as SessionName[];
const help = `Records what test guests do from their boot on, and replays it: each frame must be as it was.

Usage: bun run regress [--reuse] [SESSION]...

  SESSION    ${names.join(", ")} (default: all)
  --reuse    play the recordings that are there again, and record what is missing only

Recordings are kept in .cache/recordings/.
Exit codes: 0 all is as it was, 1 something differs or failed, 2 a mistake in the command line.`;

const { values, positionals } = readCommandLine(help, {
  allowPositionals: true,
  options: { reuse: { type: "boolean", default: false } },
});
const unknown = positionals.find((name) => !(names as string[]).includes(name));
if (unknown !== undefined) refuse(`there is no session ${unknown}, only ${names.join(", ")}`);
const missing = missingParts();
if (missing.length > 0) refuse(`${missing.join(", ")} is missing: run ./setup.sh`, 1);

mkdirSync(recordingsPath, { recursive: true, mode: 0o700 });
const replayMain = join(import.meta.dir, "..", "lab", "replay", "main.ts");
let failures = 0;
for (const name of positionals.length > 0 ? (positionals as SessionName[]) : names) {
  if (!(await isSame(name))) failures++;
}
process.exit(failures === 0 ? 0 : 1);

async function isSame(name: SessionName): Promise<boolean> {
  const path = join(recordingsPath, name);
  try {
    if (!values.reuse || !(await Bun.file(path).exists())) {
      rmSync(path, { force: true });
      await recordSession(name, path, join(logsPath, `regress-${name}`));
    }
    console.log(`${name}: ${sizeOf(path)}`);
    const replay = Bun.spawn([process.execPath, replayMain, path, "--compare"], {
      stdout: "inherit",
      stderr: "inherit",
    });
    return (await replay.exited) === 0;
  } catch (error) {
    // Others may still be as they were.
    console.log(`${name}: ${(error as Error).message}`);
    return false;
  }
}

function sizeOf(path: string): string {
  const recording = openRecording(path);
  const sum = (count: (chunk: (typeof recording.chunks)[number]) => number): number =>
    recording.chunks.reduce((total, chunk) => total + count(chunk), 0);
  const mib = (Bun.file(path).size / 2 ** 20).toFixed(1);
  const text = `${sum(({ commands }) => commands)} commands, ${sum(({ frames }) => frames)} frames, ${mib} MiB`;
  recording.close();
  return text;
}
