// The eight virtio formats as bytes B, G, R and the fourth one.

import { describe, expect, test } from "bun:test";
import { convertToBgrx, isBgrx } from "../../src/picture/pixels.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";

describe("convertToBgrx", () => {
  test.each(Object.entries(Format))("%s", (name, format) => {
    // The name is the order of the bytes: B8G8R8A8 is B first.
    const order = name.replaceAll("8", "");
    const values: Record<string, number> = { R: 0x91, G: 0xa2, B: 0xb3, A: 0xc4, X: 0xc4 };
    const source = new Uint32Array(Uint8Array.from(order, (letter) => values[letter]!).buffer);
    const target = new Uint32Array(1);
    convertToBgrx(format, source, 0, 1, 1, 1, target);
    expect([...new Uint8Array(target.buffer)]).toEqual([0xb3, 0xa2, 0x91, 0xc4]);
    expect(isBgrx(format)).toBe(order.startsWith("BGR"));
  });

  test.each(Object.entries(Format))("%s: rows of a rectangle are packed", (_, format) => {
    const source = Uint32Array.from({ length: 5 * 4 }, (_, index) => index * 0x01010101);
    const target = new Uint32Array(3 * 2 + 1).fill(7);
    convertToBgrx(format, source, 6, 5, 3, 2, target);
    const want = [6, 7, 8, 11, 12, 13].map((value) => value * 0x01010101);
    expect([...target]).toEqual([...want, 7]);
  });

  test("an unknown format throws", () => {
    const word = new Uint32Array(1);
    expect(() => convertToBgrx(2 ** 31, word, 0, 1, 1, 1, word)).toThrow(RangeError);
  });
});
