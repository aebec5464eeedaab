// Random input, the same on every run: commands, descriptor tables and vhost-user messages that no driver and no VMM
// sends. Nothing of it may end the server, and each session that it ends is followed by one that works.

import { expect, test } from "bun:test";
import { duplicateFd, closeFd, createMemfd } from "../../src/transport/os/fds.ts";
import { BlobMem, Command, Feature, Format, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { serveTests } from "./support.ts";

const { withDevice, withConnection, expectServing, server } = serveTests("--storage-bytes-max", "67108864");
const types = Object.values(Command);
const formats = Object.values(Format);
const interesting = [0, 1, 2, 3, 15, 16, 64, 100, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff];

/** xorshift32: numbers below 2^32 that depend on the seed alone. */
function randomSource(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

for (const seed of [1, 2, 3, 4]) {
  test(`4,000 random commands, seed ${seed}`, () =>
    withDevice({}, (guest) => {
      const random = randomSource(seed);
      const field = (): number =>
        random(3) === 0 ? interesting[random(interesting.length)]! : random(random(4) === 0 ? 2 ** 31 : 70);
      for (let round = 0; round < 4000; round++) {
        const request = new Uint32Array(6 + random(12));
        for (let word = 6; word < request.length; word++) request[word] = field();
        request[0] = random(20) === 0 ? field() : types[random(types.length)]!;
        request[1] = random(4);
        request[2] = field();
        if (request[0] === Command.RESOURCE_CREATE_2D && request.length > 9) {
          request[7] = formats[random(formats.length)]!;
          request[8] = 1 + random(200);
          request[9] = 1 + random(200);
        }
        const queue = random(5) === 0 ? guest.cursor : guest.control;
        const result = queue.call(new Uint8Array(request.buffer), {
          responseBytes: [0, 1, 23, 24, 2000][random(5)]!,
          indirect: random(2) === 0,
        });
        expect(result.length).toBeLessThanOrEqual(2000);
      }
    }));
}

/** What blobs are made, shown and ended by. */
const ofBlobs = [
  Command.RESOURCE_CREATE_BLOB,
  Command.RESOURCE_CREATE_BLOB,
  Command.SET_SCANOUT_BLOB,
  Command.SET_SCANOUT_BLOB,
  Command.RESOURCE_FLUSH,
  Command.RESOURCE_FLUSH,
  Command.RESOURCE_DETACH_BACKING,
  Command.RESOURCE_ATTACH_BACKING,
  Command.RESOURCE_UNREF,
  Command.UPDATE_CURSOR,
];

for (const seed of [10, 11]) {
  test(`3,000 random commands about blobs, seed ${seed}`, () =>
    withDevice({ gpuFeatures: [Feature.EDID, Feature.VIRGL, Feature.RESOURCE_BLOB] }, (guest) => {
      const random = randomSource(seed);
      const pages = guest.memory.allocate(64 * 4096, 4096);
      const answers = new Set<string>();
      const odd = (usual: number): number =>
        random(12) === 0 ? interesting[random(interesting.length)]! : usual;
      const entries = (count: number): number[] =>
        Array.from({ length: count }, () => {
          const address = pages.address + odd(random(60) * 4096);
          return [address % 2 ** 32, Math.floor(address / 2 ** 32), odd(4096), 0];
        }).flat();
      for (let round = 0; round < 3000; round++) {
        const type = ofBlobs[random(ofBlobs.length)]!;
        const id = odd(1 + random(4));
        const count = 1 + random(4);
        const [width, height] = [odd(1 + random(40)), odd(1 + random(20))];
        const rect = [odd(0), odd(0), width, height];
        const fields: Partial<Record<number, number[]>> = {
          [Command.RESOURCE_CREATE_BLOB]: [
            ...[id, odd(BlobMem.GUEST), odd(2), odd(count), 0, 0, odd(count * 4096), odd(0)],
            ...entries(count),
          ],
          [Command.SET_SCANOUT_BLOB]: [
            ...[...rect, odd(random(3)), id, odd(width), odd(height), odd(formats[random(8)]!), 0],
            ...[odd(width * 4 + random(9)), 0, 0, 0, odd(random(4000)), 0, 0, 0],
          ],
          [Command.RESOURCE_FLUSH]: [...rect, id, 0],
          [Command.RESOURCE_ATTACH_BACKING]: [id, odd(count), ...entries(count)],
          [Command.UPDATE_CURSOR]: [0, 0, 0, 0, id, 0, 0, 0],
        };
        const words = [type, 0, 0, 0, 0, 0, ...(fields[type] ?? [id, 0])];
        const queue = type === Command.UPDATE_CURSOR ? guest.cursor : guest.control;
        const { type: code } = queue.call(new Uint8Array(Uint32Array.from(words).buffer));
        answers.add(`${type} ${code >= Response.ERR_UNSPEC ? "refused" : "done"}`);
      }
      // Each was done at times, and refused at others.
      expect(answers.size).toBe(new Set(ofBlobs).size * 2);
      expect(guest.display!.violations).toEqual([]);
    }));
}

for (const seed of [5, 6, 7, 8]) {
  test(`random descriptor tables, seed ${seed}`, async () => {
    const random = randomSource(seed);
    for (let session = 0; session < 10; session++) {
      await withDevice({}, (guest) => {
        const { ring } = guest.control;
        const words = [0, 0x1000, 0x2000, 0x1_0000_0000, 0x1_0010_0000, 0xffff_ffff_f000, 2 ** 52];
        for (let index = 0; index < ring.size; index++) {
          const address = words[random(words.length)]! + random(4096);
          const length = random(5) === 0 ? interesting[random(interesting.length)]! : random(200);
          ring.raw.descriptor(index, address, length, random(8), random(ring.size + 3));
        }
        for (let offer = 0; offer < 50; offer++) ring.raw.offer(random(ring.size + 2));
        ring.raw.availIndex(random(4) === 0 ? random(65536) : 50);
        guest.pump.serve(5);
      }).catch((error: Error) => {
        // The driver's own bookkeeping has been lied to; only the server matters here.
        if (server().exitCode !== null) throw error;
      });
    }
    expectServing();
  });
}

test("2,000 random vhost-user messages", async () => {
  const random = randomSource(9);
  const memfd = createMemfd("fuzz", 1 << 20);
  for (let session = 0; session < 100; session++) {
    await withConnection({}, (guest) => {
      if (random(2) === 0) guest.initialise();
      for (let message = 0; message < 20; message++) {
        const payload = new Uint32Array([0, 2, 2, 5, 7, 10, 16, 33][random(8)]!);
        for (let word = 0; word < payload.length; word++) {
          payload[word] = random(2) === 0 ? random(3) : interesting[random(interesting.length)]!;
        }
        const fds = Array.from({ length: [0, 0, 1, 1, 2, 9][random(6)]! }, () => duplicateFd(memfd));
        try {
          guest.frontend.send(random(45), new Uint8Array(payload.buffer), fds, 1 | (random(2) << 3));
        } catch {
          // The server has hung up, as it should.
          return;
        } finally {
          fds.forEach(closeFd);
        }
      }
    }).catch((error: Error) => {
      if (server().exitCode !== null) throw error;
    });
    expect(server().exitCode).toBeNull();
  }
  closeFd(memfd);
  expectServing();
});
