// The rings between the queues and the recorder: what goes in comes out, whole and in order, and never makes a queue wait long.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { RecordRing } from "../../../src/actors/queue/record-ring.ts";
import { GaveUp } from "../../../src/actors/recorder/manifest.ts";
import { RingReader } from "../../../src/actors/recorder/ring-reader.ts";
import { Transcript } from "../../../src/actors/recorder/transcript.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import type { Start } from "../../../src/transport/wire/record/details.ts";
import { EntryKind } from "../../../src/transport/wire/record/entries.ts";
import { recordingFrom } from "../../../src/transport/wire/record/reader.ts";
import { RecordingWriter } from "../../../src/transport/wire/record/writer.ts";
import { FakeContext } from "../../support/fake-context.ts";

const ringBytes = 4096;
let context: FakeContext;
let rings: [RecordRing, RecordRing];
let readers: [RingReader, RingReader];
let readerMemory: NativeMemory;
let source: NativeMemory;
let bytes: Uint8Array;

beforeEach(() => {
  context = new FakeContext("recorder");
  readerMemory = context.area("recording", "write");
  new Int32Array(readerMemory.view(0, 4)).fill(0);
  readers = [new RingReader(readerMemory, 0, ringBytes), new RingReader(readerMemory, 1, ringBytes)];
  for (const reader of readers) reader.reset();
  const open = (queue: 0 | 1) => new RecordRing(context.area("recording", "write"), queue, ringBytes, 20);
  rings = [open(0), open(1)];
  source = NativeMemory.allocate(65_536);
  bytes = new Uint8Array(source.view());
  bytes.forEach((_, at) => (bytes[at] = (at * 31) % 251));
});
afterEach(() => {
  for (const ring of rings) ring.close();
  readerMemory.unmap();
  source.unmap();
  context.close();
});

function write(ring: RecordRing, kind: number, length: number, from: number): void {
  ring.begin(kind, length, 1, 2, from);
  ring.put(source.address + from, length);
  ring.end();
}

const numbers = new Uint32Array(6);

/** The next entry of a ring, or null. */
function read(reader: RingReader): { kind: number; from: number; body: Uint8Array } | null {
  if (reader.nextOrder < 0) return null;
  const kind = reader.begin(numbers);
  const body = new Uint8Array(reader.bodyBytes);
  reader.headTaken();
  expect(reader.take(body, body.length)).toBe(true);
  return { kind, from: numbers[2]!, body };
}

test("an entry that says that it is longer than any is refused before room is made for it", () => {
  rings[0].begin(EntryKind.command, 64 * 1024 * 1024);
  expect(readers[0].begin(numbers)).toBe(EntryKind.command);
  readers[0].reset();
  rings[0].close();
  const ring = new RecordRing(context.area("recording", "write"), 0, ringBytes, 20);
  rings[0] = ring;
  ring.begin(EntryKind.command, 64 * 1024 * 1024 + 1);
  expect(() => readers[0].begin(numbers)).toThrow("says that it has 67108865 bytes");
});

