// Wayland messages as bytes, and as nonsense.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseMessages } from "../../../../src/transport/wire/wayland/descriptions.ts";
import {
  decodeArguments,
  encodeMessage,
  headerBytes,
  WaylandError,
  type WireValue,
} from "../../../../src/transport/wire/wayland/wire.ts";

const [all] = parseMessages(["all i u f s o=wl_surface a h"]);
const types = all!.arguments;
const body = (bytes: Uint8Array): DataView => new DataView(bytes.buffer as ArrayBuffer, headerBytes);
const noFd = (): number => {
  throw new WaylandError("no descriptor");
};

describe("a message", () => {
  test("is the object, size and opcode, and padded arguments", () => {
    const { bytes, fds } = encodeMessage(7, 3, types, [
      -2,
      5,
      1.5,
      "ab",
      9,
      Uint8Array.of(1, 2, 3, 4, 5),
      42,
    ]);
    expect([...new Uint32Array(bytes.buffer as ArrayBuffer)]).toEqual([
      ...[7, (44 << 16) | 3, 0xffff_fffe, 5, 384],
      ...[3, 0x6261, 9, 5, 0x0403_0201, 5],
    ]);
    expect(fds).toEqual([42]);
  });

  test("that is written is read as what it was", () => {
    const values = fc.tuple(
      fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      fc.nat({ max: 0xffff_ffff }),
      fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }).map((word) => word / 256),
      fc.string({ maxLength: 50, unit: "binary" }).filter((text) => !text.includes("\0")),
      fc.nat({ max: 0xfeff_fffe }).map((id) => id + 1),
      fc.uint8Array({ maxLength: 50 }),
      fc.nat({ max: 1000 }),
    );
    fc.assert(
      fc.property(values, (written) => {
        const { bytes, fds } = encodeMessage(1, 2, types, written as WireValue[]);
        expect(bytes.length % 4).toBe(0);
        expect(decodeArguments(types, body(bytes), () => fds.shift()!)).toEqual(written as WireValue[]);
      }),
    );
  });

  test("that is too long is refused", () => {
    expect(() => encodeMessage(1, 0, parseMessages(["long s"])[0]!.arguments, ["x".repeat(70_000)])).toThrow(
      RangeError,
    );
  });
});

describe("bytes of the other side", () => {
  const [text, array, object] = ["t s", "t a", "t o=wl_surface"].map(
    (one) => parseMessages([one])[0]!.arguments,
  );
  const words = (...values: number[]): DataView => new DataView(Uint32Array.from(values).buffer);

  test.each([
    ["a length of 2^31", array!, words(0x8000_0000)],
    ["a length of 2^32 - 1", array!, words(0xffff_ffff, 0)],
    ["a length beyond the message", array!, words(5, 0)],
    ["a string of 2^32 - 4", text!, words(0xffff_fffc, 0)],
    ["a string without an end", text!, words(4, 0x6161_6161)],
    ["no string at all", text!, words(0)],
    ["no object", object!, words(0)],
    ["nothing", text!, words()],
    ["more than it has arguments", array!, words(0, 0)],
  ])("%s is refused", (_, wanted, data) => {
    expect(() => decodeArguments(wanted, data, noFd)).toThrow(WaylandError);
  });

  test("are arguments or an error of Wayland's", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        try {
          decodeArguments(types, new DataView(bytes.slice().buffer), () => 3);
        } catch (error) {
          expect(error).toBeInstanceOf(WaylandError);
        }
      }),
    );
  });
});
