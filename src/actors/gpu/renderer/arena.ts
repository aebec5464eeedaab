// The memory that commands and their answers lie in. Who runs commands in another process maps it for themselves; here all use
// one mapping, since a load through another one has to wait for the stores that went before it.

import type { NativeMemory } from "../../../transport/os/native-memory.ts";

export interface Arena {
  /** Its owner's, and open for as long as that is. */
  readonly fd: number;
  /** Its owner's mapping in this process. */
  readonly memory: NativeMemory;
}
