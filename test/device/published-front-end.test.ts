// What has been published against vhost-user back-ends, named by its id, and displays that lie: a front-end ends its own
// session at most.

import { describe, expect, test } from "bun:test";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { SessionClosed } from "../../lab/vmm/message-channel.ts";
import { configRequest, inflight, u64, vringState } from "../../lab/vmm/vhost-user-payloads.ts";
import { libc } from "../../src/ffi/libc.ts";
import { EPOLLIN } from "../../src/transport/os/epoll.ts";
import { closeFd, createMemfd, duplicateFd } from "../../src/transport/os/fds.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { socketPair } from "../../src/transport/os/unix-socket.ts";
import { inflightBytes, InflightRegion } from "../../src/transport/virtio/layout.ts";
import { RequestType } from "../../src/transport/wire/vhost-user/protocol.ts";
import { DisplayRequest, replyFlag } from "../../src/transport/wire/vhost-user-gpu/protocol.ts";
import { Format, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { expectShown, expectType, expectWorking, pattern, serveTests, untilUsed } from "./support.ts";

const { withConnection, withDevice, expectServing, server } = serveTests("--display-timeout-ms", "100");
const all = 0xffff_ffff;
/** Entries of a queue's inflight record. */
const num = 256;
const u32s = (...values: number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);

/** Sends a message, and says whether it has ended the session. */
function ends(
  { frontend }: SyntheticGuest,
  request: number,
  payload: Uint8Array,
  fds: number[] = [],
): boolean {
  try {
    frontend.send(request, payload, fds);
    frontend.send(RequestType.GET_FEATURES);
    while (frontend.receive().request !== RequestType.GET_FEATURES);
    return false;
  } catch (error) {
    if (!(error instanceof SessionClosed)) throw error;
    return true;
  }
}

describe("work_items/4403:", () => {
  test("every request, of a wrong length and with wrong descriptors, ends its session or is refused, and nothing leaks", async () => {
    const memfd = createMemfd("lies", 4096);
    const shapes = [
      [4, 9],
      [1000, 2],
    ] as const;
    // What a reply is made of, too, and numbers that there are not.
    const requests = [...Object.values(RequestType), 0, 100, all];
    // What a server opens for its first guest stays.
    expectServing();
    const before = server().usage().fds;
    let ended = 0;
    for (const request of requests) {
      for (const [length, fdCount] of shapes) {
        await withConnection({}, (guest) => {
          guest.initialise();
          const fds = Array.from({ length: fdCount }, () => duplicateFd(memfd));
          if (ends(guest, request, new Uint8Array(length).fill(0xff), fds)) ended++;
          fds.forEach(closeFd);
        });
      }
    }
    expectServing();
    closeFd(memfd);
    expect(ended).toBeGreaterThan(requests.length * 1.5);
    expect(server().usage().fds).toBeLessThan(before + 8);
  });

  const vrings: [name: string, request: number, payload: (index: number) => Uint8Array, fds: number][] = [
    ["SET_VRING_NUM", RequestType.SET_VRING_NUM, (index) => vringState(index, 64), 0],
    ["SET_VRING_BASE", RequestType.SET_VRING_BASE, (index) => vringState(index, 0), 0],
    ["GET_VRING_BASE", RequestType.GET_VRING_BASE, (index) => vringState(index, 0), 0],
    ["SET_VRING_ENABLE", RequestType.SET_VRING_ENABLE, (index) => vringState(index, 1), 0],
    ["SET_VRING_ADDR", RequestType.SET_VRING_ADDR, (index) => u32s(index, 0, 0, 0, 0, 0, 0, 0, 0, 0), 0],
    ["SET_VRING_KICK", RequestType.SET_VRING_KICK, (index) => u64(BigInt(index & 255)), 1],
    ["SET_VRING_CALL", RequestType.SET_VRING_CALL, (index) => u64(BigInt(index & 255)), 1],
    ["SET_VRING_ERR", RequestType.SET_VRING_ERR, (index) => u64(BigInt(index & 255)), 1],
  ];
  test.each(vrings)(
    "%s of a vring that there is not ends the session",
    async (_, request, payload, count) => {
      for (const index of [2, 3, 0x7f, all]) {
        await withDevice({}, (guest) => {
          const fds = count === 0 ? [] : [guest.control.ring.kickFd];
          expect(ends(guest, request, payload(index), fds)).toBe(true);
        });
      }
      expectServing();
    },
  );

  test("the configuration space is neither read nor written beyond its end", () =>
    withDevice({}, (guest) => {
      for (const [offset, size] of [
        [0, all],
        [all, 1],
        [255, 2],
        [0x8000_0000, 0x8000_0000],
      ] as const) {
        const payload = configRequest(offset, size, 0, new Uint8Array(16));
        const reply = guest.frontend.ask(RequestType.GET_CONFIG, payload);
        expect(reply.payload.byteLength).toBe(0);
        expect(() => guest.frontend.tell(RequestType.SET_CONFIG, payload)).toThrow();
      }
      expectWorking(guest);
    }));
});

describe("work_items/3974:", () => {
  const { entries, entry } = InflightRegion;
  /** Writes the record of one queue; the ring's used index is 0. */
  const lies: [name: string, isReplayed: boolean, write: (record: DataView) => void][] = [
    ["of another version", false, (record) => record.setUint16(InflightRegion.version, 2, true)],
    ["of no descriptors", false, (record) => record.setUint16(InflightRegion.descriptorCount, 0, true)],
    [
      "of 65535 descriptors",
      false,
      (record) => record.setUint16(InflightRegion.descriptorCount, 0xffff, true),
    ],
    [
      "whose last batch begins outside of it",
      false,
      (record) => {
        record.setUint16(InflightRegion.usedIndex, 0x8000, true);
        record.setUint16(InflightRegion.lastBatchHead, 0xffff, true);
      },
    ],
    [
      "whose last batch leads outside of it",
      false,
      (record) => {
        record.setUint16(InflightRegion.usedIndex, 0xfff0, true);
        record.setUint16(InflightRegion.lastBatchHead, 3, true);
        record.setUint16(entries + 3 * entry.bytes + entry.next, num, true);
      },
    ],
    ["whose last batch is a circle", false, (record) => record.setUint16(InflightRegion.usedIndex, 1, true)],
    [
      "that has all chains under way, and counters of all ones",
      true,
      (record) => {
        for (let head = 0; head < num; head++) {
          record.setUint8(entries + head * entry.bytes + entry.inflight, 1);
          record.setBigUint64(entries + head * entry.bytes + entry.counter, 2n ** 64n - 1n, true);
        }
      },
    ],
  ];
  test.each(lies)("a record %s is survived", async (_, isReplayed, write) => {
    await withConnection({}, (guest) => {
      guest.initialise();
      const { fd, size, offset } = guest.frontend.getInflightFd(2, num);
      const memory = NativeMemory.mapShared(fd, 0, size, "write");
      for (const queue of [0, 1]) {
        const record = new DataView(memory.view(offset + queue * inflightBytes(num), inflightBytes(num)));
        record.setUint16(InflightRegion.version, 1, true);
        record.setUint16(InflightRegion.descriptorCount, num, true);
        write(record);
      }
      guest.frontend.setInflightFd(fd, size, offset, 2, num);
      closeFd(fd);
      guest.start();
      // What the driver never sent comes back used, at which it would balk.
      if (isReplayed) untilUsed(guest, num);
      else expectWorking(guest);
      memory.unmap();
    });
    expectServing();
  });

  const claims: [name: string, payload: Uint8Array][] = [
    ["of more bytes than it has", inflight(2 ** 40, 0, 2, num)],
    ["of fewer bytes than its queues", inflight(64, 0, 2, num)],
    ["of 65535 queues", inflight(inflightBytes(num) * 2, 0, 0xffff, num)],
    ["of 65535 entries a queue", inflight(inflightBytes(num) * 2, 0, 2, 0xffff)],
  ];
  test.each(claims)("a record %s ends the session", async (_, payload) => {
    const memfd = createMemfd("record", inflightBytes(num) * 2);
    await withConnection({}, (guest) => {
      guest.initialise();
      expect(ends(guest, RequestType.SET_INFLIGHT_FD, payload, [memfd])).toBe(true);
    }).finally(() => closeFd(memfd));
    expectServing();
  });
});

test.each([
  ["behind its file's end", 2 ** 40],
  ["at the file's last pages", inflightBytes(num)],
  ["between two words", 12],
])("work_items/3974: a record that begins %s costs no more than its session", async (_, offset) => {
  const memfd = createMemfd("record", inflightBytes(num) * 2);
  await withConnection({}, (guest) => {
    guest.initialise();
    guest.frontend.setInflightFd(memfd, inflightBytes(num) * 2, offset, 2, num);
    try {
      guest.start();
      guest.frontend.getFeatures();
    } catch (error) {
      if (!(error instanceof SessionClosed)) throw error;
    }
  }).finally(() => closeFd(memfd));
  expectServing();
});

describe("a display, from reading peers:", () => {
  const { GET_PROTOCOL_FEATURES, GET_EDID } = DisplayRequest;
  const answer = u32s(GET_PROTOCOL_FEATURES, replyFlag, 8, 3, 0);
  const lies: [name: string, bytes: Uint8Array, isEnd: boolean][] = [
    ["that ends within an answer's header", answer.slice(0, 7), true],
    ["that ends between header and payload", answer.slice(0, 12), true],
    ["that ends within an answer's payload", answer.slice(0, 15), true],
    ["that answers another question", u32s(GET_EDID, replyFlag, 1056), false],
    ["that answers with too few bytes", u32s(GET_PROTOCOL_FEATURES, replyFlag, 4, 3), false],
    ["that answers with 4 GiB", u32s(GET_PROTOCOL_FEATURES, replyFlag, all), false],
    ["that answers without saying that it does", u32s(GET_PROTOCOL_FEATURES, 0, 8, 3, 0), false],
    ["that answers twice", new Uint8Array([...answer, ...answer]), false],
    ["that stops within an answer", answer.slice(0, 15), false],
  ];
  test.each(lies)("%s costs its picture, and the next one shows", (_, bytes, isEnd) =>
    withDevice({ display: null }, (guest) => {
      const { gpu, pump } = guest;
      const [ours, theirs] = socketPair("stream");
      let isAsked = false;
      pump.epoll.add(ours, EPOLLIN, () => (isAsked = true));
      guest.frontend.gpuSetSocket(theirs);
      closeFd(theirs);
      pump.until(() => isAsked, "the first question");
      pump.epoll.remove(ours);
      libc.write(ours, bytes, bytes.length);
      if (isEnd) closeFd(ours);
      const image = gpu.createImage(1, Format.B8G8R8X8, 16, 16);
      image.pixels.set(pattern(16, 16));
      gpu.show(0, image);
      expectType(gpu.getDisplayInfo(), Response.OK_DISPLAY_INFO);
      expectType(gpu.getEdid(0), Response.OK_EDID);
      guest.openDisplay();
      expectShown(guest, 0, 16, 16, pattern(16, 16));
      expectWorking(guest);
      if (!isEnd) closeFd(ours);
    }),
  );
});
