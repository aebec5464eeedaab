// A snapshot as bytes: a head, then records as the journal has them, little-endian words all along. It may come from anybody: what
// the requests in it would make is checked as a guest's are, when they are run.

import { Refusal } from "../../../transport/os/errors.ts";
import { cursorSize, scanoutsMax } from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { Append, JournalRecord } from "./journal-log.ts";
import { isKeptRequest } from "./kept-commands.ts";
import { JournalKind, KeptState } from "./kept-state.ts";

/** Words of the head. The checksum is the crc32 of all that follows the head. */
const Head = { magicLow: 0, magicHigh: 1, version: 2, checksum: 3, bodyWords: 4, words: 8 } as const;
/** "fencepst" */
const magic = [0x636e6566, 0x74737065] as const;
const version = 2;
/** Of a record: what it is, and how many words follow. */
const recordHeadWords = 2;
/** The kind of a record with pixels: a resource, its width and height, then its rows, tightly packed, in the resource's format. */
const pixelsKind = 16;
const pixelsHeadWords = 3;
/** That of a cursor: its scanout, position, hot spot and whether it is seen, then its image. */
const cursorKind = 17;
const cursorHeadWords = 6;
const cursorWords = cursorHeadWords + cursorSize * cursorSize;
/** That of all outputs: of each the width and height of its mode, and whether it is on. */
const outputsKind = 18;
const outputWords = 3;
const outputSideMax = 16_384;
const uuidWords = 5;

/** Rows of a resource's pixels, tightly packed, in its own format. */
export interface KeptPixels {
  readonly width: number;
  readonly height: number;
  readonly words: Uint32Array;
}

/** Where pixels come from: `copy` puts them into `target`, row by row, all zero before. */
export interface PixelsToKeep {
  readonly id: number;
  readonly width: number;
  readonly height: number;
  copy(target: Uint32Array): void;
}

/** A cursor to which the guest has given an image: rows of bytes B, G, R, A. */
export interface KeptCursor {
  readonly scanout: number;
  readonly x: number;
  readonly y: number;
  readonly hotX: number;
  readonly hotY: number;
  readonly isVisible: boolean;
  readonly image: Uint32Array;
}

/** The mode of an output; one that is off need not have any. */
export interface KeptOutput {
  readonly width: number;
  readonly height: number;
  readonly isOn: boolean;
}

interface Others {
  readonly cursors: readonly KeptCursor[];
  /** None where the VMM says what they are. */
  readonly outputs: readonly KeptOutput[];
}

export interface SnapshotParts extends Others {
  readonly state: KeptState;
  readonly pixels: readonly PixelsToKeep[];
}

export interface Snapshot extends Others {
  readonly state: KeptState;
  /** By the resource that has them. */
  readonly pixels: ReadonlyMap<number, KeptPixels>;
}

/** Bytes of the file. */
export function snapshotBytes(parts: SnapshotParts): number {
  let words = Head.words;
  write(parts, (_kind, _words, at = 0, count = _words.length - at) => (words += recordHeadWords + count));
  for (const { width, height } of parts.pixels) words += recordHeadWords + pixelsHeadWords + width * height;
  return words * 4;
}

/** Writes the file to `target`, all zero before, which is as long as {@link snapshotBytes} says. */
export function writeSnapshot(target: Uint32Array, parts: SnapshotParts): void {
  let at: number = Head.words;
  const append: Append = (kind, words, from = 0, count = words.length - from) => {
    target.set([kind, count], at);
    target.set(words.subarray(from, from + count), at + recordHeadWords);
    at += recordHeadWords + count;
  };
  write(parts, append);
  for (const one of parts.pixels) {
    const count = one.width * one.height;
    append(pixelsKind, Uint32Array.of(one.id, one.width, one.height));
    target[at - pixelsHeadWords - 1] = pixelsHeadWords + count;
    one.copy(target.subarray(at, at + count));
    at += count;
  }
  const body = target.subarray(Head.words, at);
  target.set([...magic, version, checksumOf(body), body.length]);
}

