// The VMM's log of pages that the device has written, as a migration has it.

import { closeFd, createMemfd } from "../../src/transport/os/fds.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { TransportFeature } from "../../src/transport/wire/vhost-user/protocol.ts";
import type { SyntheticGuest } from "./synthetic-guest.ts";

/** Turns it on; the view has a bit a page. */
export function logDirtyPages({ memory, frontend, features }: SyntheticGuest): {
  bits: Uint8Array;
  stop: () => void;
} {
  const end = Math.max(...memory.regions.map((region) => region.end));
  const bytes = Math.ceil(end / 4096 / 8);
  const fd = createMemfd("dirty-log", bytes);
  const log = NativeMemory.mapShared(fd, 0, bytes, "write");
  frontend.setLogBase(fd, bytes);
  closeFd(fd);
  frontend.setFeatures(features | (1n << BigInt(TransportFeature.LOG_ALL)));
  return {
    bits: new Uint8Array(log.view()),
    stop: () => {
      frontend.setFeatures(features);
      log.unmap();
    },
  };
}
