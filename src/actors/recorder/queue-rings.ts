// The rings of both queues, as the recorder has them.

import type { ActorContext } from "../runtime/actor.ts";
import type { NativeMemory } from "../../transport/os/native-memory.ts";
import { Rings } from "./manifest.ts";
import { RingReader } from "./ring-reader.ts";

export class QueueRings {
  readonly readers: readonly RingReader[];
  private readonly memory: NativeMemory;
  private readonly shared: Int32Array;

  constructor(context: ActorContext) {
    this.memory = context.area("recording", "write");
    this.shared = new Int32Array(this.memory.view(0, 4096));
    this.readers = ([0, 1] as const).map((queue) => {
      const most = Math.min(context.config.recordRingBytes, Rings.ringBytesMax[queue]);
      return new RingReader(this.memory, queue, 2 ** Math.floor(Math.log2(most)));
    });
  }

  /** Has them begin anew: no queue writes now. */
  empty(): void {
    Atomics.store(this.shared, Rings.nextOrder, 0);
    for (const ring of this.readers) ring.reset();
  }

  close(): void {
    this.memory.unmap();
  }
}
