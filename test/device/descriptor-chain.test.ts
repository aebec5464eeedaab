// Chains as no driver makes them: each is answered or returned, and the queue goes on.

import { describe, expect, test } from "bun:test";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { defaultRegions } from "../../lab/driver/guest-memory.ts";
import { writeDescriptor } from "../../lab/driver/descriptor-table.ts";
import { Command, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { DescriptorFlag } from "../../src/transport/virtio/layout.ts";
import { expectWorking, serveTests } from "./support.ts";

const { withDevice } = serveTests();
const { NEXT, WRITE, INDIRECT } = DescriptorFlag;
const outside = 0x7000_0000_0000;
/** Nothing follows it. */
const regionEnd = defaultRegions[0]!.guestAddress + defaultRegions[0]!.size;

interface Room {
  request: number;
  response: number;
  table: number;
  guest: SyntheticGuest;
}

/** Writes a hostile chain with `write`, offers head 0 alone, and answers what the device returned. */
function offer(guest: SyntheticGuest, write: (room: Room) => void, head = 0): { used: number; type: number } {
  const { ring } = guest.control;
  const { memory } = guest;
  const request = memory.allocate(4096);
  const response = memory.allocate(4096);
  const table = memory.allocate(4096);
  request.words[0] = Command.GET_CAPSET_INFO;
  tables.set(guest, table.words);
  write({ request: request.address, response: response.address, table: table.address, guest });
  ring.raw.offer(head);
  ring.raw.availIndex(ring.raw.publishedAvailIndex() + 1);
  guest.pump.until(() => ring.hasUsed(), "the chain");
  ring.pop();
  return { used: ring.usedLength, type: response.words[0]! };
}

const tables = new WeakMap<SyntheticGuest, Uint32Array>();
const raw = (guest: SyntheticGuest) => guest.control.ring.raw;

describe("a malformed chain with room for an answer is answered ERR_UNSPEC", () => {
  const chains: [string, (room: Room) => void][] = [
    [
      "that loops",
      ({ request, response, guest }) => {
        raw(guest).descriptor(0, request, 32, NEXT, 1);
        raw(guest).descriptor(1, response, 24, WRITE | NEXT, 1);
      },
    ],
    [
      "whose next lies outside of the table",
      ({ request, response, guest }) => {
        raw(guest).descriptor(0, request, 32, NEXT, 1);
        raw(guest).descriptor(1, response, 24, WRITE | NEXT, 60_000);
      },
    ],
    [
      "that is readable after it was writable",
      ({ request, response, guest }) => {
        raw(guest).descriptor(0, response, 24, WRITE | NEXT, 1);
        raw(guest).descriptor(1, request, 32, 0);
      },
    ],
    [
      "that ends outside of memory",
      ({ request, response, guest }) => {
        raw(guest).descriptor(0, request, 32, NEXT, 1);
        raw(guest).descriptor(1, response, 24, WRITE | NEXT, 2);
        raw(guest).descriptor(2, outside, 100, WRITE);
      },
    ],
    [
      "whose last piece crosses a region's end (CVE-2018-1059)",
      ({ request, response, guest }) => {
        raw(guest).descriptor(0, request, 32, NEXT, 1);
        raw(guest).descriptor(1, response, 24, WRITE | NEXT, 2);
        raw(guest).descriptor(2, regionEnd - 12, 24, WRITE);
      },
    ],
    [
      "whose indirect table loops (85805ee887be)",
      ({ request, response, table, guest }) => {
        raw(guest).descriptor(0, table, 32, INDIRECT);
        writeDescriptor(tables.get(guest)!, 0, request, 32, NEXT, 1);
        writeDescriptor(tables.get(guest)!, 1, response, 24, WRITE | NEXT, 1);
      },
    ],
    [
      "whose indirect table is nested",
      ({ request, response, table, guest }) => {
        raw(guest).descriptor(0, table, 48, INDIRECT);
        writeDescriptor(tables.get(guest)!, 0, request, 32, NEXT, 1);
        writeDescriptor(tables.get(guest)!, 1, response, 24, WRITE | NEXT, 2);
        writeDescriptor(tables.get(guest)!, 2, table, 48, INDIRECT, 0);
      },
    ],
  ];
  for (const [name, write] of chains) {
    test(name, () =>
      withDevice({}, (guest) => {
        expect(offer(guest, write)).toEqual({ used: 24, type: Response.ERR_UNSPEC });
      }),
    );
  }
});

describe("a malformed chain without room for an answer is returned with nothing written", () => {
  const chains: [string, (room: Room) => void][] = [
    ["that lies outside of memory", ({ guest }) => raw(guest).descriptor(0, outside, 32, 0)],
    [
      "that crosses a region's end (CVE-2018-1059)",
      ({ guest }) => raw(guest).descriptor(0, regionEnd - 12, 24, 0),
    ],
    [
      "whose answer crosses a region's end (CVE-2018-1059)",
      ({ request, guest }) => {
        raw(guest).descriptor(0, request, 32, NEXT, 1);
        raw(guest).descriptor(1, regionEnd - 12, 24, WRITE);
      },
    ],
    ["at 2^64 - 1", ({ guest }) => raw(guest).descriptor(0, 2 ** 64 - 2048, 32, 0)],
    ["of 4 GiB", ({ request, guest }) => raw(guest).descriptor(0, request, 0xffff_ffff, 0)],
    ["with an empty indirect table", ({ table, guest }) => raw(guest).descriptor(0, table, 0, INDIRECT)],
    [
      "with an indirect table of 17 bytes",
      ({ table, guest }) => raw(guest).descriptor(0, table, 17, INDIRECT),
    ],
    [
      "with an indirect table of 1 MiB",
      ({ table, guest }) => raw(guest).descriptor(0, table, 1 << 20, INDIRECT),
    ],
    [
      "with an indirect table outside of memory",
      ({ guest }) => raw(guest).descriptor(0, outside, 16, INDIRECT),
    ],
    [
      "with an indirect table and a next",
      ({ table, guest }) => raw(guest).descriptor(0, table, 16, INDIRECT | NEXT, 1),
    ],
  ];
  for (const [name, write] of chains) {
    test(name, () =>
      withDevice({}, (guest) => {
        expect(offer(guest, write).used).toBe(0);
      }),
    );
  }
});

test("a chain that ends in an indirect table is one request", () =>
  withDevice({}, (guest) => {
    const answer = offer(guest, ({ request, response, table }) => {
      raw(guest).descriptor(0, request, 16, NEXT, 1);
      raw(guest).descriptor(1, table, 32, INDIRECT);
      writeDescriptor(tables.get(guest)!, 0, request + 16, 16, NEXT, 1);
      writeDescriptor(tables.get(guest)!, 1, response, 24, WRITE, 0);
    });
    expect(answer).toEqual({ used: 24, type: Response.ERR_INVALID_PARAMETER });
  }));

test("descriptors of no bytes are passed over", () =>
  withDevice({}, (guest) => {
    const answer = offer(guest, ({ request, response }) => {
      raw(guest).descriptor(0, request, 0, NEXT, 1);
      raw(guest).descriptor(1, request, 32, NEXT, 2);
      raw(guest).descriptor(2, response, 0, WRITE | NEXT, 3);
      raw(guest).descriptor(3, response, 24, WRITE);
    });
    expect(answer).toEqual({ used: 24, type: Response.ERR_INVALID_PARAMETER });
  }));

test("a head outside of the table is passed over, and the next chain is served", () =>
  withDevice({}, (guest) => {
    const { ring } = guest.control;
    ring.raw.offer(ring.size);
    const answer = offer(guest, ({ request, response }) => {
      raw(guest).descriptor(0, request, 32, NEXT, 1);
      raw(guest).descriptor(1, response, 24, WRITE);
      ring.raw.availIndex(ring.raw.publishedAvailIndex() + 1);
    });
    expect(answer.used).toBe(24);
  }));

test("an avail index that jumps by more than the queue size stops that ring alone", () =>
  withDevice({}, (guest) => {
    const { ring } = guest.control;
    ring.raw.availIndex(ring.raw.publishedAvailIndex() + ring.size + 1);
    guest.pump.serve(50);
    expect(ring.hasUsed()).toBe(false);
    expect(guest.gpu.moveCursor({ scanoutId: 0, x: 1, y: 1 }).type).toBe(Response.OK_NODATA);
  }));

describe("queue sizes", () => {
  for (const size of [4, 64, 1024, 32768]) {
    test(`${size} descriptors`, () =>
      withDevice({ queueSizes: [size, size], memory: [{ guestAddress: 0, size: 16 << 20 }] }, expectWorking));
  }
});
