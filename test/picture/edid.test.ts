// EDIDs, ours and the VMM's, decoded without the code that made them.

import { describe, expect, test } from "bun:test";
import { generateEdid, refreshOf, soundEdid } from "../../src/picture/edid.ts";

const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => (total + byte) & 0xff, 0);

/** The preferred timing of the base block (E-EDID 1.4 §3.10.2). */
function preferredTiming(edid: Uint8Array): { width: number; height: number; hz: number } {
  const at = 54;
  const high = (index: number): number => edid[at + index]! >> 4;
  const low = (index: number): number => edid[at + index]! & 0x0f;
  const width = edid[at + 2]! | (high(4) << 8);
  const hBlank = edid[at + 3]! | (low(4) << 8);
  const height = edid[at + 5]! | (high(7) << 8);
  const vBlank = edid[at + 6]! | (low(7) << 8);
  const clock = (edid[at]! | (edid[at + 1]! << 8)) * 10_000;
  return { width, height, hz: clock / ((width + hBlank) * (height + vBlank)) };
}

describe("an EDID of ours", () => {
  for (const [width, height] of [
    [640, 480],
    [1280, 800],
    [1920, 1080],
    [2560, 1440],
    [333, 777],
  ] as const) {
    test(`prefers ${width}x${height} at 60 Hz`, () => {
      const edid = generateEdid(width, height, 0);
      const timing = preferredTiming(edid);
      expect(edid.length).toBe(128);
      expect([timing.width, timing.height]).toEqual([width, height]);
      expect(timing.hz).toBeCloseTo(60, 0);
      expect(refreshOf(edid)).toBe(timing.hz);
    });
  }

  test("says no refresh rate where it has no detailed timing", () => {
    const edid = generateEdid(1280, 800, 0);
    edid.fill(0, 54, 72);
    expect(refreshOf(edid)).toBeNaN();
  });

  test("has blocks that each sum to zero, as many as the first says", () => {
    for (const [width, height] of [
      [1, 1],
      [1280, 800],
      [7680, 4320],
      [65_536, 65_536],
    ] as const) {
      const edid = generateEdid(width, height, 15);
      expect(edid.length).toBe((1 + edid[126]!) * 128);
      expect(edid.length).toBeLessThanOrEqual(1024);
      for (let at = 0; at < edid.length; at += 128) expect(sum(edid.subarray(at, at + 128))).toBe(0);
    }
  });

  test("prefers a mode beyond a detailed timing in a DisplayID extension", () => {
    const edid = generateEdid(7680, 4320, 0);
    const block = new DataView(edid.buffer, 128);
    // Extension tag, section version and length, data block tag; the section has a checksum of its own.
    expect([0, 1, 2, 5].map((at) => block.getUint8(at))).toEqual([0x70, 0x13, 23, 3]);
    expect(sum(edid.subarray(129, 129 + 4 + 23 + 1))).toBe(0);
    const field = (at: number): number => block.getUint16(at, true) + 1;
    const clock = ((block.getUint16(8, true) | (block.getUint8(10) << 16)) + 1) * 10_000;
    const [width, hBlank, height, vBlank] = [field(12), field(14), field(20), field(22)];
    expect([width, height]).toEqual([7680, 4320]);
    expect(block.getUint8(11) & 0x80).toBe(0x80);
    expect(clock / ((width + hBlank) * (height + vBlank))).toBeCloseTo(60, 2);
  });

  test("is sound by the rule that the VMM's must keep", () => {
    expect(soundEdid(generateEdid(1280, 800, 0))).not.toBeNull();
  });
});

describe("an EDID of the VMM's", () => {
  const ours = generateEdid(1280, 800, 0);

  test("padded to 1024 bytes is cut to the blocks that it counts", () => {
    const padded = new Uint8Array(1024);
    padded.set(ours);
    expect(soundEdid(padded)).toEqual(ours);
  });

  test("that counts more blocks than it has is refused", () => {
    const lying = ours.slice();
    lying[126] = 1;
    expect(soundEdid(lying)).toBeNull();
  });

  test("that counts more than 1024 bytes is refused", () => {
    const lying = new Uint8Array(4096);
    lying.set(ours);
    lying[126] = 8;
    expect(soundEdid(lying)).toBeNull();
  });

  test("without the header, or shorter than a block, is refused", () => {
    expect(soundEdid(new Uint8Array(128))).toBeNull();
    expect(soundEdid(ours.slice(0, 127))).toBeNull();
  });
});
