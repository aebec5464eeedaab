// Doorbells, counts, counters and kept words, seen from two mappings as two actors would.
import { beforeEach, expect, test } from "bun:test";
import { workerNames } from "../../../src/actors/registry.ts";
import { sizeOfFd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import { keepWords, ownWords, SharedWords, slotOf } from "../../../src/actors/runtime/shared-words.ts";

let words: SharedWords;
let other: SharedWords;
beforeEach(() => {
  words = SharedWords.create();
  other = SharedWords.mappedAt(words.place);
});

test("every actor has a slot of its own, the supervisor the first", () => {
  const slots = ["supervisor" as const, ...workerNames].map(slotOf);
  expect(slots).toEqual(slots.map((_, index) => index));
});

test("a bell that rings is heard until it is silenced", () => {
  expect(other.isRung(3)).toBe(false);
  words.ring(3);
  expect(other.isRung(3)).toBe(true);
  expect(other.isRung(2)).toBe(false);
  other.silence(3);
  expect(words.isRung(3)).toBe(false);
});

test("only a sleeper needs its descriptor written, and only once", () => {
  expect(words.ring(3)).toBe(false);
  other.silence(3);
  expect(other.fallAsleep(3)).toBe(true);
  expect(words.ring(3)).toBe(true);
  expect(words.ring(3)).toBe(false);
});

test("who falls asleep with its bell rung is told, and counts as awake", () => {
  words.ring(3);
  expect(other.fallAsleep(3)).toBe(false);
  expect(words.ring(3)).toBe(false);
});

test("who woke up by itself needs no descriptor", () => {
  other.fallAsleep(3);
  other.wakeUp(3);
  expect(words.ring(3)).toBe(false);
});

test("messages are counted by pair of sender and receiver", () => {
  other.countReceived(1, 2);
  other.countReceived(1, 2);
  other.countReceived(2, 1);

  expect([words.receivedCount(1, 2), words.receivedCount(2, 1), words.receivedCount(1, 1)]).toEqual([
    2, 1, 0,
  ]);
});

test("the parts do not overlap", () => {
  const slots = Array.from({ length: 16 }, (_, slot) => slot);
  for (const slot of slots) words.counters(slot).fill(slot + 0.5);
  for (const slot of slots) words.keep(slot).fill(slot + 1000);
  for (const from of slots) for (const to of slots) words.countReceived(from, to);
  for (const slot of slots) words.ring(slot);

  for (const slot of slots) {
    expect(other.counters(slot)).toEqual(new Float64Array(64).fill(slot + 0.5));
    expect(other.keep(slot)).toEqual(new Int32Array(keepWords - ownWords).fill(slot + 1000));
    expect(slots.map((to) => other.receivedCount(slot, to))).toEqual(slots.map(() => 1));
    expect(other.isRung(slot)).toBe(true);
  }
});

test("a process has the words of its own actor and the lines to it, and nobody else's", () => {
  words = SharedWords.create([3]);
  const process = SharedWords.open(words.place.fd, words.place.outside);
  for (const slot of [0, 3, 5]) words.counters(slot).fill(slot + 1);
  for (const slot of [0, 3, 5]) words.keep(slot).fill(slot + 1000);
  for (const [from, to] of [
    [0, 5],
    [3, 5],
    [5, 3],
  ] as const)
    words.countReceived(from, to);

  expect(process.counters(3)[0]).toBe(4);
  expect(process.keep(3)[0]).toBe(1003);
  expect([process.receivedCount(3, 5), process.receivedCount(5, 3)]).toEqual([1, 1]);
  process.ring(5);
  expect(words.isRung(5)).toBe(true);
  // All that the descriptor leads to.
  const bytes = sizeOfFd(words.place.fd);
  const mapped = NativeMemory.mapShared(words.place.fd, 0, bytes, "write");
  new Uint8Array(mapped.view()).fill(0xff);
  for (const slot of [0, 5]) expect(words.counters(slot)[0]).toBe(slot + 1);
  for (const slot of [0, 5]) expect(words.keep(slot)[0]).toBe(slot + 1000);
  for (const slot of [0, 5]) expect(words.own(slot)[0]).toBe(0);
  expect(words.receivedCount(0, 5)).toBe(1);
  mapped.unmap();
});
