// Walks over descriptor chains: the sound ones, and every way in which a guest can break one.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { writeDescriptor } from "../../../lab/driver/descriptor-table.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { Chain, ChainFault, ParkedChain } from "../../../src/transport/virtio/chain.ts";
import { DescriptorFlag } from "../../../src/transport/virtio/layout.ts";
import { type MappedGuest, mapGuest, tableOf } from "../../support/guest-map.ts";

const { NEXT, WRITE, INDIRECT } = DescriptorFlag;
const page = 4096;
const scratchBytes = 2 ** 20;

interface Row {
  address: number;
  length: number;
  flags?: number;
  next?: number;
}

let mapped: MappedGuest;
let scratch: NativeMemory;
let bytes: Uint8Array;
beforeEach(() => {
  // Two regions that touch, a hole, and one above 4 GiB.
  mapped = mapGuest([
    { guestAddress: 0, size: 64 * page },
    { guestAddress: 64 * page, size: 64 * page },
    { guestAddress: 2 ** 32, size: 64 * page },
  ]);
  scratch = NativeMemory.allocate(scratchBytes);
  bytes = new Uint8Array(scratch.view());
});
afterEach(() => {
  mapped.free();
  scratch.unmap();
});

function tableWith(rows: readonly Row[], count = rows.length): Uint32Array {
  const words = new Uint32Array(count * 4);
  rows.forEach(({ address, length, flags = 0, next = 0 }, index) =>
    writeDescriptor(words, index, address, length, flags, next),
  );
  return words;
}

/** A chain whose rows follow each other. */
const linked = (...rows: Row[]): Row[] =>
  rows.map((row, index) =>
    index + 1 < rows.length ? { ...row, flags: (row.flags ?? 0) | NEXT, next: index + 1 } : row,
  );

function walk(rows: readonly Row[], count = rows.length, head = 0): Chain {
  const chain = new Chain(mapped.map);
  chain.load(head, tableWith(rows, count), count);
  return chain;
}

/** Puts rows into guest memory, for a descriptor that says INDIRECT. */
function indirect(address: number, rows: readonly Row[]): Row {
  const table = new Uint8Array(tableWith(rows).buffer);
  mapped.guest.scatter(table, splitAtRegions(address, table.length));
  return { address, length: table.length, flags: INDIRECT };
}

function splitAtRegions(address: number, length: number): { address: number; length: number }[] {
  const border = 64 * page;
  if (address >= border || address + length <= border) return [{ address, length }];
  return [
    { address, length: border - address },
    { address: border, length: address + length - border },
  ];
}

function write(address: number, ...values: number[]): void {
  mapped.guest.scatter(Uint8Array.from(values), splitAtRegions(address, values.length));
}

function requestOf(chain: Chain, max = scratchBytes): number[] {
  const copied = chain.copyRequest(scratch.address, max);
  return [...bytes.subarray(0, copied)];
}

const guestBytes = (address: number, length: number): number[] => [...mapped.guest.bytesAt(address, length)];

