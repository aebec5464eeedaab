// A snapshot's bytes: what is written is read, and what anybody else may have written is refused in words, or can be run as a guest's.

import { expect, test } from "bun:test";
import * as fc from "fast-check";
import * as commands from "../../../../lab/driver/commands.ts";
import { JournalKind, KeptState } from "../../../../src/actors/gpu/journal/kept-state.ts";
import {
  type KeptCursor,
  type KeptOutput,
  readSnapshot,
  snapshotBytes,
  type SnapshotParts,
  writeSnapshot,
} from "../../../../src/actors/gpu/journal/snapshot-file.ts";
import { Refusal } from "../../../../src/transport/os/errors.ts";
import { Format } from "../../../../src/transport/wire/virtio-gpu/protocol.ts";

const requestBytesMax = 4096;
const headWords = 8;
const checksumAt = 3;

const wordsOf = ({ buffer, byteOffset, byteLength }: DataView): Uint32Array =>
  new Uint32Array(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer);

function aState(): KeptState {
  const request = (view: DataView) => ({ kind: JournalKind.request, words: wordsOf(view) });
  return KeptState.of([
    { kind: JournalKind.features, words: Uint32Array.of(6) },
    request(commands.createResource2d(7, Format.B8G8R8X8, 3, 2)),
    request(commands.attachBacking(7, [])),
    { kind: JournalKind.uuid, words: Uint32Array.of(7, 1, 2, 3, 4) },
    request(commands.setScanout(2, 7, { x: 0, y: 0, width: 3, height: 2 })),
    { kind: JournalKind.death, words: Uint32Array.of(1, 1, 97) },
  ]);
}

const image = new Uint32Array(64 * 64).fill(0x8012_3456, 7);
const aCursor: KeptCursor = { scanout: 2, x: -5, y: 9, hotX: 1, hotY: 3, isVisible: true, image };
const someOutputs: KeptOutput[] = [
  { width: 1280, height: 800, isOn: true },
  { width: 0, height: 0, isOn: false },
];

function fileOf(others: Partial<SnapshotParts> = {}): Uint32Array {
  const copy = (target: Uint32Array): void => target.set([1, 2, 3, 4, 5, 6]);
  const pixels = [{ id: 7, width: 3, height: 2, copy }];
  const parts = { state: aState(), pixels, cursors: [], outputs: [], ...others };
  const file = new Uint32Array(snapshotBytes(parts) / 4);
  writeSnapshot(file, parts);
  return file;
}

/** As somebody would have it who means us ill. */
function signed(file: Uint32Array): Uint32Array {
  file[checksumAt] = Bun.hash.crc32(new Uint8Array(file.slice(headWords).buffer));
  file[checksumAt + 1] = file.length - headWords;
  return file;
}

test("what was written is read, but for what this server alone remembers", () => {
  const file = fileOf({ cursors: [aCursor], outputs: someOutputs });
  const { state, pixels, cursors, outputs } = readSnapshot(file, requestBytesMax);
  const expected = aState();
  expected.deaths.clear();
  expect(state).toEqual(expected);
  expect([...pixels]).toEqual([[7, { width: 3, height: 2, words: Uint32Array.of(1, 2, 3, 4, 5, 6) }]]);
  expect(cursors).toEqual([aCursor]);
  expect(outputs).toEqual(someOutputs);
});

test("a file that ends anywhere before its end is refused", () => {
  const file = fileOf();
  for (let length = 0; length < file.length; length++)
    expect(() => readSnapshot(file.slice(0, length), requestBytesMax)).toThrow(Refusal);
});

test("any word that is another is refused", () => {
  const file = fileOf();
  for (let at = 0; at < file.length; at++) {
    // Words of the head that nothing is in.
    if (at > checksumAt + 1 && at < headWords) continue;
    const other = file.slice();
    other[at]! ^= 0x0100_0000;
    expect(() => readSnapshot(other, requestBytesMax)).toThrow(Refusal);
  }
});

test("records that make no sense are refused, though the checksum is theirs", () => {
  const record = (...words: number[]) => signed(Uint32Array.of(...fileOf().subarray(0, headWords), ...words));
  const longRequest = wordsOf(commands.createResource2d(1, Format.B8G8R8X8, 1, 1));
  for (const [file, why] of [
    [record(JournalKind.features), "goes beyond its end"],
    [record(JournalKind.features, 2, 0), "goes beyond its end"],
    [record(JournalKind.request, 0xffff_ffff), "goes beyond its end"],
    [record(JournalKind.features, 2, 0, 0), "a record of kind 3 and 8 bytes"],
    [record(JournalKind.uuid, 1, 7), "a record of kind 2 and 4 bytes"],
    [record(JournalKind.death, 0), "a record of kind 4 and 0 bytes"],
    [record(JournalKind.request, 0), "a record of kind 1 and 0 bytes"],
    [record(JournalKind.request, 7, 0x101, 0, 0, 0, 0, 0, 1), "a record of kind 1 and 28 bytes"],
    [record(JournalKind.request, 2000, ...longRequest, ...new Uint32Array(1990)), "and 8000 bytes"],
    [record(99, 0), "a record of kind 99"],
    [record(16, 3, 7, 2, 2), "the pixels of resource 7"],
    [record(16, 0), "the pixels of resource 0"],
    [record(17, 0), "the cursor of scanout 16"],
    [record(17, 7, 2, 0, 0, 0, 0, 1, 5), "the cursor of scanout 2"],
    [record(17, 4102, 16, ...new Uint32Array(4101)), "the cursor of scanout 16"],
    [record(17, 4102, 2, 0, 0, 0, 0, 2, ...image), "the cursor of scanout 2"],
    [signed(fileOf({ cursors: [aCursor, aCursor] })), "the cursor of scanout 2"],
    [record(18, 2, 800, 600), "its outputs"],
    [record(18, 51, ...new Uint32Array(51)), "its outputs"],
    [record(18, 3, 800, 600, 1, 18, 3, 800, 600, 1), "its outputs"],
    [record(18, 3, 800, 600, 2), "the mode of output 0"],
    [record(18, 6, 800, 600, 1, 16_385, 600, 0), "the mode of output 1"],
    [record(18, 3, 800, 0, 1), "the mode of output 0"],
  ] as const)
    expect(() => readSnapshot(file, requestBytesMax)).toThrow(why);
});

test("whatever the records are, they are read or refused", () => {
  const word = fc.oneof(fc.nat(20), fc.nat(0xffff_ffff), fc.constantFrom(0x101, 0x105, 0x106, 0x109, 0x200));
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(200), word), { maxLength: 6 }), (changes) => {
      const file = fileOf({ outputs: someOutputs });
      for (const [at, value] of changes) file[headWords + (at % (file.length - headWords))] = value;
      try {
        readSnapshot(signed(file), requestBytesMax);
      } catch (error) {
        expect(error).toBeInstanceOf(Refusal);
      }
    }),
    { numRuns: 500 },
  );
});
