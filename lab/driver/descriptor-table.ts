// Entries of a descriptor table as the driver writes them (virtio 1.3 §2.7.5).

import { Descriptor } from "../../src/transport/virtio/layout.ts";

/** Writes entry `index` of a descriptor table that is seen as `words`. */
export function writeDescriptor(
  words: Uint32Array,
  index: number,
  address: number,
  length: number,
  flags: number,
  next: number,
): void {
  const offset = index * (Descriptor.bytes / 4);
  words[offset] = address >>> 0;
  words[offset + 1] = Math.floor(address / 2 ** 32);
  words[offset + 2] = length;
  words[offset + 3] = flags | (next << 16);
}
