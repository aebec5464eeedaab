// Wayland messages as bytes: object id, then size and opcode in one word, then arguments in words of the machine's own
// order (Wayland protocol, "Wire Format"). Descriptors travel beside the bytes.

import type { ArgumentType } from "./descriptions.ts";

/** What an argument is to those who send and receive it; objects by their ids, 0 for none. */
export type WireValue = number | string | Uint8Array;

/** The other side sent what makes no sense; the message is for the log. */
export class WaylandError extends Error {}

export const headerBytes = 8;
/** The size of a message has 16 bits. */
export const messageBytesMax = 0xffff;

/** Lengths come from the other side and may be any u32. */
const padded = (bytes: number): number => Math.ceil(bytes / 4) * 4;

/** A message, and the descriptors that go with it. Throws RangeError for one that is too long. */
export function encodeMessage(
  object: number,
  opcode: number,
  types: readonly ArgumentType[],
  values: readonly WireValue[],
): { bytes: Uint8Array; fds: number[] } {
  const contents = values.map((value) =>
    typeof value === "string" ? new TextEncoder().encode(`${value}\0`) : value,
  );
  const lengths = contents.map((value, index) =>
    types[index]!.code === "h" ? 0 : typeof value === "number" ? 4 : 4 + padded(value.length),
  );
  const size = lengths.reduce((sum, length) => sum + length, headerBytes);
  if (size > messageBytesMax) throw new RangeError(`a message of ${size} bytes is too long for Wayland`);
  const bytes = new Uint8Array(size);
  const data = new DataView(bytes.buffer);
  const fds: number[] = [];
  data.setUint32(0, object, true);
  data.setUint32(4, size * 0x10000 + opcode, true);
  let offset = headerBytes;
  contents.forEach((value, index) => {
    const { code } = types[index]!;
    if (typeof value !== "number") {
      data.setUint32(offset, value.length, true);
      bytes.set(value, offset + 4);
    } else if (code === "h") fds.push(value);
    else data.setInt32(offset, code === "f" ? Math.round(value * 256) : value, true);
    offset += lengths[index]!;
  });
  return { bytes, fds };
}

/**
 * The arguments of a message, whose bytes behind the header are `data`; arrays are copies. `takeFd` gives the next
 * descriptor, which is the receiver's then. Throws {@link WaylandError}.
 */
export function decodeArguments(
  types: readonly ArgumentType[],
  data: DataView,
  takeFd: () => number,
): WireValue[] {
  let offset = 0;
  const word = (): number => {
    if (offset + 4 > data.byteLength) throw new WaylandError("a message is shorter than its arguments");
    offset += 4;
    return data.getUint32(offset - 4, true);
  };
  const bytes = (): Uint8Array => {
    const length = word();
    const start = offset;
    offset += padded(length);
    if (offset > data.byteLength) throw new WaylandError("a message is shorter than its arguments");
    return new Uint8Array(data.buffer, data.byteOffset + start, length).slice();
  };
  const values = types.map(({ code, isNullable }): WireValue => {
    switch (code) {
      case "i":
        return word() | 0;
      case "f":
        return (word() | 0) / 256;
      case "h":
        return takeFd();
      case "a":
        return bytes();
      case "s": {
        const text = bytes();
        if (text.length === 0 ? !isNullable : text.at(-1) !== 0)
          throw new WaylandError("a string has no end");
        return new TextDecoder().decode(text.subarray(0, -1));
      }
      case "o": {
        const id = word();
        if (id === 0 && !isNullable) throw new WaylandError("an object is missing");
        return id;
      }
      default:
        return word();
    }
  });
  if (offset !== data.byteLength) throw new WaylandError("a message is longer than its arguments");
  return values;
}
