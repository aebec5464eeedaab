// Snapshots as bytes, right in most of their records and under a checksum that is right: what they say makes sense, or does not.

import * as commands from "../driver/commands.ts";
import * as commands3d from "../driver/commands-3d.ts";
import * as blobs from "../driver/commands-blob.ts";
import type { GuestRange } from "../driver/guest-memory.ts";
import { BlobMem, Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { type Chance, mutated, odd, oneIn, pick, word } from "./chance.ts";

/** Words of the head, and two of those: the crc32 of all behind it, and how many words that is. */
const headWords = 8;
const checksumAt = 3;
const bodyWordsAt = 4;
/** A record: what it is, how many words follow, and those. */
type SnapshotRecord = readonly [kind: number, words: Uint32Array];
const Kind = { request: 1, uuid: 2, features: 3, death: 4, pixels: 16, cursor: 17, outputs: 18 } as const;
const cursorWords = 6 + 64 * 64;
const formats = Object.values(Format);
const bytesMax = 2 ** 22;
/** Of what is said again and again, to see whether somebody counts. */
const manyMax = 20_000;

/** The records of a file that is sound. */
function recordsOf(file: Uint8Array): SnapshotRecord[] {
  const words = new Uint32Array(file.slice().buffer);
  const records: SnapshotRecord[] = [];
  for (let at = headWords; at < words.length; at += 2 + words[at + 1]!)
    records.push([words[at]!, words.slice(at + 2, at + 2 + words[at + 1]!)]);
  return records;
}

/** A file of these, with a head as that of `file`. */
function fileOf(file: Uint8Array, records: readonly SnapshotRecord[]): Uint8Array {
  const head = file.slice(0, headWords * 4);
  const parts = records.flatMap(([kind, words]) => [Uint32Array.of(kind, words.length), words]);
  const bytes = parts.map((part) => new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  return signed(new Uint8Array(Buffer.concat([head, ...bytes])));
}

/** With a head that is right for what follows it. */
function signed(file: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const whole = file.slice(0, file.length & ~3);
  const words = new Uint32Array(whole.buffer);
  words[checksumAt] = Bun.hash.crc32(whole.subarray(headWords * 4));
  words[bodyWordsAt] = words.length - headWords;
  return whole;
}

/** Something wrong with a file that is sound. `pages`: memory of the guest's that its requests may name. */
export function wrongFile(chance: Chance, file: Uint8Array, pages: GuestRange): Uint8Array {
  if (oneIn(chance, 6)) return mutated(chance, file, bytesMax);
  if (oneIn(chance, 6)) return signed(mutated(chance, file, bytesMax));
  const records = recordsOf(file);
  for (let left = 1 + chance(4); left > 0; left--) change(chance, records, pages);
  return fileOf(file, records);
}

function change(chance: Chance, records: SnapshotRecord[], pages: GuestRange): void {
  const at = chance(records.length + 1);
  const one = records[at];
  switch (chance(12)) {
    case 0:
      return void records.splice(at, 1);
    case 1:
      if (one !== undefined) records.splice(chance(records.length), 0, one);
      return;
    case 2:
      if (one !== undefined) records[at] = [odd(chance, pick(chance, Object.values(Kind)), 4), one[1]];
      return;
    case 3:
    case 4: {
      if (one === undefined || one[1].length === 0) return;
      const words = one[1].slice();
      words[chance(Math.min(words.length, 24))] = word(chance);
      records[at] = [one[0], words];
      return;
    }
    case 5:
      if (oneIn(chance, 10)) records.splice(at, 0, ...many(chance, pages));
      return;
    default:
      return void records.splice(at, 0, record(chance, pages));
  }
}

/** One record, most of it right. */
function record(chance: Chance, pages: GuestRange): SnapshotRecord {
  const [width, height] = [odd(chance, 1 + chance(40), 20), odd(chance, 1 + chance(40), 20)];
  switch (chance(10)) {
    case 0:
      return [Kind.uuid, Uint32Array.from({ length: odd(chance, 5) & 0xff }, () => chance(4))];
    case 1:
      return [Kind.features, Uint32Array.of(odd(chance, 2, 3))];
    case 2: {
      const count = odd(chance, width * height) % manyMax;
      const words = Uint32Array.from({ length: count }, () => chance(2 ** 32));
      return [Kind.pixels, Uint32Array.of(odd(chance, 1 + chance(8)), width, height, ...words)];
    }
    case 3: {
      const words = new Uint32Array(odd(chance, cursorWords, 30) % manyMax).fill(word(chance));
      words.set(
        [odd(chance, chance(16)), word(chance), word(chance), word(chance), chance(64), chance(3)].slice(
          0,
          words.length,
        ),
      );
      return [Kind.cursor, words];
    }
    case 4:
      return [
        Kind.outputs,
        Uint32Array.from({ length: 3 * chance(18) }, (_, at) =>
          at % 3 === 2 ? chance(2) : odd(chance, 640),
        ),
      ];
    default:
      return [Kind.request, wordsOf(request(chance, pages))];
  }
}

/** What no guest would say so often. */
function many(chance: Chance, pages: GuestRange): SnapshotRecord[] {
  const kind = chance(4);
  return Array.from({ length: chance(manyMax) }, (_, at) => {
    const view =
      kind === 0
        ? commands3d.createContext(at, "many")
        : kind === 1
          ? commands.createResource2d(at, Format.B8G8R8X8, 64, 64)
          : kind === 2
            ? commands3d.attachResource(1 + (at % 3), at)
            : blobs.createBlob({ resourceId: at, mem: BlobMem.GUEST, size: 4096 }, [pages]);
    return [Kind.request, wordsOf(new Uint8Array(view.buffer as ArrayBuffer))] as const;
  });
}

/** A request of a guest that made, shows or ends something, right in most fields; or longer than it is. */
export function request(chance: Chance, pages: GuestRange): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = pick(chance, makersOf(chance, pages))();
  const more = oneIn(chance, 10) ? 4 * chance(300) : 0;
  const bytes = new Uint8Array(byteLength + more).fill(0xf0);
  bytes.set(new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength));
  return bytes;
}

