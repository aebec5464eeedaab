// The format of recordings: what is written is read, whatever became of the file.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  columnsMax,
  type Entry,
  entryFields,
  EntryKind,
  type EntryName,
} from "../../../src/transport/wire/record/entries.ts";
import { type Start, detailsOf } from "../../../src/transport/wire/record/details.ts";
import {
  ChunkHead,
  ChunkKind,
  Encoding,
  fileHeadBytes,
  plainBytesMax,
  Tail,
} from "../../../src/transport/wire/record/layout.ts";
import { readChunkHead, writeChunkHead } from "../../../src/transport/wire/record/chunk-head.ts";
import { pack, unpack } from "../../../src/transport/wire/record/plain-msgpack.ts";
import type { ReadAt, Recording } from "../../../src/transport/wire/record/recording.ts";
import { recordingFrom } from "../../../src/transport/wire/record/reader.ts";
import { RecordingError } from "../../../src/transport/wire/record/recording-error.ts";
import { RecordingWriter } from "../../../src/transport/wire/record/writer.ts";

const start: Start = {
  server: "0.1.0",
  wallMs: 1,
  monotonicNs: 2,
  isFromStart: true,
  hasChecksums: false,
  features: 3,
  renderer: { renderer: "software" },
  storage: "memfd",
  outputs: [{ width: 640, height: 480 }],
  limits: {},
  notRecorded: ["what nobody saw"],
};

/** An entry before it is written: kinds whose bodies are bytes of any sort. */
interface Written {
  kind: EntryName;
  numbers: number[];
  body: Uint8Array;
  nsLater: number;
}

/** A copy, unlike a Buffer's. */
const joined = (...parts: Uint8Array[]): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.concat(parts));

class File {
  private readonly parts: Uint8Array[] = [];
  readonly append = (bytes: Uint8Array): void => void this.parts.push(bytes.slice());
  get bytes(): Uint8Array<ArrayBuffer> {
    return joined(...this.parts);
  }
}

const readerOf =
  (bytes: Uint8Array): ReadAt =>
  (offset, length) =>
    bytes.slice(Math.min(offset, bytes.length), Math.min(offset + length, bytes.length));
const open = (bytes: Uint8Array): Recording => recordingFrom(readerOf(bytes), bytes.length);

/** Writes a recording of these entries, with chunks ended where `flushed` says so; ends it if `isEnded`. */
function record(
  entries: readonly Written[],
  flushAfter: (index: number) => boolean,
  isEnded = true,
  isHurried = false,
) {
  const file = new File();
  const writer = new RecordingWriter(file.append, start);
  writer.isHurried = isHurried;
  let time = 0;
  entries.forEach(({ kind, numbers, body, nsLater }, index) => {
    writer.add(EntryKind[kind], (time += nsLater), numbers, body.length).set(body);
    if (flushAfter(index)) writer.flush();
  });
  if (isEnded) writer.end(time, { reason: "stopped", text: "enough" });
  return file.bytes;
}

const plainKinds = [
  "command",
  "answer",
  "bytes",
  "frame",
  "reset",
  "ring",
  "pixels",
  "backing",
  "scanout",
  "cursor",
] as const;
const written = fc.record({
  kind: fc.constantFrom<EntryName>(...plainKinds),
  numbers: fc.array(fc.nat(0xffff_ffff), { minLength: columnsMax, maxLength: columnsMax }),
  body: fc.uint8Array({ maxLength: 300 }),
  nsLater: fc.nat(5e9),
});

/** What should be read of it, without its number. */
function expected({ kind, numbers, body }: Written, time: number): Omit<Entry, "number"> {
  const fields = entryFields[kind].map((field, place) => [field, numbers[place]!] as const);
  return { kind, time, body: Buffer.from(body), ...Object.fromEntries(fields) } as unknown as Omit<
    Entry,
    "number"
  >;
}

const plain = (entry: Entry): Omit<Entry, "number"> =>
  ({ ...entry, body: Buffer.from(entry.body), number: undefined }) as never as Omit<Entry, "number">;

/** A recording of `count` commands in chunks of ten. */
const commands = (count: number, bodyBytes = 40): Written[] =>
  Array.from({ length: count }, (_, index) => ({
    kind: "command" as const,
    numbers: [0, index, 24],
    body: new Uint8Array(bodyBytes).map((_, at) => (index * 7 + at) % 256),
    nsLater: 1000,
  }));
const inTens = (index: number): boolean => index % 10 === 9;

