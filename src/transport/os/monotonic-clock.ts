// CLOCK_MONOTONIC, which is one for all threads: those of the engine begin with each of them.

import { asPointer, CLOCK_MONOTONIC, libc } from "../../ffi/libc.ts";
import { NativeMemory } from "./native-memory.ts";
import { isSimulated, nanoseconds } from "./clock.ts";

/** struct timespec. */
const bytes = 16;

export class MonotonicClock {
  private readonly memory = NativeMemory.allocate(bytes);
  private readonly pointer = asPointer(this.memory.address);
  private readonly words = new Uint32Array(this.memory.view());

  /** Nanoseconds; exact for a hundred days of the host's. Makes no object. */
  now(): number {
    if (isSimulated()) return nanoseconds();
    libc.clock_gettime(CLOCK_MONOTONIC, this.pointer);
    const { words } = this;
    return (words[1]! * 2 ** 32 + words[0]!) * 1e9 + words[2]!;
  }

  close(): void {
    this.memory.unmap();
  }
}
