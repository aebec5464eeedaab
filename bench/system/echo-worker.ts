// A device that does nothing: whatever is offered is used at once, without a look at it.

import { workerData } from "node:worker_threads";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";

export interface EchoWorkerData {
  fd: number;
  bytes: number;
  /** Offsets of the rings in the memory, in bytes. */
  avail: number;
  used: number;
  size: number;
}

const { fd, bytes, avail, used, size } = workerData as EchoWorkerData;
const memory = NativeMemory.mapShared(fd, 0, bytes, "write");
const availHalves = new Uint16Array(memory.view(avail));
const usedHalves = new Uint16Array(memory.view(used));
const usedWords = new Uint32Array(memory.view(used));
const mask = size - 1;

for (let next = 0; ;) {
  const offered = Atomics.load(availHalves, 1);
  if (offered === next) continue;
  while (next !== offered) {
    usedWords[1 + 2 * (next & mask)] = availHalves[2 + (next & mask)]!;
    next = (next + 1) & 0xffff;
  }
  Atomics.store(usedHalves, 1, next);
}
