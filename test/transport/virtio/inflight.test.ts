// The inflight record of vhost-user ("Inflight I/O tracking"), as the next back-end finds it after each kind of death.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { closeFd, createMemfd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { InflightRing } from "../../../src/transport/virtio/inflight.ts";
import { inflightBytes } from "../../../src/transport/virtio/layout.ts";

const num = 8;
let fd: number;
let shared: NativeMemory;
let data: DataView;
let rings: InflightRing[];
beforeEach(() => {
  fd = createMemfd("inflight", 2 * inflightBytes(num));
  shared = NativeMemory.mapShared(fd, 0, 2 * inflightBytes(num), "write");
  data = new DataView(shared.view());
  rings = [];
});
afterEach(() => {
  for (const ring of rings) ring.unmap();
  shared.unmap();
  closeFd(fd);
});

/** A back-end's view of the record, which starts at `usedIndex`. */
function open(usedIndex = 0, offset = 0): InflightRing {
  const ring = InflightRing.open(fd, offset, num);
  rings.push(ring);
  ring.recover(usedIndex);
  return ring;
}

/** The heads that are to be taken again, in order. */
function waiting(ring: InflightRing): number[] {
  const heads: number[] = [];
  while (ring.waiting > 0) heads.push(ring.next());
  return heads;
}

const record = {
  version: () => data.getUint16(8, true),
  descriptorCount: () => data.getUint16(10, true),
  lastBatchHead: () => data.getUint16(12, true),
  usedIndex: () => data.getUint16(14, true),
  inflight: () => Array.from({ length: num }, (_, head) => data.getUint8(16 + head * 16)),
  next: (head: number) => data.getUint16(16 + head * 16 + 6, true),
  counter: (head: number) => data.getBigUint64(16 + head * 16 + 8, true),
  set: {
    lastBatchHead: (head: number) => data.setUint16(12, head, true),
    usedIndex: (index: number) => data.setUint16(14, index, true),
    inflight: (head: number, flag: number) => data.setUint8(16 + head * 16, flag),
    next: (head: number, next: number) => data.setUint16(16 + head * 16 + 6, next, true),
    counter: (head: number, counter: bigint) => data.setBigUint64(16 + head * 16 + 8, counter, true),
  },
};

test("an empty record is made ready", () => {
  const ring = open(5);

  expect(ring.waiting).toBe(0);
  expect(record.version()).toBe(1);
  expect(record.descriptorCount()).toBe(num);
  expect(record.usedIndex()).toBe(5);
});

test("a chain that is taken is marked and numbered", () => {
  const ring = open();

  ring.take(3);
  ring.take(1);

  expect(record.inflight()).toEqual([0, 1, 0, 1, 0, 0, 0, 0]);
  expect(record.counter(3)).toBeLessThan(record.counter(1));
});

test("what was under way is taken again in the order in which it was taken", () => {
  const ring = open();
  for (const head of [6, 2, 7, 0, 4]) ring.take(head);

  expect(waiting(open())).toEqual([6, 2, 7, 0, 4]);
});

test("what was completed is not taken again", () => {
  const ring = open();
  for (const head of [6, 2, 7]) ring.take(head);
  ring.complete(2);
  ring.publish(1);

  expect(waiting(open(1))).toEqual([6, 7]);
  expect(record.usedIndex()).toBe(1);
});

test("death before the used index was published takes the batch again", () => {
  const ring = open();
  for (const head of [1, 2, 3]) ring.take(head);
  ring.complete(1);
  ring.complete(3);

  expect(waiting(open(0))).toEqual([1, 2, 3]);
});

test("death between the used index and the marks does not take the batch again", () => {
  const ring = open();
  for (const head of [1, 2, 3, 4]) ring.take(head);
  ring.complete(4);
  ring.publish(1);
  ring.complete(1);
  ring.complete(3);

  expect(waiting(open(3))).toEqual([2]);
  expect(record.usedIndex()).toBe(3);
  expect(record.inflight()).toEqual([0, 0, 1, 0, 0, 0, 0, 0]);
});

test("death while the marks were being cleared is the same", () => {
  const ring = open(0xffff);
  for (const head of [1, 2, 3]) ring.take(head);
  for (const head of [1, 2, 3]) ring.complete(head);
  record.set.inflight(3, 0);

  expect(waiting(open(2))).toEqual([]);
});

