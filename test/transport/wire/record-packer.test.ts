// Which chunks of a recording are packed: what packs, and while somebody waits for it, what that does not keep waiting.

import { beforeEach, describe, expect, test } from "bun:test";
import { Packer } from "../../../src/transport/wire/record/packer.ts";

const mebibyte = 2 ** 20;
const picture = new Uint8Array(mebibyte).map((_, at) => (at % 97 < 3 ? at : 0x5a));
const noise = new Uint8Array(mebibyte);
for (let at = 0; at < mebibyte; at += 65_536) crypto.getRandomValues(noise.subarray(at, at + 65_536));

let packer: Packer;
let now: number;
/** What it takes to have a chunk in the file. */
let plainNs: number;
let packedNs: number;

beforeEach(() => {
  now = 0;
  packer = new Packer(1, () => now);
});

/** Stores a chunk; returns whether it was packed, having seen that it is what it was. */
function store(bytes: Uint8Array, isHurried: boolean): boolean {
  let wasPacked = false;
  packer.store(bytes, isHurried, (stored, isPacked) => {
    const unpacked = isPacked ? Bun.zstdDecompressSync(stored as Uint8Array<ArrayBuffer>) : stored;
    expect(Buffer.compare(unpacked, bytes)).toBe(0);
    wasPacked = isPacked;
    now += isPacked ? packedNs : plainNs;
  });
  return wasPacked;
}

/** How many of `count` chunks were packed. */
const packedOf = (count: number, isHurried: boolean): number =>
  Array.from({ length: count }, () => store(picture, isHurried)).filter(Boolean).length;

describe("a chunk", () => {
  test("is packed where that makes it smaller, and is otherwise left as it is", () => {
    [plainNs, packedNs] = [1, 1];
    expect(store(picture, false)).toBe(true);
    expect(store(noise, false)).toBe(false);
    expect(store(noise.subarray(0, 100), false)).toBe(false);
    expect(store(picture.subarray(0, 1000), false)).toBe(true);
    expect(store(new Uint8Array(0), false)).toBe(false);
  });

  test("is packed while nobody waits, however long that takes", () => {
    [plainNs, packedNs] = [1e5, 1e7];
    expect(packedOf(20, false)).toBe(20);
  });
});

describe("a hurried chunk", () => {
  test("is packed where writing more takes longer", () => {
    [plainNs, packedNs] = [1e6, 2e5];
    // One is left as it is now and then, to know.
    expect(packedOf(100, true)).toBeGreaterThan(95);
  });

  test("is left as it is where packing takes more than twice as long", () => {
    [plainNs, packedNs] = [1e6, 2.5e6];
    packedOf(5, false);
    expect(packedOf(100, true)).toBe(0);
    expect(packedOf(5, false)).toBe(5);
  });

  test("is packed again once a disk has become slow", () => {
    [plainNs, packedNs] = [1e5, 1e6];
    packedOf(5, false);
    expect(packedOf(50, true)).toBe(0);
    plainNs = 1e8;
    expect(packedOf(50, true)).toBeGreaterThan(45);
  });

  test("is left as it is again once a disk has become fast", () => {
    [plainNs, packedNs] = [1e8, 1e6];
    packedOf(50, true);
    plainNs = 1e5;
    expect(packedOf(1000, true)).toBeLessThan(600);
  });
});