describe("a recording", () => {
  test("is read as it was written", () => {
    fc.assert(
      fc.property(
        fc.array(written, { maxLength: 60 }),
        fc.nat(15),
        fc.boolean(),
        (entries, every, isHurried) => {
          const recording = open(record(entries, (index) => index % (every + 1) === every, true, isHurried));
          const [first, ...rest] = [...recording.entries()];
          expect(first!.kind).toBe("start");
          expect(rest.at(-1)!.kind).toBe("end");
          let time = 0;
          const want = entries.map((one) => expected(one, (time += one.nsLater)));
          expect(rest.slice(0, -1).map(plain)).toEqual(want);
          expect([first!, ...rest].map(({ number }) => number)).toEqual(
            [first!, ...rest].map((_, index) => index),
          );
          expect(recording.start).toEqual(start);
          expect(recording.ending).toEqual({ reason: "stopped", text: "enough" });
        },
      ),
    );
  });

  test("keeps bodies of many megabytes, and many entries, in chunks that each can be read alone", () => {
    const large = { kind: "bytes" as const, numbers: [1], body: new Uint8Array(9e6).fill(7), nsLater: 1 };
    const recording = open(record([large, ...commands(40_000, 4), large], () => false));
    const read = recording.chunks.flatMap((_, chunk) => recording.read(chunk));
    expect(read).toHaveLength(40_004);
    expect(read.filter(({ body }) => body.length === 9e6 && body.every((byte) => byte === 7))).toHaveLength(
      2,
    );
    for (const { number, firstEntry } of recording.chunks)
      expect(recording.read(number)[0]!.number).toBe(firstEntry);
  });

  test("says where frames, commands and keyframes are", () => {
    const file = new File();
    const writer = new RecordingWriter(file.append, start);
    for (let frame = 0; frame < 30; frame++) {
      writer.add(EntryKind.command, frame, [0, frame, 24], 0);
      writer.add(EntryKind.frame, frame, [1, 5, 0, 0, 640, 480], 0);
      if (frame % 4 === 3) writer.flush();
      if (frame !== 17) continue;
      writer.add(EntryKind.keyframe, frame, [3, 0, 0], 0);
      writer.add(EntryKind.pixels, frame, [5, 0, 480], 3e6);
      writer.add(EntryKind.keyframeEnd, frame, [], 0);
      expect(writer.bytesSinceKeyframe).toBe(3e6);
    }
    writer.end(30, { reason: "stopped", text: "" });
    const recording = open(file.bytes);
    const frames = (chunk: number) => recording.read(chunk).filter(({ kind }) => kind === "frame");
    for (let frame = 0; frame < 30; frame++) {
      const chunk = recording.chunkOfFrame(frame);
      const { framesBefore, commandsBefore } = recording.chunks[chunk]!;
      expect(frames(chunk)[frame - framesBefore]!.time).toBe(frame);
      expect(commandsBefore).toBe(framesBefore);
    }
    expect([recording.chunkOfFrame(-1), recording.chunkOfFrame(30)]).toEqual([-1, -1]);
    const key = recording.keyframeBefore(recording.chunkOfFrame(29));
    expect(recording.read(key)[0]!.kind).toBe("keyframe");
    expect(recording.read(key)[0]).toMatchObject({ features: 3, contexts: 0, rendered: 0 });
    expect(recording.keyframeBefore(recording.chunkOfFrame(3))).toBe(0);
  });
});

describe("a recording that is cut", () => {
  const small = record(commands(35), inTens);
  const long = record(commands(1000, 400), inTens, true, false);
  const wholeEnds = (bytes: Uint8Array) =>
    open(bytes).chunks.map(({ at, storedBytes }) => at + ChunkHead.bytes + storedBytes);

  test.each([
    ["at any byte of a small file", small, 1],
    ["at every 1,000th byte of a long one", long, 1000],
  ])("%s has all chunks that are whole, and says where it ends", (_, bytes, step) => {
    const ends = wholeEnds(bytes);
    for (let length = 0; length < bytes.length; length += step) {
      const cut = bytes.subarray(0, length);
      const whole = ends.filter((end) => end <= length);
      if (whole.length === 0) {
        expect(() => open(cut)).toThrow(RecordingError);
        continue;
      }
      const recording = open(cut);
      expect(recording.chunks).toHaveLength(whole.length);
      const { ending } = recording;
      // The last chunk has the end mark; what lacks is the index.
      if (whole.length === ends.length) expect(ending.reason).toBe("stopped");
      else expect(ending).toMatchObject({ reason: "cut", at: whole.at(-1)! });
      expect([...recording.entries(whole.length - 1)]).toHaveLength(recording.chunks.at(-1)!.entries);
    }
  });

  test("without its index is the same to a reader", () => {
    const indexed = open(small);
    const scanned = open(small.subarray(0, small.length - Tail.bytes));
    expect(scanned.chunks).toEqual(indexed.chunks);
    expect([...scanned.entries()]).toEqual([...indexed.entries()]);
  });

  test("with an end that nobody wrote ends where the file does", () => {
    const unended = record(commands(20), inTens, false);
    expect(open(unended).ending).toMatchObject({ reason: "cut", at: unended.length });
  });
});

