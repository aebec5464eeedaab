// What `bun run trace-info` does: says what a recording holds.

import { resolve } from "node:path";
import { readArguments } from "../config-arguments.ts";
import { withFile } from "../transport/os/files.ts";
import { detailsOf } from "../transport/wire/record/details.ts";
import { openRecording } from "../transport/wire/record/reader.ts";
import { type Recording, totalsOf } from "../transport/wire/record/recording.ts";
import { Command, Response } from "../transport/wire/virtio-gpu/protocol.ts";
import type { CallOf } from "./begin.ts";
import { exitCodeOf, follow, onePath } from "./recording-program.ts";

const helpText = (call: string): string => `Says what a recording holds.

Usage: ${call} FILE [--json]

Exit codes: 0 done, 1 this is no recording, or a part of it is damaged, 2 a mistake in the command line, 130 interrupted.`;

export async function main(args: string[], directory: string, callOf: CallOf): Promise<number> {
  return exitCodeOf("trace-info", async (signal) => {
    const { values, positionals } = readArguments({
      args,
      allowPositionals: true,
      options: { json: { type: "boolean" }, help: { type: "boolean", short: "h" } },
    });
    if (values.help) return console.log(helpText(callOf("trace-info")));
    const path = resolve(directory, onePath(positionals));
    const facts = await follow(describe(withFile(path, () => openRecording(path))), signal);
    console.log(values.json ? JSON.stringify(facts) : textOf(facts));
  });
}

interface Facts {
  server: string;
  began: string;
  seconds: number;
  entries: number;
  commands: number;
  frames: number;
  keyframes: number;
  errors: number;
  /** Those that were asked for. */
  resources: number;
  contexts: number;
  /** Of its chunks. */
  bytes: number;
  bytesPerSecond: number;
  ending: string;
  commandsByType: Record<string, number>;
  notRecorded: readonly string[];
}

function* describe(recording: Recording): Generator<number, Facts> {
  const { start, chunks, ending } = recording;
  const { at, storedBytes } = chunks.at(-1)!;
  const bytes = at + storedBytes;
  const commandsByType: Record<string, number> = {};
  const missing: string[] = [];
  const { entries, commands, frames } = totalsOf(recording);
  let [errors, last] = [0, 0];
  for (const entry of recording.entries()) {
    last = entry.time;
    yield entry.number / entries;
    const from = `from ${(entry.time / 1e9).toFixed(1)} s on`;
    if (entry.kind === "missing") missing.push(`${from}: ${detailsOf(entry).what}`);
    if (entry.kind === "keyframe" && entry.contexts + entry.rendered > 0) {
      const { contexts, rendered } = entry;
      missing.push(
        `${from}: the state of 3D contexts (${contexts}) and of resources in the renderer (${rendered})`,
      );
    }
    if (entry.kind === "answer" && entry.type >= Response.ERR_UNSPEC) errors++;
    if (entry.kind !== "command") continue;
    const name = commandNameOf(entry.body);
    commandsByType[name] = (commandsByType[name] ?? 0) + 1;
  }
  recording.close();
  const made = (...names: string[]): number =>
    names.reduce((total, name) => total + (commandsByType[name] ?? 0), 0);
  return {
    server: start.server,
    began: new Date(start.wallMs).toISOString(),
    seconds: last / 1e9,
    entries,
    commands,
    frames,
    keyframes: chunks.filter(({ isKeyframe }) => isKeyframe).length,
    errors,
    resources: made("RESOURCE_CREATE_2D", "RESOURCE_CREATE_3D", "RESOURCE_CREATE_BLOB"),
    contexts: made("CTX_CREATE"),
    bytes,
    bytesPerSecond: last === 0 ? 0 : Math.round(bytes / (last / 1e9)),
    ending:
      ending.reason === "cut" ? `${ending.text}, at byte ${ending.at}` : `${ending.reason}: ${ending.text}`,
    commandsByType,
    notRecorded: [...start.notRecorded, ...missing],
  };
}

function commandNameOf(request: Uint8Array): string {
  if (request.length < 4) return "too short";
  const type = new DataView(request.buffer, request.byteOffset).getUint32(0, true);
  const [name] = Object.entries(Command).find(([, number]) => number === type) ?? [];
  return name ?? `command 0x${type.toString(16)}`;
}

function textOf({ commandsByType, notRecorded, ...facts }: Facts): string {
  const types = Object.entries(commandsByType).toSorted(([, a], [, b]) => b - a);
  return [
    ...Object.entries(facts).map(([name, value]) => `${name.padEnd(12)} ${value}`),
    "",
    ...types.map(([name, count]) => `${String(count).padStart(12)} ${name}`),
    "",
    ...notRecorded.map((what) => `not recorded: ${what}`),
  ].join("\n");
}