function makersOf(chance: Chance, pages: GuestRange): (() => DataView)[] {
  const [width, height] = [odd(chance, 1 + chance(40), 20), odd(chance, 1 + chance(40), 20)];
  const id = odd(chance, 1 + chance(8));
  const rectangle = { x: odd(chance, chance(8)), y: odd(chance, chance(8)), width, height };
  const format = odd(chance, pick(chance, formats), 20);
  const scanout = odd(chance, chance(4));
  const context = odd(chance, chance(4));
  const count = oneIn(chance, 30) ? chance(4000) : 1 + chance(6);
  const entries = (): GuestRange[] =>
    Array.from({ length: count }, () => ({
      address: oneIn(chance, 20) ? word(chance) : pages.address + chance(16) * 4096,
      length: odd(chance, 4096),
    }));
  const header = { flags: odd(chance, chance(4)), contextId: context, fenceId: BigInt(word(chance)) };
  return [
    () => commands.createResource2d(id, format, width, height, header),
    () => commands.unrefResource(id, header),
    () => commands.attachBacking(id, entries(), header, odd(chance, count)),
    () => commands.detachBacking(id, header),
    () => commands.assignUuid(id, header),
    () => commands.setScanout(scanout, id, rectangle, header),
    () => {
      const layout = { format, width, height, strides: [odd(chance, width * 4)], offsets: [odd(chance, 0)] };
      return blobs.setScanoutBlob(scanout, id, rectangle, layout, header);
    },
    () => {
      const blob = {
        resourceId: id,
        mem: odd(chance, 1 + chance(3)),
        flags: odd(chance, chance(8)),
        size: odd(chance, count * 4096),
      };
      return blobs.createBlob(blob, entries(), header, odd(chance, count));
    },
    () => commands3d.createContext(context, "x".repeat(chance(70)), odd(chance, 0), header),
    () => commands3d.destroyContext(context),
    () => commands3d.attachResource(context, id),
    () => commands3d.detachResource(context, id),
    () => {
      const [target, bind] = [odd(chance, 2), odd(chance, 2)];
      return commands3d.createResource3d({ resourceId: id, target, format, bind, width, height });
    },
    // No snapshot has these.
    () => commands.flushResource(id, rectangle, header),
    () => commands.transferToHost2d(id, rectangle, odd(chance, 0), header),
    () => commands.updateCursor({ scanoutId: scanout, x: word(chance), y: 1 }, id),
  ];
}

const wordsOf = ({ buffer, byteOffset, byteLength }: Uint8Array): Uint32Array =>
  new Uint32Array(buffer.slice(byteOffset, byteOffset + (byteLength & ~3)) as ArrayBuffer);
