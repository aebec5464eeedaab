// A trace's file: written behind the inspector's back, one write at a time, and never waited for.

import type { write } from "node:fs";
import type { TraceSink } from "./running-trace.ts";

/** Bytes that the disk has not taken, beyond which the trace ends. */
const unwrittenMax = 16 * 1024 * 1024;
/** Loaded for a trace only: an inspector without one does without. */
const fs = () => process.getBuiltinModule("node:fs");

export class TraceFile implements TraceSink {
  error: string | null = null;
  private waiting: Uint8Array[] = [];
  private unwritten = 0;
  private isWriting = false;
  /** The last packet, once it is known, and whom to tell when all is written. */
  private ending: { last: Uint8Array; done: () => void } | null = null;

  /** Takes over `fd`, in which it goes on from byte `position`. `put` is as fs.write. */
  constructor(
    private readonly fd: number,
    private position = 0,
    private readonly put: typeof write = fs().write,
  ) {}

  write(packets: Uint8Array): void {
    if (this.error !== null || this.ending !== null) return;
    this.waiting.push(packets);
    this.unwritten += packets.length;
    if (this.unwritten > unwrittenMax) this.error = "the disk is too slow for it";
    this.next();
  }

  end(last: Uint8Array): Promise<void> {
    // What a disk that is too slow, or full, would take all the same is left out: the end is to be seen.
    if (this.error !== null) this.waiting = [];
    return new Promise((done) => {
      this.ending = { last, done };
      this.next();
    });
  }

  /** Begins the next write, unless one is under way. */
  private next(): void {
    if (this.isWriting) return;
    if (this.waiting.length > 0) {
      const packets = Buffer.concat(this.waiting.splice(0));
      this.writeAll(packets, this.position, () => (this.unwritten -= packets.length));
    } else if (this.ending !== null) {
      const { last, done } = this.ending;
      this.writeAll(
        last,
        this.position,
        () => undefined,
        () => fs().close(this.fd, () => done()),
      );
    }
  }

  /** Writes whole packets, or nothing of them. Calls `written` where it could, and `then` in any case. */
  private writeAll(
    packets: Uint8Array,
    from: number,
    written: () => void,
    then: () => void = () => this.next(),
  ): void {
    this.isWriting = true;
    this.put(this.fd, packets, 0, packets.length, from, (error, bytes) => {
      if (error === null && bytes > 0 && bytes < packets.length) {
        return this.writeAll(packets.subarray(bytes), from + bytes, written, then);
      }
      this.isWriting = false;
      if (error === null && bytes === packets.length) {
        this.position = from + bytes;
        written();
      } else this.fail(error?.code ?? "it takes no more");
      then();
    });
  }

  private fail(why: string): void {
    this.waiting = [];
    this.error ??= `it cannot be written: ${why}`;
    try {
      fs().ftruncateSync(this.fd, this.position);
    } catch {
      // It is no file that could be cut: what is half written stays.
    }
  }
}
