// The entries of one chunk as columns: a msgpack map of byte strings. Alike things lie beside each other, which packs better,
// and to write or read an entry makes nothing.

import { pack, unpack } from "./plain-msgpack.ts";
import { columnsMax, type Entry, entryFields, EntryKind, type EntryName } from "./entries.ts";
import { ChunkHead, entriesMax } from "./layout.ts";
import { RecordingError } from "./recording-error.ts";

/** Of the map, as it is written: the bodies first, so that they lie where they were put, and the columns behind them. */
const bodiesKey = "bodies";
/** Head of the map, the key, and head of the bodies' byte string. */
const mapHeadBytes = 1 + 1 + bodiesKey.length + 5;
const bodiesAt = ChunkHead.bytes + mapHeadBytes;
/** Of short text, and of bytes with a length of four. */
const Msgpack = { text: 0xa0, bytes: 0xc6 } as const;

/** Of a chunk that is being written. */
export class Columns {
  count = 0;
  bodyBytes = 0;
  private readonly kinds = new Uint8Array(entriesMax);
  /** Nanoseconds since the first entry's. */
  private readonly times = new Uint32Array(entriesMax);
  private readonly lengths = new Uint32Array(entriesMax);
  private readonly numbers = Array.from({ length: columnsMax }, () => new Uint32Array(entriesMax));
  /** The whole chunk: room for its head, then what it holds. */
  private bytes: Uint8Array<ArrayBuffer>;
  private readonly keptBytes: number;

  /** Room for `bodyBytes` of bodies, of which more is made where it is needed, and given back. */
  constructor(bodyBytes: number) {
    this.keptBytes = bodiesAt + bodyBytes;
    this.bytes = new Uint8Array(this.keptBytes);
  }

  get isFull(): boolean {
    return this.count === entriesMax;
  }

  /** Where bodies are put: the end of the last one in it. Another array after each {@link add}. */
  get bodies(): Uint8Array {
    return this.bytes;
  }

  get end(): number {
    return bodiesAt + this.bodyBytes;
  }

  /** Adds an entry whose body has `bodyBytes`, to be put into {@link bodies} up to {@link end}. */
  add(kind: number, time: number, numbers: ArrayLike<number>, bodyBytes: number): void {
    const { count } = this;
    this.kinds[count] = kind;
    this.times[count] = time;
    this.lengths[count] = bodyBytes;
    for (let column = 0; column < columnsMax; column++) this.numbers[column]![count] = numbers[column] ?? 0;
    this.count++;
    this.bodyBytes += bodyBytes;
    if (this.end > this.bytes.length) this.grow(this.end, this.end - bodyBytes);
  }

  /** Removes the last entry. Returns its kind. */
  takeBack(): number {
    this.count--;
    this.bodyBytes -= this.lengths[this.count]!;
    return this.kinds[this.count]!;
  }

  /** The chunk, with {@link ChunkHead.bytes} of room before what it holds; valid until the next {@link add}. */
  pack(): Uint8Array<ArrayBuffer> {
    const { count } = this;
    const columns = pack({
      kinds: this.kinds.subarray(0, count),
      times: bytesOf(this.times.subarray(0, count)),
      lengths: bytesOf(this.lengths.subarray(0, count)),
      ...Object.fromEntries(
        this.numbers.map((column, index) => [columnNames[index]!, bytesOf(column.subarray(0, count))]),
      ),
    });
    const { end, bodyBytes } = this;
    // Without the head of their own map.
    const packedEnd = end + columns.length - 1;
    if (packedEnd > this.bytes.length) this.grow(packedEnd, end);
    const { bytes } = this;
    bytes.set(columns.subarray(1), end);
    let at = ChunkHead.bytes;
    bytes[at++] = columns[0]! + 1;
    bytes[at++] = Msgpack.text | bodiesKey.length;
    for (const letter of bodiesKey) bytes[at++] = letter.charCodeAt(0);
    bytes[at++] = Msgpack.bytes;
    new DataView(bytes.buffer).setUint32(at, bodyBytes);
    return bytes.subarray(0, packedEnd);
  }

  clear(): void {
    this.count = this.bodyBytes = 0;
    if (this.bytes.length > 2 * this.keptBytes) this.bytes = new Uint8Array(this.keptBytes);
  }

  private grow(bytes: number, used: number): void {
    const more = new Uint8Array(Math.max(bytes, 2 * this.bytes.length));
    more.set(this.bytes.subarray(0, used));
    this.bytes = more;
  }
}

const columnNames = ["a", "b", "c", "d", "e", "f"] as const;

const bytesOf = (words: Uint32Array): Uint8Array =>
  new Uint8Array(words.buffer, words.byteOffset, words.byteLength);

const nameOf = new Map<number, EntryName>(
  Object.entries(EntryKind).map(([name, number]) => [number, name as EntryName]),
);

/** The entries of a chunk of `count`, whose payload this is. Throws a {@link RecordingError}. */
export function unpackEntries(payload: Uint8Array, count: number, number: number, time: number): Entry[] {
  const map = unpack(payload) as Record<string, unknown>;
  const column = (name: string, bytes: number): Uint8Array => {
    const found = map?.[name];
    if (!(found instanceof Uint8Array)) throw new RecordingError(`has no column ${name}`);
    if (found.length !== bytes) throw new RecordingError(`has a column ${name} of another length`);
    return found;
  };
  const words = (name: string): Uint32Array =>
    new Uint32Array(new Uint8Array(column(name, count * 4)).buffer);
  const kinds = column("kinds", count);
  const times = words("times");
  const lengths = words("lengths");
  const numbers = columnNames.map(words);
  const bodyBytes = lengths.reduce((sum, length) => sum + length, 0);
  const bodies = column("bodies", bodyBytes);
  let at = 0;
  return Array.from({ length: count }, (_, index) => {
    const kind = nameOf.get(kinds[index]!);
    if (kind === undefined) throw new RecordingError(`has an entry of kind ${kinds[index]}`);
    const body = bodies.subarray(at, (at += lengths[index]!));
    const entry: Record<string, unknown> = { kind, number: number + index, time: time + times[index]!, body };
    const fields = entryFields[kind];
    for (let place = 0; place < fields.length; place++) entry[fields[place]!] = numbers[place]![index]!;
    return entry as unknown as Entry;
  });
}
