// msgpack from a file that somebody else may have made: its shape is looked at before anything is made of it.

import { Packr, Unpackr } from "msgpackr";
import { RecordingError } from "./recording-error.ts";

const depthMax = 8;
/** Values of any kind in one piece. */
const valuesMax = 32_768;

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, int64AsType: "number" } as never);

/** Plain objects, arrays, text, numbers and bytes; nothing may be undefined. */
export const pack = (value: unknown): Uint8Array => packr.pack(value);

/**
 * The value that `bytes` hold; byte strings in it are views. Throws a {@link RecordingError} unless it is plain, whole, and
 * of at most {@link valuesMax} values: a few bytes can ask for arrays of any size.
 */
export function unpack(bytes: Uint8Array): unknown {
  const walk = new Walk(bytes);
  walk.value(0);
  if (walk.at !== bytes.length) throw new RecordingError("holds msgpack with something behind it");
  return unpackr.unpack(bytes);
}

class Walk {
  at = 0;
  private values = 0;
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  value(depth: number): void {
    if (depth > depthMax || ++this.values > valuesMax) throw new RecordingError("holds msgpack without end");
    const type = this.uint(1);
    if (type < 0x80 || type >= 0xe0) return;
    if (type < 0x90) return this.map(type & 0x0f, depth);
    if (type < 0xa0) return this.many(type & 0x0f, depth);
    if (type < 0xc0) return this.skip(type & 0x1f);
    const [what, size] = forms[type] ?? unknownForm;
    if (what === "fixed") return this.skip(size);
    if (what === "bytes") return this.skip(this.uint(size));
    if (what === "array") return this.many(this.uint(size), depth);
    if (what === "map") return this.map(this.uint(size), depth);
    throw new RecordingError(`holds msgpack of type 0x${type.toString(16)}`);
  }

  private many(count: number, depth: number): void {
    // Each takes a byte at least.
    if (count > this.bytes.length - this.at) throw cutOff();
    for (let index = 0; index < count; index++) this.value(depth + 1);
  }

  /** Of names alone: what else could be one is no plain object's. */
  private map(count: number, depth: number): void {
    if (count * 2 > this.bytes.length - this.at) throw cutOff();
    for (let index = 0; index < count; index++) {
      const type = this.bytes[this.at];
      if (type !== undefined && !isText(type))
        throw new RecordingError("holds a msgpack map whose keys are no text");
      this.value(depth + 1);
      this.value(depth + 1);
    }
  }

  private skip(bytes: number): void {
    if (bytes > this.bytes.length - this.at) throw cutOff();
    this.at += bytes;
  }

  private uint(size: number): number {
    const { view, at } = this;
    this.skip(size);
    if (size === 1) return view.getUint8(at);
    return size === 2 ? view.getUint16(at) : view.getUint32(at);
  }
}

const isText = (type: number): boolean => (type >= 0xa0 && type < 0xc0) || (type >= 0xd9 && type <= 0xdb);

const cutOff = (): RecordingError => new RecordingError("holds msgpack that is cut off");

type Form = readonly ["fixed" | "bytes" | "array" | "map" | "unknown", number];
const unknownForm: Form = ["unknown", 0];

/** How long each is, or of how many bytes its length is. Extensions are none of these. */
const forms: Readonly<Record<number, Form>> = {
  0xc0: ["fixed", 0],
  0xc2: ["fixed", 0],
  0xc3: ["fixed", 0],
  0xc4: ["bytes", 1],
  0xc5: ["bytes", 2],
  0xc6: ["bytes", 4],
  0xca: ["fixed", 4],
  0xcb: ["fixed", 8],
  0xcc: ["fixed", 1],
  0xcd: ["fixed", 2],
  0xce: ["fixed", 4],
  0xcf: ["fixed", 8],
  0xd0: ["fixed", 1],
  0xd1: ["fixed", 2],
  0xd2: ["fixed", 4],
  0xd3: ["fixed", 8],
  0xd9: ["bytes", 1],
  0xda: ["bytes", 2],
  0xdb: ["bytes", 4],
  0xdc: ["array", 2],
  0xdd: ["array", 4],
  0xde: ["map", 2],
  0xdf: ["map", 4],
};
