// A chain from the avail ring to the used ring: pop, copy the request in, respond, add used, publish.

import { bench, group } from "mitata";
import { DriverRing } from "../../lab/driver/driver-ring.ts";
import { GuestMemory } from "../../lab/driver/guest-memory.ts";
import { MemoryMap } from "../../src/transport/virtio/memory-map.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { Chain } from "../../src/transport/virtio/chain.ts";
import { SplitRing } from "../../src/transport/virtio/split-ring.ts";

const requestBytes = 64;
const responseBytes = 24;

/** A driver with one chain, and the device's ring over the same memory; answers one round of both. */
function command(indirect: boolean): () => void {
  const memory = new GuestMemory();
  const driver = new DriverRing(memory, { size: 256, eventIdx: true });
  const head = driver.add([memory.allocate(requestBytes)], [memory.allocate(responseBytes)], indirect);
  const map = new MemoryMap();
  map.replace(
    memory.regions.map(({ guestAddress, size, fd }, id) => ({ id, guestAddress, size, fd, fdOffset: 0 })),
  );
  const layout = {
    num: driver.size,
    desc: driver.descriptors.address,
    avail: driver.avail.address,
    used: driver.used.address,
    usedLog: -1,
    eventIdx: true,
  };
  const ring = new SplitRing(layout, map, 0);
  const chain = new Chain(map);
  const scratch = NativeMemory.allocate(4096);
  return () => {
    driver.offer(head);
    driver.commit();
    ring.pop(chain);
    chain.copyRequest(scratch.address, 4096);
    ring.complete(chain.head, chain.respond(scratch.address, responseBytes));
    ring.publish();
    driver.pop();
  };
}

group("one command through the ring, offered by the driver and served by the device", () => {
  bench("direct descriptors", command(false));
  bench("an indirect table", command(true));
});