describe("sound chains", () => {
  test("one readable descriptor is a request without room for an answer", () => {
    write(100, 1, 2, 3);
    const chain = walk([{ address: 100, length: 3 }]);

    expect(chain.fault).toBe(ChainFault.none);
    expect([chain.readableBytes, chain.writableBytes]).toEqual([3, 0]);
    expect(requestOf(chain)).toEqual([1, 2, 3]);
    expect(chain.respond(scratch.address, 3)).toBe(0);
  });

  test("one writable descriptor is room without a request", () => {
    const chain = walk([{ address: 100, length: 3, flags: WRITE }]);

    expect(chain.fault).toBe(ChainFault.none);
    expect([chain.readableBytes, chain.writableBytes]).toEqual([0, 3]);
    expect(requestOf(chain)).toEqual([]);
  });

  test("request and response are scattered byte by byte", () => {
    const rows = Array.from({ length: 40 }, (_, index) => ({
      address: 1000 + ((index * 7) % 40) * 3,
      length: 1,
      flags: index < 20 ? 0 : WRITE,
    }));
    rows.slice(0, 20).forEach(({ address }, index) => write(address, index + 1));
    const chain = walk(linked(...rows));

    expect(requestOf(chain)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    bytes.set(Array.from({ length: 20 }, (_, index) => 200 + index));
    expect(chain.respond(scratch.address, 20)).toBe(20);
    rows.slice(20).forEach(({ address }, index) => expect(guestBytes(address, 1)).toEqual([200 + index]));
  });

  test("descriptors need not follow each other in the table", () => {
    write(0, 1, 2, 3);
    const rows: Row[] = [
      { address: 1, length: 1, flags: NEXT, next: 3 },
      { address: 0, length: 1, flags: NEXT, next: 0 },
      { address: 99, length: 1 },
      { address: 2, length: 1 },
    ];

    expect(requestOf(walk(rows, 4, 1))).toEqual([1, 2, 3]);
  });

  test("an indirect table holds the chain", () => {
    write(0, 1, 2, 3, 4);
    const inner = linked(
      { address: 0, length: 2 },
      { address: 2, length: 2 },
      { address: 50, length: 8, flags: WRITE },
    );
    const chain = walk([indirect(page, inner)]);

    expect(chain.fault).toBe(ChainFault.none);
    expect(requestOf(chain)).toEqual([1, 2, 3, 4]);
    expect(chain.writableBytes).toBe(8);
  });

  test("a chain may end in an indirect table", () => {
    write(0, 1, 2, 3, 4);
    const inner = linked({ address: 2, length: 2 }, { address: 50, length: 8, flags: WRITE });
    const chain = walk(linked({ address: 0, length: 2 }, indirect(page, inner)));

    expect(chain.fault).toBe(ChainFault.none);
    expect(requestOf(chain)).toEqual([1, 2, 3, 4]);
    expect(chain.writableBytes).toBe(8);
  });

  test("an indirect table may cross from one region into the next", () => {
    write(0, 1, 2);
    const inner = linked({ address: 0, length: 1 }, { address: 1, length: 1 });

    expect(requestOf(walk([indirect(64 * page - 24, inner)]))).toEqual([1, 2]);
  });

  test("an indirect table may be longer than the queue", () => {
    const inner = linked(...Array.from({ length: 500 }, () => ({ address: 5, length: 1 })));
    write(5, 9);
    const chain = walk([indirect(page, inner)], 1);

    expect(chain.fault).toBe(ChainFault.none);
    expect(requestOf(chain)).toEqual(Array.from({ length: 500 }, () => 9));
  });

  test("WRITE on the descriptor of an indirect table means nothing", () => {
    write(0, 7);
    const outer = indirect(page, [{ address: 0, length: 1 }]);
    const chain = walk([{ ...outer, flags: INDIRECT | WRITE }]);

    expect(chain.fault).toBe(ChainFault.none);
    expect(requestOf(chain)).toEqual([7]);
  });

  test("descriptors of no length are skipped wherever they point", () => {
    write(0, 1, 2);
    const nowhere = { address: 2 ** 50, length: 0 };
    const chain = walk(
      linked(
        nowhere,
        { address: 0, length: 1 },
        { ...nowhere, flags: WRITE },
        { address: 1, length: 1 },
        nowhere,
        { address: 9, length: 4, flags: WRITE },
        { ...nowhere, flags: WRITE },
      ),
    );

    expect(chain.fault).toBe(ChainFault.none);
    expect(requestOf(chain)).toEqual([1, 2]);
    expect(chain.writableBytes).toBe(4);
  });

  test("a chain of nothing but empty descriptors is empty", () => {
    const chain = walk(linked({ address: 0, length: 0 }, { address: 0, length: 0, flags: WRITE }));

    expect(chain.fault).toBe(ChainFault.none);
    expect([chain.readableBytes, chain.writableBytes]).toEqual([0, 0]);
    expect(chain.respond(scratch.address, 24)).toBe(0);
  });

  test("a buffer may cross from one region into the next", () => {
    write(64 * page - 2, 1, 2, 3, 4);
    const chain = walk(
      linked({ address: 64 * page - 2, length: 4 }, { address: 64 * page - 1, length: 3, flags: WRITE }),
    );

    expect(chain.fault).toBe(ChainFault.none);
    expect(requestOf(chain)).toEqual([1, 2, 3, 4]);
    bytes.set([5, 6, 7]);
    expect(chain.respond(scratch.address, 3)).toBe(3);
    expect(guestBytes(64 * page - 1, 1)).toEqual([5]);
    expect(guestBytes(64 * page, 2)).toEqual([6, 7]);
  });

  test("a buffer may lie above 4 GiB, to the last byte of its region", () => {
    write(2 ** 32 + 64 * page - 2, 8, 9);

    expect(requestOf(walk([{ address: 2 ** 32 + 64 * page - 2, length: 2 }]))).toEqual([8, 9]);
  });

  test("a chain as long as the queue is no loop", () => {
    const rows = Array.from({ length: 32768 }, () => ({ address: 3, length: 1 }));
    write(3, 4);
    const chain = walk(linked(...rows));

    expect(chain.fault).toBe(ChainFault.none);
    expect(chain.readableBytes).toBe(32768);
    expect(requestOf(chain).every((byte) => byte === 4)).toBe(true);
  });
});

describe("copies", () => {
  test("a request is copied no further than there is room", () => {
    write(0, 1, 2, 3, 4, 5, 6);
    const chain = walk(linked({ address: 0, length: 4 }, { address: 4, length: 2 }));
    bytes.fill(0xee);

    expect(requestOf(chain, 5)).toEqual([1, 2, 3, 4, 5]);
    expect(bytes[5]).toBe(0xee);
    expect(chain.copyRequest(scratch.address, 0)).toBe(0);
  });

  test("a response is written no further than there is room", () => {
    const chain = walk([{ address: 10, length: 3, flags: WRITE }]);
    bytes.set([1, 2, 3, 4, 5]);

    expect(chain.respond(scratch.address, 5)).toBe(3);
    expect(guestBytes(10, 4)).toEqual([1, 2, 3, 0]);
  });

  test("a response that is shorter than its room leaves the rest alone", () => {
    const chain = walk(
      linked({ address: 10, length: 3, flags: WRITE }, { address: 20, length: 3, flags: WRITE }),
    );
    bytes.set([1, 2, 3, 4]);

    expect(chain.respond(scratch.address, 4)).toBe(4);
    expect(guestBytes(20, 3)).toEqual([4, 0, 0]);
  });

  test("every page of a response is marked dirty and no page of a request", () => {
    const marks: [number, number][] = [];
    mapped.map.dirtyLog = {
      mark: (address: number, length: number) => marks.push([address, length]),
    } as never;
    const chain = walk(
      linked(
        { address: 0, length: 100 },
        { address: page, length: 30, flags: WRITE },
        { address: 2 ** 32, length: 30, flags: WRITE },
      ),
    );

    requestOf(chain);
    chain.respond(scratch.address, 40);

    expect(marks).toEqual([
      [page, 30],
      [2 ** 32, 10],
    ]);
    mapped.map.dirtyLog = null;
  });

  test("a chain object serves one chain after another", () => {
    const chain = new Chain(mapped.map);
    write(0, 1, 2, 3, 4);
    chain.load(0, tableWith(linked({ address: 0, length: 4 }, { address: 8, length: 8, flags: WRITE })), 2);
    chain.load(
      1,
      tableWith([
        { address: 0, length: 9 },
        { address: 2, length: 2 },
      ]),
      2,
    );

    expect(chain.head).toBe(1);
    expect(chain.fault).toBe(ChainFault.none);
    expect([chain.readableBytes, chain.writableBytes]).toEqual([2, 0]);
    expect(requestOf(chain)).toEqual([3, 4]);
  });
});

describe("broken chains", () => {
  test("a descriptor that names itself is a loop", () => {
    expect(walk([{ address: 0, length: 1, flags: NEXT, next: 0 }]).fault).toBe(ChainFault.loop);
  });

  test("a loop of descriptors without length is a loop too", () => {
    const rows = [
      { address: 0, length: 0, flags: NEXT, next: 1 },
      { address: 0, length: 0, flags: NEXT, next: 0 },
    ];

    expect(walk(rows).fault).toBe(ChainFault.loop);
  });

  test("a loop in an indirect table is a loop", () => {
    const inner = [
      { address: 0, length: 1, flags: NEXT, next: 1 },
      { address: 0, length: 1, flags: NEXT, next: 1 },
    ];

    expect(walk([indirect(page, inner)]).fault).toBe(ChainFault.loop);
  });

  test("a next outside of the table is refused", () => {
    for (const next of [2, 3, 0x7fff, 0xffff]) {
      const rows = [
        { address: 0, length: 1, flags: NEXT, next },
        { address: 0, length: 1 },
      ];
      expect(walk(rows).fault).toBe(ChainFault.nextOutOfRange);
    }
  });

  test("a next outside of the indirect table is refused, though the queue has it", () => {
    const chain = walk([indirect(page, [{ address: 0, length: 1, flags: NEXT, next: 1 }])], 256);

    expect(chain.fault).toBe(ChainFault.nextOutOfRange);
  });

  test("an indirect table of no, odd or endless length is refused", () => {
    for (const length of [0, 1, 15, 17, 32768 * 16 + 16, 2 ** 20, 0xffff_fff0]) {
      expect(walk([{ address: page, length, flags: INDIRECT }]).fault).toBe(ChainFault.badIndirect);
    }
  });

  test("an indirect table in an indirect table is refused", () => {
    const innermost = indirect(2 * page, [{ address: 0, length: 1 }]);

    expect(walk([indirect(page, [innermost])]).fault).toBe(ChainFault.badIndirect);
    expect(walk([indirect(page, linked({ address: 0, length: 1 }, innermost))]).fault).toBe(
      ChainFault.badIndirect,
    );
  });

  test("an indirect descriptor that goes on is refused", () => {
    const outer = indirect(page, [{ address: 0, length: 1 }]);
    const rows = [
      { ...outer, flags: INDIRECT | NEXT, next: 1 },
      { address: 0, length: 1 },
    ];

    expect(walk(rows).fault).toBe(ChainFault.badIndirect);
  });

  test("an indirect table outside of memory is refused", () => {
    for (const address of [128 * page, 128 * page - 8, 2 ** 40, 2 ** 53, 2 ** 64 - page]) {
      const chain = new Chain(mapped.map);
      const words = new Uint32Array(4);
      writeDescriptor(words, 0, 0, 16, INDIRECT, 0);
      words[0] = Number(BigInt(address) & 0xffff_ffffn);
      words[1] = Number(BigInt(address) >> 32n);
      chain.load(0, words, 1);
      expect(chain.fault).toBe(ChainFault.badIndirect);
    }
  });

  test("a readable descriptor after a writable one is refused", () => {
    const rows = linked({ address: 0, length: 1, flags: WRITE }, { address: 0, length: 1 });
    const chain = walk(rows);

    expect(chain.fault).toBe(ChainFault.readableAfterWritable);
    expect(chain.writableBytes).toBe(1);
  });

  test("buffers outside of memory are refused", () => {
    for (const address of [128 * page, 2 ** 32 - 1, 2 ** 32 + 64 * page, 2 ** 52]) {
      for (const flags of [0, WRITE]) {
        const chain = walk([{ address, length: 1, flags }]);
        expect(chain.fault).toBe(ChainFault.unmapped);
        expect([chain.readableBytes, chain.writableBytes]).toEqual([0, 0]);
      }
    }
  });

  test("addresses of 2^53 and more, up to the last, are refused", () => {
    for (const [high, low] of [
      [0x20_0000, 0],
      [0x8000_0000, 0],
      [0xffff_ffff, 0xffff_ffff],
    ] as const) {
      const chain = new Chain(mapped.map);
      chain.load(0, Uint32Array.of(low, high, 16, WRITE), 1);
      expect(chain.fault).toBe(ChainFault.unmapped);
      expect(chain.writableBytes).toBe(0);
      chain.load(0, Uint32Array.of(low, high, 16, 0), 1);
      expect(chain.fault).toBe(ChainFault.unmapped);
    }
  });

  test("a buffer that ends beyond its region is refused", () => {
    for (const length of [3, page, 0xffff_ffff]) {
      expect(walk([{ address: 128 * page - 2, length }]).fault).toBe(ChainFault.unmapped);
      expect(walk([{ address: 2 ** 32 + 64 * page - 2, length, flags: WRITE }]).fault).toBe(
        ChainFault.unmapped,
      );
    }
  });

  test("what comes before the fault can still be answered", () => {
    const rows = linked(
      { address: 0, length: 1 },
      { address: 10, length: 24, flags: WRITE },
      { address: 128 * page - 1, length: 5, flags: WRITE },
    );
    const chain = walk(rows);
    bytes.fill(3, 0, 40);

    expect(chain.fault).toBe(ChainFault.unmapped);
    expect(chain.writableBytes).toBe(25);
    expect(chain.respond(scratch.address, 40)).toBe(25);
    expect(guestBytes(128 * page - 1, 1)).toEqual([3]);
  });

  test("more descriptors than any chain has are refused", () => {
    const inner = linked(...Array.from({ length: 8192 }, () => ({ address: 0, length: 1 })));
    const outer = Array.from({ length: 32768 }, () => ({ address: 0, length: 1 }));
    outer[32767] = indirect(page, inner);

    expect(walk(linked(...outer)).fault).toBe(ChainFault.loop);
  });

  test("a descriptor is read once, so that a guest that changes it gains nothing", () => {
    const table = tableWith(linked({ address: 0, length: 4 }, { address: 8, length: 24, flags: WRITE }));
    write(0, 1, 2, 3, 4);
    const chain = new Chain(mapped.map);
    chain.load(0, table, 2);

    table.fill(0xffff_ffff);

    expect(requestOf(chain)).toEqual([1, 2, 3, 4]);
    expect(chain.respond(scratch.address, 24)).toBe(24);
  });
});

describe("parked chains", () => {
  function parked(...rows: Row[]): ParkedChain {
    const chain = walk(linked(...rows));
    const kept = new ParkedChain();
    chain.park(kept);
    chain.load(0, tableWith([{ address: 0, length: 1 }]), 1);
    return kept;
  }

  test("the response goes where it would have gone", () => {
    const kept = parked(
      { address: 0, length: 8 },
      { address: 10, length: 2, flags: WRITE },
      { address: 2 ** 32, length: 5, flags: WRITE },
    );
    bytes.set([1, 2, 3, 4]);

    expect(kept.head).toBe(0);
    expect(kept.respond(mapped.map, scratch.address, 4)).toBe(4);
    expect(guestBytes(10, 3)).toEqual([1, 2, 0]);
    expect(guestBytes(2 ** 32, 3)).toEqual([3, 4, 0]);
  });

  test("no more is written than there is room", () => {
    const kept = parked({ address: 10, length: 2, flags: WRITE });

    expect(kept.respond(mapped.map, scratch.address, 24)).toBe(2);
  });

  test("the pages are marked dirty", () => {
    const kept = parked({ address: page, length: 9, flags: WRITE });
    const marks: [number, number][] = [];
    mapped.map.dirtyLog = {
      mark: (address: number, length: number) => marks.push([address, length]),
    } as never;

    kept.respond(mapped.map, scratch.address, 4);

    expect(marks).toEqual([[page, 4]]);
    mapped.map.dirtyLog = null;
  });

  test("memory that has gone meanwhile is not written", () => {
    const kept = parked(
      { address: 10, length: 2, flags: WRITE },
      { address: 2 ** 32, length: 5, flags: WRITE },
    );
    bytes.set([1, 2, 3, 4]);
    mapped.map.replace(tableOf(mapped.guest.regions.slice(0, 2)));

    expect(kept.respond(mapped.map, scratch.address, 4)).toBe(2);
    expect(guestBytes(2 ** 32, 2)).toEqual([0, 0]);
  });

  test("memory that is mapped elsewhere meanwhile is written there", () => {
    const kept = parked({ address: 10, length: 2, flags: WRITE });
    mapped.map.replace(tableOf(mapped.guest.regions, 100));
    bytes.set([5, 6]);

    expect(kept.respond(mapped.map, scratch.address, 2)).toBe(2);
    expect(guestBytes(10, 2)).toEqual([5, 6]);
  });

  test("memory that is two regions now is written whole", () => {
    const kept = parked({ address: 2 * page - 2, length: 4, flags: WRITE });
    const { fd } = mapped.guest.regions[0]!;
    mapped.map.replace([
      { id: 50, guestAddress: 0, size: 2 * page, fd, fdOffset: 0 },
      { id: 51, guestAddress: 2 * page, size: 62 * page, fd, fdOffset: 2 * page },
    ]);
    bytes.set([1, 2, 3, 4]);

    expect(kept.respond(mapped.map, scratch.address, 4)).toBe(4);
    expect(guestBytes(2 * page - 2, 4)).toEqual([1, 2, 3, 4]);
  });
});