test("a batch that wraps the used index is cleared whole", () => {
  const ring = open(0xfffe);
  for (const head of [0, 1, 2, 3, 4]) ring.take(head);
  for (const head of [0, 1, 2, 3]) ring.complete(head);

  expect(waiting(open(2))).toEqual([4]);
});

test("a second death while chains are taken again keeps their order", () => {
  const ring = open();
  for (const head of [5, 1, 3]) ring.take(head);
  const second = open();
  expect(second.next()).toBe(5);
  second.take(6);

  expect(waiting(open())).toEqual([5, 1, 3, 6]);
});

test("what is put back is taken next, and what was not taken after all is not under way", () => {
  const ring = open();
  for (const head of [5, 1]) ring.take(head);
  ring.forget(1);
  const second = open();
  const oldest = second.next();
  second.putBack(oldest);

  expect([second.waiting, second.next(), second.waiting]).toEqual([1, 5, 0]);
});

test("numbers go on where the last back-end stopped", () => {
  const ring = open();
  for (const head of [7, 6]) ring.take(head);

  const second = open();
  second.take(0);

  expect(record.counter(0)).toBeGreaterThan(record.counter(6));
});

test("two queues in one file do not touch each other", () => {
  const first = open(0, 0);
  const second = open(0, inflightBytes(num));

  first.take(num - 1);
  second.take(0);

  expect(waiting(open(0, 0))).toEqual([num - 1]);
  expect(waiting(open(0, inflightBytes(num)))).toEqual([0]);
});

test("a record of another version or size is started anew", () => {
  for (const offset of [8, 10]) {
    open().take(1);
    data.setUint16(offset, 99, true);

    expect(waiting(open(3))).toEqual([]);
    expect(record.inflight()).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    expect(record.usedIndex()).toBe(3);
    record.set.usedIndex(0);
  }
});

test("a batch list that loops ends", () => {
  const ring = open();
  for (const head of [1, 2, 3]) ring.take(head);
  record.set.lastBatchHead(1);
  record.set.next(1, 2);
  record.set.next(2, 1);

  expect(waiting(open(0x8000))).toEqual([3]);
});

test("a batch list that leaves the record ends there", () => {
  const ring = open();
  for (const head of [1, 2]) ring.take(head);
  record.set.lastBatchHead(1);
  record.set.next(1, 0xfff0);
  expect(waiting(open(2))).toEqual([2]);

  record.set.lastBatchHead(num);
  expect(waiting(open(4))).toEqual([2]);
});

test("counters of any value are survived", () => {
  const ring = open();
  for (const head of [0, 1, 2, 3]) ring.take(head);
  record.set.counter(0, 2n ** 64n - 1n);
  record.set.counter(1, 5n);
  record.set.counter(2, 5n);
  record.set.counter(3, 0n);

  const second = open();

  expect(second.waiting).toBe(4);
  expect(waiting(second).toSorted()).toEqual([0, 1, 2, 3]);
  expect(() => second.take(4)).not.toThrow();
});

test("flags other than one are not under way", () => {
  open();
  record.set.inflight(2, 2);
  record.set.inflight(3, 0xff);

  expect(waiting(open())).toEqual([]);
});

test("a head that the guest returns twice in a batch ends the batch", () => {
  const ring = open();
  ring.take(1);
  ring.complete(1);
  ring.complete(1);
  ring.publish(2);

  expect(record.inflight()).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  expect(record.usedIndex()).toBe(2);
});

test("a batch list that the VMM makes a ring under our hands ends", () => {
  const ring = open();
  for (const head of [1, 2]) ring.take(head);
  ring.complete(1);
  ring.complete(2);
  record.set.next(2, 2);

  ring.publish(2);

  expect(record.usedIndex()).toBe(2);
});

test("publishing nothing keeps the record", () => {
  const ring = open();
  ring.take(1);
  ring.publish(0);

  expect(record.inflight()[1]).toBe(1);
});

test("a record outside of its file or at an odd offset is refused", () => {
  expect(() => InflightRing.open(fd, inflightBytes(num) + 8, num)).toThrow(/lies outside of its file/);
  expect(() => InflightRing.open(fd, 0, 32768)).toThrow(/lies outside of its file/);
  expect(() => InflightRing.open(fd, 4, num)).toThrow(/offset 4/);
});
