// Guest addresses to host addresses, and the copies that follow.

import { bench, do_not_optimize, group } from "mitata";
import { asPointer, libc } from "../../src/ffi/libc.ts";
import { MemoryMap } from "../../src/transport/virtio/memory-map.ts";
import { createMemfd } from "../../src/transport/os/fds.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";

const regionBytes = 1 << 20;

/** A map of `count` regions of 1 MiB with gaps between them. */
function mapOf(count: number): MemoryMap {
  const map = new MemoryMap();
  const fd = createMemfd("bench", regionBytes);
  const regions = Array.from({ length: count }, (_, id) => ({
    id,
    guestAddress: id * 2 * regionBytes,
    size: regionBytes,
    fd,
    fdOffset: 0,
  }));
  map.replace(regions);
  libc.close(fd);
  return map;
}

group("translate a guest address", () => {
  const one = mapOf(1);
  const many = mapOf(64);
  bench("one region", () => do_not_optimize(one.translate(0x1234)));
  bench("64 regions, the same again", () => do_not_optimize(many.translate(0x1234)));
  let at = 0;
  bench("64 regions, another each time", () => {
    at = (at + 37) & 63;
    do_not_optimize(many.translate(at * 2 * regionBytes));
  });
});

group("memcpy through FFI", () => {
  const memory = NativeMemory.allocate(32 << 20);
  for (const [name, bytes] of [
    ["64 B", 64],
    ["4 KiB", 4096],
    ["1080p", 1920 * 1080 * 4],
  ] as const) {
    bench(name, () => libc.memcpy(asPointer(memory.address), asPointer(memory.address + (16 << 20)), bytes));
  }
});
