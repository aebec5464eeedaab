// A trace that is being made: of a tracer's packets, for a sink, up to a ceiling.

import type { Tracer } from "./tracer.ts";

/** Where a trace goes. Nothing here waits. */
export interface TraceSink {
  /** Why it takes no more; null while it does. */
  readonly error: string | null;
  write(packets: Uint8Array): void;
  /** Takes the last packet; resolves when all that it could take is where it belongs. */
  end(last: Uint8Array): Promise<void>;
}

/** Room for the packet that says why a trace ends. */
const markBytes = 512;

export class RunningTrace {
  bytes = 0;
  private isOver = false;

  constructor(
    readonly tracer: Tracer,
    private readonly sink: TraceSink,
    private readonly bytesMax: number,
    /** Told when it has to end by itself. */
    private readonly onEnd: (why: string) => void,
  ) {}

  /** Hands on what this turn's records have made. */
  turn(ns: number): void {
    if (this.isOver) return;
    const packets = this.tracer.turn(ns);
    const { error } = this.sink;
    if (error !== null) this.endBecause(ns, error);
    else if (this.bytes + packets.length > this.bytesMax - markBytes) {
      this.endBecause(ns, `it has the ${this.bytesMax} bytes that --trace-bytes-max allows`);
    } else if (packets.length > 0) {
      this.bytes += packets.length;
      this.sink.write(packets);
    }
  }

  /** Ends it; resolves when all of it is written that can be. */
  async end(ns: number, why: string): Promise<void> {
    if (this.isOver) return;
    this.turn(ns);
    this.isOver = true;
    const last = this.tracer.mark(ns, why);
    this.bytes += last.length;
    await this.sink.end(last);
  }

  private endBecause(ns: number, why: string): void {
    this.isOver = true;
    void this.sink.end(this.tracer.mark(ns, why));
    this.onEnd(why);
  }
}
