// The ctrl queue's loop in one process, without a worker, a second processor or a sleep: from the avail ring to the used one.

import { bench, group } from "mitata";
import { CtrlQueue } from "../../src/actors/gpu/ctrl-queue.ts";
import { Format, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import * as commands from "../../lab/driver/commands.ts";
import { FakeContext } from "../../test/support/fake-context.ts";
import { QueueBench } from "../../test/support/queue-bench.ts";

/** What the device takes before it looks elsewhere. */
const batch = 64;
const size = 4 * batch;
const area = { x: 0, y: 0, width: 64, height: 64 };

/** A ring with `requests` in all of its slots; returns what offers and serves them all, again and again. */
function loop(requests: readonly DataView[], indirect: boolean): () => void {
  const context = new FakeContext("ctrl-queue");
  const ctrl = new CtrlQueue(context);
  const queue = new QueueBench(context, ctrl, { size, eventIdx: true });
  queue.command(commands.createResource2d(1, Format.B8G8R8X8, area.width, area.height));
  const { guest, driver } = queue;
  const chains = Array.from({ length: 2 * batch }, (_, slot) => {
    const request = requests[slot % requests.length]!;
    const readable = guest.allocate(request.byteLength, 64);
    readable.bytes.set(new Uint8Array(request.buffer));
    const writable = guest.allocate(24, 64);
    return { head: driver.add([readable], [writable], indirect), answer: writable.words };
  });
  driver.disableCall();
  // The ring is written once; only its index moves.
  const avail = driver.avail.data;
  let offered = avail.getUint16(2, true);
  for (let slot = 0; slot < size; slot++) {
    avail.setUint16(4 + 2 * ((offered + slot) % size), chains[slot % chains.length]!.head, true);
  }
  const serve = (): void => {
    offered = (offered + batch) & 0xffff;
    avail.setUint16(2, offered, true);
    ctrl.turn();
  };
  serve();
  serve();
  for (const { answer } of chains) {
    if (answer[0] !== Response.OK_NODATA)
      throw new Error(`a command was answered with 0x${answer[0]!.toString(16)}`);
  }
  return serve;
}

/** Made when it is its turn: the engine knows more of a queue that is the only one, as in a server. */
function benchLoop(name: string, requests: readonly DataView[], indirect: boolean): void {
  bench(name, function* () {
    yield loop(requests, indirect);
  });
}

group(`${batch} commands through the ctrl queue's loop`, () => {
  const smallest = [commands.flushResource(1, area)];
  benchLoop("RESOURCE_FLUSH of what no scanout shows", smallest, false);
  benchLoop("the same by indirect tables, as Linux does", smallest, true);
  const life = [commands.createResource2d(2, Format.B8G8R8X8, 64, 64), commands.unrefResource(2)];
  benchLoop("resources created and freed by turns", life, true);
});
