// The ring of a tap, as its actor writes it. Nothing here makes an object or waits; where the reader is slow, records are
// dropped and counted.

import type { NativeMemory } from "../../../transport/os/native-memory.ts";
import { MonotonicClock } from "../../../transport/os/monotonic-clock.ts";
import { Field, Head, headerBytes, namesAt, recordsMax, recordWords } from "./layout.ts";

export class TapRing {
  protected readonly head: Uint32Array;
  protected readonly ring: Uint32Array;
  /** The same, as doubles. */
  protected readonly doubles: Float64Array;
  /** When the clock was last read: what follows in the same moment goes by it. */
  protected now = 0;
  /** Whether something has passed since that was not told, and for which it was not read. */
  protected isStale = false;

  private readonly clock = new MonotonicClock();
  /** Records so far, modulo 2^32, and of those taken when last looked at. */
  private written: number;
  private taken: number;

  constructor(private readonly memory: NativeMemory) {
    this.head = new Uint32Array(memory.view(0, namesAt));
    this.ring = new Uint32Array(memory.view(headerBytes, recordsMax * recordWords * 4));
    this.doubles = new Float64Array(memory.view(headerBytes, recordsMax * recordWords * 4));
    this.written = this.head[Head.written]!;
    this.taken = this.head[Head.taken]!;
    Atomics.store(this.head, Head.begun, this.written);
  }

  /** Reads the clock: what comes next follows upon something else than the last record. */
  tick(): void {
    this.now = this.clock.now();
    this.isStale = false;
  }

  close(): void {
    this.clock.close();
    this.memory.unmap();
  }

  /** Shows the reader every record so far. */
  show(): void {
    Atomics.store(this.head, Head.written, this.written);
  }

  /** Writes four words behind the first four from `at` on. */
  protected write(at: number, one: number, two: number, three: number, four: number): void {
    const { ring } = this;
    ring[at + 4] = one;
    ring[at + 5] = two;
    ring[at + 6] = three;
    ring[at + 7] = four;
  }

  /** As {@link begin}, of what happens now; returns -1 where there is no room for it. */
  protected beginNow(kind: number, command: number): number {
    if (!this.hasRoom()) return -1;
    this.tick();
    return this.begin(kind, command);
  }

  /** Whether there is room for a record; one that finds none is counted, and costs next to nothing. */
  protected hasRoom(): boolean {
    if ((this.written - this.taken) >>> 0 < recordsMax) return true;
    this.taken = Atomics.load(this.head, Head.taken);
    if ((this.written - this.taken) >>> 0 < recordsMax) return true;
    this.head[Head.dropped]!++;
    this.isStale = true;
    return false;
  }

  /** Begins a record, for which there is room. Returns its first word in the ring. */
  protected begin(kind: number, command: number): number {
    const { written, ring } = this;
    const at = (written & (recordsMax - 1)) * recordWords;
    this.written = (written + 1) >>> 0;
    ring[at] = kind;
    ring[at + Field.command] = command;
    this.doubles[(at + Field.time) / 2] = this.now;
    return at;
  }
}
