// What both queues tell, brought into one order and written.

import { EntryKind } from "../../transport/wire/record/entries.ts";
import type { RecordingWriter } from "../../transport/wire/record/writer.ts";
import { RingKind } from "./manifest.ts";
import type { RingReader } from "./ring-reader.ts";

/** What is written at a time, before messages get their turn. */
const bytesMax = 4 * 1024 * 1024;
const entriesMax = 4096;
/** Where a ring is fuller than this, its queue will soon have to wait. */
const hurry = 0.5;
const keyframeLeftOut =
  "a keyframe was left out: the guest's pictures are more than --record-ring-bytes has room for";

export class Transcript {
  keyframes = 0;
  /** Whether a keyframe has come whose cursors nobody has told yet. */
  owesCursors = false;
  private next = 0;
  private readonly numbers = new Uint32Array(6);
  /** Commands of each queue, and how many those had been when the rings began. */
  private readonly counted = new Uint32Array(2);
  private readonly countedBefore = new Uint32Array(2);
  /** Whose body is yet to come as a whole. */
  private open: RingReader | null = null;

  constructor(
    private readonly rings: readonly RingReader[],
    private readonly writer: RecordingWriter,
    /** CLOCK_MONOTONIC where the recording begins. */
    private readonly startNs: number,
    private readonly isFar: boolean,
  ) {}

  /** Writes some of what there is; returns whether there may be more. Throws what the file does. */
  write(): boolean {
    const { writer } = this;
    writer.isHurried = !this.isFar && this.rings.some(({ fill }) => fill > hurry);
    const until = writer.entries + entriesMax;
    for (let bytes = 0; bytes < bytesMax && writer.entries < until;) {
      if (this.open !== null) {
        if (!this.open.take(writer.bodies, writer.bodiesEnd)) return false;
        this.open = null;
      }
      const ring = this.ringOf(this.next);
      if (ring === null) return false;
      bytes += this.begin(ring);
    }
    return true;
  }

  /** The rings begin anew; commands are counted on. */
  restart(): void {
    this.next = 0;
    this.countedBefore.set(this.counted);
  }

  /** Whether no entry is half there. */
  get isWhole(): boolean {
    return this.open === null;
  }

  /** Takes back the entry that is not whole, if there is one: nothing more comes of it. */
  cut(): void {
    if (this.open !== null) this.writer.takeBack();
    this.open = null;
  }

  /** The ring whose next entry has this order; null where that is not there yet. */
  private ringOf(order: number): RingReader | null {
    for (let queue = 0; queue < this.rings.length; queue++) {
      const ring = this.rings[queue]!;
      if (ring.nextOrder === order) return ring;
    }
    return null;
  }

  /** Whoever has written the numbers of the entry may be anybody. */
  private countOn(isCommand: boolean): void {
    const { numbers, counted, countedBefore } = this;
    const queue = numbers[0]! & 1;
    numbers[1]! += countedBefore[queue]!;
    if (isCommand) counted[queue] = numbers[1]!;
  }

  private begin(ring: RingReader): number {
    const { writer, numbers } = this;
    const kind = ring.begin(numbers);
    const time = Math.max(0, ring.time - this.startNs);
    const { bodyBytes } = ring;
    ring.headTaken();
    this.next = (this.next + 1) >>> 0;
    if (kind === RingKind.keyframeLeftOut) {
      writer.addDetails("missing", time, { what: keyframeLeftOut });
      return 0;
    }
    if (kind === EntryKind.command || kind === EntryKind.answer) this.countOn(kind === EntryKind.command);
    if (kind === EntryKind.keyframe) this.keyframes++;
    if (kind === EntryKind.keyframe) this.owesCursors = true;
    writer.begin(kind, time, numbers, bodyBytes);
    this.open = ring;
    return bodyBytes;
  }
}