/** Throws a {@link Refusal} that says what is wrong with the file. `requestBytesMax`: the longest request that is run. */
export function readSnapshot(file: Uint32Array, requestBytesMax: number): Snapshot {
  if (file.length < Head.words || magic.some((word, at) => file[at] !== word))
    throw new Refusal("it is no snapshot");
  if (file[Head.version] !== version)
    throw new Refusal(
      `it has form ${file[Head.version]} of a snapshot, and this server reads form ${version}`,
    );
  const body = file.subarray(Head.words);
  if (body.length < file[Head.bodyWords]!) throw new Refusal("its end is missing");
  if (body.length > file[Head.bodyWords]! || checksumOf(body) !== file[Head.checksum])
    throw new Refusal("it is damaged: its checksum is another");
  const pixels = new Map<number, KeptPixels>();
  const cursors: KeptCursor[] = [];
  const outputs: KeptOutput[] = [];
  const records: JournalRecord[] = [];
  for (const record of recordsOf(body)) {
    if (record.kind === pixelsKind) keepPixels(pixels, record.words);
    else if (record.kind === cursorKind) keepCursor(cursors, record.words);
    else if (record.kind === outputsKind) keepOutputs(outputs, record.words);
    else records.push(checked(record, requestBytesMax));
  }
  return { state: KeptState.of(records), pixels, cursors, outputs };
}

/** All but pixels. Deaths are this server's alone. */
function write({ state, cursors, outputs }: SnapshotParts, append: Append): void {
  state.writeAll((kind, ...what) => {
    if (kind !== JournalKind.death) append(kind, ...what);
  });
  for (const { scanout, x, y, hotX, hotY, isVisible, image } of cursors) {
    const words = new Uint32Array(cursorWords);
    words.set([scanout, x, y, hotX, hotY, isVisible ? 1 : 0]);
    words.set(image, cursorHeadWords);
    append(cursorKind, words);
  }
  if (outputs.length === 0) return;
  const modes = outputs.flatMap(({ width, height, isOn }) => [width, height, isOn ? 1 : 0]);
  append(outputsKind, Uint32Array.from(modes));
}

const checksumOf = (words: Uint32Array): number =>
  Bun.hash.crc32(new Uint8Array(words.buffer as ArrayBuffer, words.byteOffset, words.byteLength));

function* recordsOf(body: Uint32Array): Generator<JournalRecord> {
  for (let at = 0; at < body.length;) {
    const [kind, count] = [body[at]!, body[at + 1] ?? Infinity];
    at += recordHeadWords;
    if (count > body.length - at) throw new Refusal("it makes no sense: a record goes beyond its end");
    yield { kind, words: body.subarray(at, at + count) };
    at += count;
  }
}

function keepPixels(pixels: Map<number, KeptPixels>, words: Uint32Array): void {
  const [id = 0, width = 0, height = 0] = words;
  if (words.length < pixelsHeadWords || words.length - pixelsHeadWords !== width * height)
    throw new Refusal(`it makes no sense: the pixels of resource ${id} are not as many as it says`);
  pixels.set(id, { width, height, words: words.subarray(pixelsHeadWords) });
}

function keepCursor(cursors: KeptCursor[], words: Uint32Array): void {
  const [scanout = scanoutsMax, x = 0, y = 0, hotX = 0, hotY = 0, visible = 0] = words;
  const isSound =
    words.length === cursorWords &&
    scanout < scanoutsMax &&
    visible <= 1 &&
    cursors.every((other) => other.scanout !== scanout);
  if (!isSound) throw new Refusal(`it makes no sense: the cursor of scanout ${scanout}`);
  const image = words.subarray(cursorHeadWords);
  // Positions are signed.
  cursors.push({ scanout, x: x | 0, y: y | 0, hotX, hotY, isVisible: visible === 1, image });
}

function keepOutputs(outputs: KeptOutput[], words: Uint32Array): void {
  const isSound = words.length % outputWords === 0 && words.length <= scanoutsMax * outputWords;
  if (!isSound || outputs.length > 0) throw new Refusal("it makes no sense: its outputs are too many");
  for (let at = 0; at < words.length; at += outputWords) {
    const [width = 0, height = 0, on = 0] = words.subarray(at, at + outputWords);
    const sides = [width, height];
    if (on > 1 || sides.some((side) => side > outputSideMax || (on === 1 && side === 0)))
      throw new Refusal(`it makes no sense: the mode of output ${outputs.length}`);
    outputs.push({ width, height, isOn: on === 1 });
  }
}

function checked(record: JournalRecord, requestBytesMax: number): JournalRecord {
  const { kind, words } = record;
  const bytes = words.length * 4;
  const isSound =
    kind === JournalKind.features
      ? words.length === 1
      : kind === JournalKind.uuid
        ? words.length === uuidWords
        : kind === JournalKind.request && isKeptRequest(words[0] ?? 0, bytes) && bytes <= requestBytesMax;
  if (!isSound) throw new Refusal(`it makes no sense: a record of kind ${kind} and ${bytes} bytes`);
  return record;
}
