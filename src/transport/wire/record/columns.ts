// The entries of one chunk as columns: a msgpack map of byte strings. Alike things lie beside each other, which packs better,
// and to write or read an entry makes nothing.

import { pack, unpack } from "./plain-msgpack.ts";
import { columnsMax, type Entry, entryFields, EntryKind, type EntryName } from "./entries.ts";
import { entriesMax } from "./layout.ts";
import { RecordingError } from "./recording-error.ts";

/** Of a chunk that is being written. */
export class Columns {
  count = 0;
  bodyBytes = 0;
  private readonly kinds = new Uint8Array(entriesMax);
  /** Nanoseconds since the first entry's. */
  private readonly times = new Uint32Array(entriesMax);
  private readonly lengths = new Uint32Array(entriesMax);
  private readonly numbers = Array.from({ length: columnsMax }, () => new Uint32Array(entriesMax));
  private bodies: Uint8Array;
  private readonly keptBytes: number;

  /** Room for `bodyBytes` of bodies, of which more is made where it is needed, and given back. */
  constructor(bodyBytes: number) {
    this.keptBytes = bodyBytes;
    this.bodies = new Uint8Array(bodyBytes);
  }

  get isFull(): boolean {
    return this.count === entriesMax;
  }

  /** Adds an entry whose body has `bodyBytes`, to be put into what is returned. */
  add(kind: number, time: number, numbers: ArrayLike<number>, bodyBytes: number): Uint8Array {
    const { count } = this;
    this.kinds[count] = kind;
    this.times[count] = time;
    this.lengths[count] = bodyBytes;
    for (let column = 0; column < columnsMax; column++) this.numbers[column]![count] = numbers[column] ?? 0;
    this.count++;
    const at = this.bodyBytes;
    this.bodyBytes += bodyBytes;
    if (this.bodyBytes > this.bodies.length) {
      const more = new Uint8Array(Math.max(this.bodyBytes, 2 * this.bodies.length));
      more.set(this.bodies.subarray(0, at));
      this.bodies = more;
    }
    return this.bodies.subarray(at, this.bodyBytes);
  }

  /** Removes the last entry. Returns its kind. */
  takeBack(): number {
    this.count--;
    this.bodyBytes -= this.lengths[this.count]!;
    return this.kinds[this.count]!;
  }

  pack(): Uint8Array {
    const { count } = this;
    return pack({
      kinds: this.kinds.subarray(0, count),
      times: bytesOf(this.times.subarray(0, count)),
      lengths: bytesOf(this.lengths.subarray(0, count)),
      ...Object.fromEntries(
        this.numbers.map((column, index) => [columnNames[index]!, bytesOf(column.subarray(0, count))]),
      ),
      bodies: this.bodies.subarray(0, this.bodyBytes),
    });
  }

  clear(): void {
    this.count = this.bodyBytes = 0;
    if (this.bodies.length > this.keptBytes) this.bodies = new Uint8Array(this.keptBytes);
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
    const fields: Record<string, number> = {};
    entryFields[kind].forEach((field, place) => (fields[field] = numbers[place]![index]!));
    return { kind, number: number + index, time: time + times[index]!, body, ...fields } as Entry;
  });
}
