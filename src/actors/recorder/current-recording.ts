// A recording that goes on: its file, and what is written to it.

import packageJson from "../../../package.json";
import type { ServerConfig } from "../../config.ts";
import { limits } from "../../config-limits.ts";
import { asRefusal } from "../../transport/os/errors.ts";
import type { End, Start } from "../../transport/wire/record/details.ts";
import { RecordingWriter } from "../../transport/wire/record/writer.ts";
import type { RecorderMessage } from "./messages.ts";
import type { RecordingOutput } from "./recording-output.ts";
import type { QueueRings } from "./queue-rings.ts";
import { Transcript } from "./transcript.ts";
import { wallMilliseconds } from "../../transport/os/clock.ts";

/** What a recording never holds, or not exactly. */
const notRecorded = [
  "guest memory that a renderer reads is copied just before: what the guest changes meanwhile may be either",
  "buffers that are nothing but guest memory are recorded where a command names them, not where a renderer reads them at will",
  "memory of the host that a guest has mapped: what it writes there",
  "pixels that other devices change over the resource bridge",
];

export type Beginning = Extract<RecorderMessage, { type: "recording-start" }>;

export class CurrentRecording {
  readonly transcript: Transcript;
  private readonly writer: RecordingWriter;
  private flushAt: number;
  private isEnded = false;

  /** Throws a {@link Refusal} where the file takes nothing. `startNs`: of CLOCK_MONOTONIC. */
  constructor(
    readonly output: RecordingOutput,
    config: ServerConfig,
    beginning: Beginning,
    /** Whether it has checksums. */
    readonly checksums: boolean,
    private readonly rings: QueueRings,
    private readonly startNs: number,
  ) {
    this.writer = new RecordingWriter(output.append, startOf(config, beginning, checksums, startNs));
    this.transcript = new Transcript(rings.readers, this.writer, startNs, output.isFar);
    this.flushAt = startNs + this.flushNs;
  }

  get bytes(): number {
    return this.writer.fileBytes;
  }

  get entries(): number {
    return this.writer.entries;
  }

  /** Writes some of what there is; returns whether there may be more. Throws a {@link Refusal} where the disk takes no more. */
  write(now: number): boolean {
    const { output, transcript } = this;
    output.proceed();
    if (!output.hasRoom) return false;
    const more = transcript.write();
    if (now >= this.flushAt && transcript.isWhole) {
      this.writer.flush();
      this.flushAt = now + this.flushNs;
    }
    return more;
  }

  /** Whether the queues have told nothing that is not written, nor begun to. */
  get isLevel(): boolean {
    return this.transcript.isWhole && this.rings.readers.every(({ fill }) => fill === 0);
  }

  /** Whether a queue has given up, and with it the recording ends. */
  get gaveUp(): boolean {
    return this.rings.readers.some(({ gaveUp }) => gaveUp !== 0);
  }

  get isFull(): boolean {
    return this.writer.isFull;
  }

  /** Writes the end mark, and the index, if that was not done; a disk that takes neither leaves the file without. */
  end(now: number, end: End): void {
    if (this.isEnded) return;
    this.isEnded = true;
    try {
      this.transcript.cut();
      this.writer.end(Math.max(0, now - this.startNs), end);
    } catch (error) {
      asRefusal(error);
    }
  }

  private get flushNs(): number {
    return this.output.ageMs * 1e6;
  }
}

function startOf(config: ServerConfig, beginning: Beginning, hasChecksums: boolean, startNs: number): Start {
  const { isFromStart, features, renderer, storage } = beginning;
  const { outputs } = config;
  const names = Object.keys(limits) as (keyof typeof limits)[];
  return {
    server: packageJson.version,
    wallMs: wallMilliseconds(),
    monotonicNs: startNs,
    isFromStart,
    hasChecksums,
    features,
    // Without what is undefined.
    renderer: JSON.parse(JSON.stringify(renderer)) as Record<string, unknown>,
    storage,
    outputs: outputs.map(({ width, height }) => ({ width, height })),
    limits: Object.fromEntries(names.map((name) => [name, config[name]])),
    notRecorded,
  };
}