describe("a ring", () => {
  test("gives every entry as it was put, however it wraps", () => {
    const entry = fc.record({
      kind: fc.nat(30),
      length: fc.nat(700),
      from: fc.nat(60_000),
      isRead: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 100 }), (entries) => {
        const [ring] = rings;
        const [reader] = readers;
        const waiting: typeof entries = [];
        const readOne = (): void => {
          const { kind, from, length } = waiting.shift()!;
          const got = read(reader)!;
          expect(got).toMatchObject({ kind, from });
          expect(got.body).toEqual(bytes.slice(from, from + length));
        };
        for (const one of entries) {
          // There is room for at least one.
          while (ring.room() < one.length + 64) readOne();
          write(ring, one.kind, one.length, one.from);
          waiting.push(one);
          if (one.isRead) readOne();
        }
        while (waiting.length > 0) readOne();
        expect(read(reader)).toBeNull();
      }),
    );
  });

  test("gives a body that is longer than itself in pieces", () => {
    const [ring] = rings;
    const [reader] = readers;
    // The queue's thread waits for room: it gives up here, where one thread is both sides.
    write(ring, 3, 3 * ringBytes, 100);
    expect(ring.isOver).toBe(true);
    reader.begin(numbers);
    const body = new Uint8Array(reader.bodyBytes);
    reader.headTaken();
    expect(reader.take(body, body.length)).toBe(false);
    const there = ringBytes - 48;
    expect(body.subarray(0, there)).toEqual(bytes.slice(100, 100 + there));
    expect(reader.gaveUp).toBe(GaveUp.tooSlow);
  });

  test("that nobody empties is given up after a bounded wait, and then costs nothing", () => {
    const [ring] = rings;
    const from = performance.now();
    for (let count = 0; count < 200; count++) write(ring, 3, 100, 0);
    expect(ring.isOver).toBe(true);
    expect(readers[0].gaveUp).toBe(GaveUp.tooSlow);
    // Twenty are allowed of each second; what a busy machine adds is not the ring's.
    expect(performance.now() - from).toBeGreaterThanOrEqual(20);
    const whole = Math.floor(ringBytes / (48 + 104));
    for (let count = 0; count < whole; count++) expect(read(readers[0])!.body).toHaveLength(100);
    // The next one had begun.
    expect(readers[0].nextOrder).toBe(whole);
    expect(readers[0].begin(numbers)).toBe(3);
    readers[0].headTaken();
    expect(readers[0].take(new Uint8Array(100), 100)).toBe(false);
  });
});

const start: Start = {
  server: "",
  wallMs: 0,
  monotonicNs: 0,
  isFromStart: true,
  hasChecksums: false,
  features: 0,
  renderer: {},
  storage: "memfd",
  outputs: [],
  limits: {},
  notRecorded: [],
};

function transcript(): { written: Transcript; writer: RecordingWriter; bytes: () => Uint8Array } {
  const parts: Uint8Array[] = [];
  const writer = new RecordingWriter((bytes) => void parts.push(bytes.slice()), start);
  return {
    written: new Transcript(readers, writer, 0, false),
    writer,
    bytes: () => new Uint8Array(Buffer.concat(parts)),
  };
}

describe("a transcript", () => {
  test("has the entries of both queues in the order in which they began", () => {
    const { written, writer, bytes: file } = transcript();
    const began: number[] = [];
    fc.assert(
      fc.property(fc.array(fc.constantFrom<0 | 1>(0, 1), { maxLength: 20 }), (queues) => {
        for (const queue of queues) {
          write(rings[queue], EntryKind.command, 8, queue);
          began.push(queue);
        }
        expect(written.write()).toBe(false);
      }),
      { numRuns: 20 },
    );
    writer.end(0, { reason: "stopped", text: "" });
    const all = file();
    const recording = recordingFrom((at, length) => all.slice(at, at + length), all.length);
    const rooms = [...recording.entries()].flatMap((entry) => (entry.kind === "command" ? entry.room : []));
    expect(rooms).toEqual(began);
  });

  test("waits for the entry that began before, whichever queue's it is", () => {
    const { written, writer } = transcript();
    // The ctrl queue has begun one that the recorder does not see yet.
    rings[0].begin(EntryKind.command, 0);
    write(rings[1], EntryKind.command, 8, 0);
    written.write();
    expect(writer.entries).toBe(1);
    rings[0].end();
    written.write();
    expect(writer.entries).toBe(3);
  });

  test("leaves out an entry of which no more comes", () => {
    const { written, writer, bytes: file } = transcript();
    write(rings[0], EntryKind.command, 8, 0);
    write(rings[0], EntryKind.command, 3 * ringBytes, 0);
    written.write();
    expect(written.isWhole).toBe(false);
    written.cut();
    writer.end(0, { reason: "too-slow", text: "" });
    const all = file();
    const recording = recordingFrom((at, length) => all.slice(at, at + length), all.length);
    expect([...recording.entries()].map(({ kind }) => kind)).toEqual(["start", "command", "end"]);
  });
});
