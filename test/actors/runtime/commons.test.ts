// What actors share, and what is left of it once one of them was renewed: nothing of what it could write.

import { afterEach, expect, test } from "bun:test";
import { KeptWord } from "../../../src/actors/gpu/manifest.ts";
import { Head } from "../../../src/actors/runtime/tap/layout.ts";
import { mapTap } from "../../../src/actors/runtime/tap/tap.ts";
import { Commons } from "../../../src/actors/runtime/commons.ts";
import { Own, SharedWords, slotOf } from "../../../src/actors/runtime/shared-words.ts";
import { areas } from "../../../src/actors/registry.ts";
import { duplicateFd, signalEventfd } from "../../../src/transport/os/fds.ts";
import { libc } from "../../../src/ffi/libc.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";

const names = ["inspector", "recorder", "display", "ctrl-queue", "cursor-queue"] as const;
const slot = slotOf("ctrl-queue");

let commons: Commons;
const opened: { unmap(): void }[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.unmap();
  commons.close(true);
  commons.words.close();
});

/** As the process has it that shares them. */
function outer(): { words: SharedWords; journal: Uint32Array; tap: Uint32Array } {
  const { words, tapsFd, areaFds } = commons.startOf("ctrl-queue");
  const own = SharedWords.open(duplicateFd(words.fd), words.outside);
  const journal = NativeMemory.mapShared(areaFds["journal"]!, 0, areas.journal, "write");
  const tap = mapTap(tapsFd, slot);
  opened.push({ unmap: () => own.close() }, journal, tap);
  return {
    words: own,
    journal: new Uint32Array(journal.view()),
    tap: new Uint32Array(tap.view()),
  };
}

test("a renewed actor has new memory in the place of its words and areas, for those who have mapped them before, too", () => {
  commons = new Commons(names, ["ctrl-queue"]);
  const thread = SharedWords.mappedAt(commons.words.place);
  const { areaPlaces } = commons.startOf("display");
  const journal = new Uint32Array(NativeMemory.mappedAt(areaPlaces["journal"]!, areas.journal).view());
  const keep = thread.keep(slot);
  const before = outer();
  before.journal[5] = 7;
  before.words.keep(slot)[KeptWord.command] = 7;
  before.words.counters(slot)[3] = 7;
  expect([journal[5], keep[KeptWord.command], thread.counters(slot)[3]]).toEqual([7, 7, 7]);

  commons.renew("ctrl-queue", []);
  before.journal[6] = 7;
  before.words.keep(slot)[KeptWord.context] = 7;

  expect([journal[5], journal[6]]).toEqual([0, 0]);
  expect([...keep].filter((word) => word !== 0)).toEqual([]);
  expect(thread.counters(slot)[3]).toBe(0);
  const after = outer();
  after.journal[5] = 8;
  after.words.keep(slot)[KeptWord.command] = 8;
  expect([journal[5], keep[KeptWord.command]]).toEqual([8, 8]);
  expect([before.journal[5], before.words.keep(slot)[KeptWord.command]]).toEqual([7, 7]);
});

test("it knows that it is not the first, and asks by tokens that none of those before it had", () => {
  commons = new Commons(names, ["ctrl-queue"]);
  const own = commons.words.own(slot);
  const tokens = [1, 2, 3].map((lives) => {
    own.set([0x7fff_fff0, -3]);
    commons.renew("ctrl-queue", []);
    expect(own[Own.lives]).toBe(lives);
    return own[Own.lastToken]!;
  });
  expect(new Set(tokens).size).toBe(3);
  expect(tokens.every((token) => token > 0)).toBe(true);
});

test("an area that is kept stays where it is, and so do those who have nothing of that process", () => {
  commons = new Commons(names, ["ctrl-queue"]);
  const { areaFds } = commons.startOf("ctrl-queue");
  const { recording, journal } = areaFds;
  commons.words.counters(slotOf("display"))[1] = 5;
  commons.renew("ctrl-queue", ["recording"]);
  const after = commons.startOf("ctrl-queue").areaFds;
  expect([after["recording"] === recording, after["journal"] === journal]).toEqual([true, false]);
  expect(commons.words.counters(slotOf("display"))[1]).toBe(5);
});

test("a process sees its own tap, and what the inspector has read of it goes on in another memory", () => {
  commons = new Commons(names, ["ctrl-queue"]);
  const { areaPlaces } = commons.startOf("inspector");
  const taps = new Uint32Array(NativeMemory.mappedAt(areaPlaces["taps"]!, areas.taps).view());
  const before = outer();
  before.tap[Head.written] = 9;
  expect(commons.startOf("ctrl-queue").areaFds["taps"]).toBeUndefined();
  expect(taps.filter((word) => word === 9).length).toBe(1);
  commons.renew("ctrl-queue", []);
  before.tap[Head.written] = 10;
  expect(taps.filter((word) => word === 9 || word === 10)).toEqual(Uint32Array.of(9));
  outer().tap[Head.written] = 11;
  expect(taps.includes(11)).toBe(true);
});

test("a bell that was filled wakes again", () => {
  commons = new Commons(names, ["ctrl-queue"]);
  const bell = commons.bellFds["display"]!;
  libc.write(bell, new BigUint64Array([2n ** 64n - 2n]), 8);
  signalEventfd(bell);
  commons.renew("ctrl-queue", []);
  signalEventfd(bell);
  const count = new BigUint64Array(1);
  libc.read(bell, count, 8);
  expect(count[0]).toBe(1n);
});
