// A recording that is played while it comes.

import { Refusal } from "../../../src/transport/os/errors.ts";
import type { Entry } from "../../../src/transport/wire/record/entries.ts";
import { RecordingError } from "../../../src/transport/wire/record/recording-error.ts";
import { growingFrom } from "../../../src/transport/wire/record/reader.ts";
import type { GrowingRecording } from "../../../src/transport/wire/record/recording.ts";
import type { Source } from "./source.ts";

/** How long nothing may come of what has begun; between two chunks a guest may rest for any time. */
const stallMsDefault = 30_000;
/** How often others are served meanwhile. */
const serveMs = 4;
/** How far behind a play may be before a keyframe ahead is better. */
const behindNsMax = 1e9;

export class LiveRecording {
  private seen = { bytes: 0, at: performance.now() };
  /** The chunk that is played, and the last that was looked at for a keyframe. */
  private playing = 0;
  private looked = 0;

  private constructor(
    readonly recording: GrowingRecording,
    private readonly source: Source,
    private readonly mayLeap: boolean,
    private readonly stallMs: number,
  ) {}

  /**
   * Waits for its beginning. `mayLeap`: whether some of it may be left out to catch up. Throws a {@link Refusal} for what is none;
   * closes `source` then.
   */
  static async open(
    source: Source,
    mayLeap: boolean,
    signal: AbortSignal,
    stallMs = stallMsDefault,
  ): Promise<LiveRecording> {
    const began = performance.now();
    try {
      for (;;) {
        const recording = growingFrom(source.readAt, source.bytes, () => source.close());
        if (recording !== null) return new LiveRecording(recording, source, mayLeap, stallMs);
        if (source.end !== null) throw new Refusal(`no recording has come: ${source.end}`);
        if (performance.now() - began > stallMs) {
          throw new Refusal(`no recording has come in ${stallMs / 1000} s`);
        }
        await source.wait(signal);
        signal.throwIfAborted();
      }
    } catch (error) {
      source.close();
      throw error;
    }
  }

  /** The entries from a chunk on; null where there is no more yet. What lies before the chunk of one is not read again. */
  *entries(from: number): Generator<Entry | null> {
    const { recording, source } = this;
    for (let chunk = from; ; chunk++) {
      while (chunk === recording.chunks.length && !recording.isWhole) yield null;
      if (chunk === recording.chunks.length) return;
      this.playing = chunk;
      source.forget(recording.chunks[chunk]!.at);
      yield* recording.read(chunk);
    }
  }

  /** Nanoseconds of the recording that have come and were not played, where the play is at `time`. */
  behind(time: number): number {
    return Math.max(0, this.recording.chunks.at(-1)!.firstTime - time);
  }

  /** The last chunk with whose keyframe all is known, where `time` is far behind and that was not looked for before; or -1. */
  keyframeAhead(time: number): number {
    const { recording, mayLeap } = this;
    const last = recording.chunks.length - 1;
    if (!mayLeap || last === this.looked || recording.isWhole || this.behind(time) < behindNsMax) return -1;
    const from = Math.max(this.playing, this.looked);
    this.looked = last;
    for (let chunk = last; chunk > from; chunk--) {
      if (!recording.chunks[chunk]!.isKeyframe) continue;
      const [first] = recording.read(chunk);
      if (first?.kind === "keyframe" && first.contexts + first.rendered === 0) return chunk;
    }
    return -1;
  }

  /** Waits for another chunk, or the end: the recording says which. Calls `serve` all the time. */
  async more(signal: AbortSignal, serve: () => void = () => {}): Promise<void> {
    let isOver = false;
    const wait = this.wait(signal).finally(() => (isOver = true));
    while (!isOver) {
      serve();
      await Promise.race([wait, Bun.sleep(serveMs)]);
    }
    await wait;
  }

  private async wait(signal: AbortSignal): Promise<void> {
    const { recording, source } = this;
    const { length } = recording.chunks;
    while (!recording.isWhole && recording.chunks.length === length && !signal.aborted) {
      // What has come by the end is all.
      const { end } = source;
      this.look(source.bytes);
      if (recording.isWhole || recording.chunks.length > length) return;
      if (end !== null) recording.cut(end);
      else await source.wait(signal);
    }
  }

  private look(bytes: number): void {
    const { recording, seen, stallMs } = this;
    const now = performance.now();
    if (bytes > seen.bytes) this.seen = { bytes, at: now };
    else if (recording.isWithinChunk && now - seen.at > stallMs) {
      return recording.cut(`nothing has come of a chunk for ${stallMs / 1000} s`);
    }
    try {
      recording.grow(bytes);
    } catch (error) {
      if (!(error instanceof RecordingError)) throw error;
      recording.cut(error.message);
    }
  }
}
