// Records what test guests do from their boot on, and replays it: each frame must be as it was. See docs/recording.md.

import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { logsPath, missingParts, recordingsPath } from "../lab/qemu/cache.ts";
import { guestSessions, recordSession, type SessionName } from "../lab/replay/guest-sessions.ts";
import { StatusLine } from "../src/recording/status-line.ts";
import { openRecording } from "../src/transport/wire/record/reader.ts";
import { totalsOf } from "../src/transport/wire/record/recording.ts";
import { readCommandLine, refuse } from "./lib/command-line.ts";

const names = Object.keys(guestSessions) as SessionName[];
const help = `Records what test guests do from their boot on, and replays it: each frame must be as it was.

Usage: bun run regress [--reuse] [SESSION]...

  SESSION    ${names.join(", ")} (default: all)
  --reuse    play the recordings that are there again, and record what is missing only

Recordings are kept in .cache/recordings/.
Exit codes: 0 all is as it was, 1 something differs or failed, 2 a mistake in the command line, 130 interrupted.`;
const exitInterrupted = 130;
const tickMs = 200;

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
const stopping = new AbortController();
const { signal } = stopping;
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => stopping.abort());

const wanted = positionals.length > 0 ? (positionals as SessionName[]) : names;
const failed: SessionName[] = [];
for (const name of wanted) {
  const isAsItWas = await isSame(name);
  if (signal.aborted) {
    console.error("interrupted");
    process.exit(exitInterrupted);
  }
  if (!isAsItWas) failed.push(name);
}
console.log(
  failed.length === 0
    ? `all is as it was: ${wanted.join(", ")}`
    : `${failed.length} of ${wanted.length} failed: ${failed.join(", ")}`,
);
process.exit(failed.length === 0 ? 0 : 1);

async function isSame(name: SessionName): Promise<boolean> {
  const path = join(recordingsPath, name);
  try {
    if (!values.reuse || !existsSync(path)) await record(name, path);
    console.log(`${name}: ${sizeOf(path)}`);
    const replay = Bun.spawn([process.execPath, replayMain, path, "--compare"], {
      stdout: "inherit",
      stderr: "inherit",
    });
    signal.addEventListener("abort", () => replay.kill("SIGINT"));
    return (await replay.exited) === 0;
  } catch (error) {
    // Others may still be as they were.
    if (!signal.aborted) console.log(`${name}: ${(error as Error).message}`);
    return false;
  }
}

/** What is there already is replaced only by what is whole. */
async function record(name: SessionName, path: string): Promise<void> {
  const part = `${path}.part`;
  const began = performance.now();
  const line = new StatusLine();
  const timer = setInterval(
    () => line.tell(() => `${name}: recording for ${Math.round((performance.now() - began) / 1000)} s`),
    tickMs,
  );
  console.log(`${name}: a guest boots, and is recorded`);
  try {
    await recordSession(name, part, join(logsPath, `regress-${name}`), signal);
    signal.throwIfAborted();
    renameSync(part, path);
  } finally {
    clearInterval(timer);
    line.end();
    rmSync(part, { force: true });
  }
}

function sizeOf(path: string): string {
  const recording = openRecording(path);
  const { commands, frames } = totalsOf(recording);
  const mib = (Bun.file(path).size / 2 ** 20).toFixed(1);
  const text = `${commands} commands, ${frames} frames, ${mib} MiB`;
  recording.close();
  return text;
}