describe("a hostile file", () => {
  const sound = record(commands(35), inTens);

  /** Everything that a reader does; only a RecordingError may come of it. */
  function readAll(bytes: Uint8Array): RecordingError | null {
    try {
      const recording = open(bytes);
      for (const entry of recording.entries()) if (entry.kind === "start") detailsOf(entry);
      return null;
    } catch (error) {
      if (error instanceof RecordingError) return error;
      throw error;
    }
  }

  test("of any bytes earns one typed error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, hasHead) => {
        const head = hasHead ? sound.subarray(0, fileHeadBytes) : new Uint8Array(0);
        const error = readAll(Buffer.concat([head, bytes]));
        expect(error).toBeInstanceOf(RecordingError);
        expect(error!.message).not.toContain("\n");
      }),
    );
  });

  test("with any bytes changed is read up to there, or earns one typed error", () => {
    const change = fc.tuple(fc.nat(sound.length - 1), fc.integer({ min: 1, max: 255 }));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 5 }), (changes) => {
        const bytes = sound.slice();
        for (const [at, by] of changes) bytes[at]! ^= by;
        readAll(bytes);
      }),
      { numRuns: 500 },
    );
  });

  /** A file of one chunk with this payload, whose checksums are right. */
  function fileOf(
    stored: Uint8Array,
    facts: { plainBytes?: number; entries?: number; encoding?: number; storedBytes?: number },
  ): Uint8Array {
    const head = writeChunkHead({
      kind: ChunkKind.stream,
      storedBytes: stored.length,
      plainBytes: stored.length,
      checksum: Bun.hash.crc32(stored),
      entries: 1,
      commands: 0,
      frames: 0,
      firstNumber: 0,
      firstTime: 0,
      encoding: Encoding.plain,
      number: 0,
      ...facts,
    });
    return joined(sound.subarray(0, fileHeadBytes), head, stored);
  }

  /** How much more memory the process has taken at most, while `run` ran. */
  function growth(run: () => void): number {
    Bun.gc(true);
    const before = process.memoryUsage.rss();
    run();
    return process.memoryUsage.rss() - before;
  }

  test("whose chunk unpacks to gigabytes is refused for some megabytes", () => {
    const bomb = Bun.zstdCompressSync(new Uint8Array(1.5e9), { level: 1 });
    const file = fileOf(bomb, { plainBytes: 4096, encoding: Encoding.zstd });
    const taken = growth(() => expect(readAll(file)!.message).toContain("does not unpack"));
    expect(taken).toBeLessThan(200e6);
  });

  test.each([
    ["a length beyond the limit", { plainBytes: plainBytesMax + 1, encoding: Encoding.zstd }],
    ["an encoding that there is not", { encoding: 7 }],
    ["no entries", { entries: 0 }],
    ["more entries than there may be", { entries: 0xffff_ffff }],
    ["a plain length that is not its own", { plainBytes: 1 }],
  ])("with %s in a chunk's head holds no whole chunk", (_, facts) => {
    expect(readAll(fileOf(new Uint8Array(10), facts))!.message).toBe("this recording holds no whole chunk");
  });

  test("whose head claims more than the file has is read up to there", () => {
    const head = writeChunkHead({
      ...readChunkHead(sound.subarray(fileHeadBytes))!,
      storedBytes: plainBytesMax,
    });
    const recording = readAll(Buffer.concat([sound.subarray(0, fileHeadBytes), head, new Uint8Array(99)]));
    expect(recording!.message).toBe("this recording holds no whole chunk");
  });

  test.each([
    [
      "arrays in arrays that claim to be long",
      Uint8Array.from({ length: 60_000 }, (_, at) => [0xdd, 0, 1, 0x86, 0x9f][at % 5]!),
    ],
    ["an array of 4,294,967,295", Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff, 1)],
    ["arrays in arrays without end", new Uint8Array(50_000).fill(0x91)],
    [
      "a million empty maps",
      Buffer.concat([Uint8Array.of(0xdd, 0, 0x0f, 0x42, 0x40), new Uint8Array(1e6).fill(0x80)]),
    ],
    ["text that is cut off", Uint8Array.of(0xdb, 0x7f, 0xff, 0xff, 0xff, 65)],
    ["a map with an array for a key", Uint8Array.of(0x81, 0x90, 1)],
    ["a map with bytes for a key", Uint8Array.of(0xde, 0, 1, 0xc4, 0, 1)],
    ["a map with a number for a key", Uint8Array.of(0xdf, 0, 0, 0, 1, 1, 1)],
    ["a map that is cut off before its key", Uint8Array.of(0x81)],
    ["an extension", Uint8Array.of(0xd4, 0x72, 0x40)],
    ["nothing", new Uint8Array(0)],
    ["something behind its end", Uint8Array.of(1, 2)],
  ])("whose msgpack is %s earns one typed error and little memory", (_, bytes) => {
    const taken = growth(() => expect(() => unpack(bytes)).toThrow(RecordingError));
    expect(taken).toBeLessThan(100e6);
  });

  test.each([
    ["lacks a column", { kinds: Uint8Array.of(1) }],
    ["has columns of other lengths", { ...columns(), times: new Uint8Array(5) }],
    ["has lengths beyond its bodies", { ...columns(), lengths: new Uint8Array([255, 255, 255, 255]) }],
    ["has a kind that there is not", { ...columns(), kinds: Uint8Array.of(200) }],
    ["begins with something else", columns()],
    ["is a number", 5],
    ["is null", null],
  ])("whose chunk %s earns one typed error", (_, payload) => {
    expect(readAll(fileOf(pack(payload), {}))).toBeInstanceOf(RecordingError);
  });

  function columns() {
    const word = new Uint8Array(4);
    const numbers = { a: word, b: word, c: word, d: word, e: word, f: word };
    return {
      kinds: Uint8Array.of(EntryKind.reset),
      times: word,
      lengths: word,
      ...numbers,
      bodies: new Uint8Array(0),
    };
  }

  test("whose index lies is read by its chunks, or refused where they differ", () => {
    const { chunks } = open(sound);
    const last = chunks.at(-1)!;
    const indexAt = last.at + ChunkHead.bytes + last.storedBytes;
    const heads = chunks.map(({ at }) => sound.slice(at, at + ChunkHead.bytes));
    const offsets = chunks.map(({ at }) => at);
    const withIndex = (places: number[], all: Uint8Array[]): Uint8Array => {
      const payload = pack({
        offsets: new Uint8Array(new Float64Array(places).buffer),
        heads: Buffer.concat(all),
      });
      const facts = {
        kind: ChunkKind.index,
        plainBytes: payload.length,
        storedBytes: payload.length,
        checksum: Bun.hash.crc32(new Uint8Array(payload)),
      };
      const counts = {
        entries: 0,
        commands: 0,
        frames: 0,
        firstNumber: 0,
        firstTime: 0,
        encoding: Encoding.plain,
        number: all.length,
      };
      return Buffer.concat([
        sound.subarray(0, indexAt),
        writeChunkHead({ ...facts, ...counts }),
        payload,
        sound.subarray(-Tail.bytes),
      ]);
    };
    expect(open(withIndex(offsets, heads)).chunks).toEqual(chunks);
    // Places, numbers and lengths that cannot be: the chunks themselves say what there is.
    expect(open(withIndex(offsets.toReversed(), heads)).chunks).toEqual(chunks);
    expect(open(withIndex(offsets.slice(1), heads.slice(1))).chunks).toEqual(chunks);
    expect(open(withIndex([...offsets, NaN], [...heads, heads[0]!])).chunks).toEqual(chunks);
    // A head that could be, but is another than the chunk's.
    const other = writeChunkHead({ ...readChunkHead(heads[2]!)!, checksum: 1 });
    const lying = open(withIndex(offsets, heads.with(2, other)));
    expect(() => lying.read(2)).toThrow(RecordingError);
    expect(lying.read(1)).toHaveLength(10);
  });

  test("says nothing that moves a terminal's cursor, or goes on in the next line", () => {
    const nasty = "\x1b[2Ja\nb\u202ec\x07";
    const pieces: Uint8Array[] = [];
    const told = { ...start, server: nasty, storage: nasty, notRecorded: Array<string>(5000).fill(nasty) };
    const writer = new RecordingWriter((bytes) => void pieces.push(bytes.slice()), told);
    writer.addDetails("missing", 1, { what: nasty });
    writer.end(2, { reason: "disk", text: nasty.repeat(1000) });
    const bytes = Buffer.concat(pieces);
    const recording = recordingFrom((at, length) => bytes.subarray(at, at + length), bytes.length);
    const missing = [...recording.entries()].find(({ kind }) => kind === "missing") as Entry<"missing">;
    const { server, storage, notRecorded } = recording.start;
    const { text } = recording.ending;
    const said = [server, storage, ...notRecorded, detailsOf(missing).what, text];
    for (const one of said) expect(one).toMatch(/^[\x20-\x7e]{9,1000}$/);
    expect(notRecorded.length).toBe(100);
  });

  test("of a version that is not known says which are", () => {
    const bytes = sound.slice();
    bytes[fileHeadBytes - 2] = 9;
    expect(readAll(bytes)!.message).toBe("this recording has version 9; known are 1,2");
  });
});
