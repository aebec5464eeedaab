// A recording that is read while it is written: as much of it as is whole, at any time.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { ChunkHead, fileHeadBytes, plainBytesMax } from "../../../src/transport/wire/record/layout.ts";
import { growingFrom, recordingFrom } from "../../../src/transport/wire/record/reader.ts";
import type { GrowingRecording, ReadAt } from "../../../src/transport/wire/record/recording.ts";
import { RecordingError } from "../../../src/transport/wire/record/recording-error.ts";
import { Tape } from "../../support/tape.ts";

/** A recording of several chunks, keyframe and all. */
function written(): Uint8Array {
  const tape = new Tape();
  for (let chunk = 0; chunk < 6; chunk++) {
    for (let index = 0; index < 5; index++) {
      tape.add("command", { queue: 0, id: chunk * 5 + index, room: 24 }, new Uint8Array(40).fill(index));
      tape.add("frame", { scanouts: 1, resource: 1, width: 4, height: 4 });
    }
    if (chunk === 3) {
      tape.add("keyframe", { features: 2 });
      tape.add("keyframeEnd", {});
    }
    tape.writer.flush();
  }
  return new Uint8Array(tape.end());
}

const whole = written();
const all = recordingFrom(readerOf(whole), whole.length);

/** Reads as if no more than `most()` bytes were there; remembers the longest read. */
function readerOf(bytes: Uint8Array, asked = { most: 0 }): ReadAt {
  return (offset, length) => {
    asked.most = Math.max(asked.most, length);
    return bytes.slice(Math.min(offset, bytes.length), Math.min(offset + length, bytes.length));
  };
}

const facts = (recording: GrowingRecording | typeof all): unknown => [
  recording.start,
  recording.chunks,
  [...recording.entries()],
];

/** Reads `bytes` as they come, which is up to each of `sizes`. */
function grown(
  bytes: Uint8Array,
  sizes: readonly number[],
  asked?: { most: number },
): GrowingRecording | null {
  let recording: GrowingRecording | null = null;
  for (const size of sizes) {
    // What is beyond has not come.
    const readAt: ReadAt = (offset, length) => readerOf(bytes, asked)(offset, length);
    if (recording === null) recording = growingFrom(readAt, size);
    else recording.grow(size);
  }
  return recording;
}

test("has all in the end, in whatever pieces it comes, and says then that it is whole", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(whole.length), { maxLength: 30 }), (cuts) => {
      const sizes = [...cuts.toSorted((a, b) => a - b), whole.length];
      const recording = grown(whole, sizes)!;
      expect(facts(recording)).toEqual(facts(all));
      expect(recording.isWhole).toBe(true);
      expect(recording.isWithinChunk).toBe(false);
      expect(recording.ending).toEqual({ reason: "stopped", text: "as asked" });
      // What lies behind is no part of it.
      recording.grow(whole.length + 1000);
      expect(recording.chunks).toHaveLength(all.chunks.length);
    }),
  );
});

test("has what a file has that was cut there, and no end before that is known", () => {
  for (let size = 0; size < whole.length; size += 7) {
    const recording = growingFrom(readerOf(whole.subarray(0, size)), size);
    if (size < all.chunks[1]!.at) {
      expect(recording).toBeNull();
      continue;
    }
    const cut = recordingFrom(readerOf(whole.subarray(0, size)), size);
    expect(facts(recording!)).toEqual(facts(cut));
    expect(recording!.isWhole).toBe(false);
    expect(recording!.ending.reason).toBe("cut");
    const { at, storedBytes } = cut.chunks.at(-1)!;
    recording!.grow(size);
    expect(recording!.isWithinChunk).toBe(size > at + ChunkHead.bytes + storedBytes);
    recording!.cut("nobody writes any more");
    expect(recording!.isWhole).toBe(true);
    // The end mark may have come without the index behind it.
    if (cut.ending.reason === "cut") {
      expect(recording!.ending).toEqual({ ...cut.ending, text: "nobody writes any more" });
    } else expect(recording!.ending).toEqual(cut.ending);
  }
});

test("what can be no recording is told as soon as it has come, in one sentence", () => {
  const of = (bytes: Uint8Array): unknown => growingFrom(readerOf(bytes), bytes.length);
  expect(() => of(new TextEncoder().encode("<html><body>404 Not Found</body>"))).toThrow(
    "this is no recording",
  );
  const later = whole.slice();
  later[fileHeadBytes - 2] = 9;
  expect(() => of(later)).toThrow("this recording has version 9; known are 1,2");
  const torn = whole.slice();
  torn.fill(0xaa, all.chunks[2]!.at);
  const recording = growingFrom(readerOf(torn), all.chunks[2]!.at)!;
  expect(() => recording.grow(torn.length)).toThrow(`there is no chunk at byte ${all.chunks[2]!.at}`);
  recording.cut("it was torn");
  expect(recording.chunks).toHaveLength(2);
  expect([...recording.entries()].length).toBeGreaterThan(0);
  const twice = Buffer.concat([whole.subarray(0, all.chunks[2]!.at), whole.subarray(all.chunks[1]!.at)]);
  expect(() => growingFrom(readerOf(twice), twice.length)!.grow(twice.length)).toThrow("does not follow");
});

test("bytes that are anything earn an error of one sentence, and no read beyond a chunk's bound", () => {
  const change = fc.record({ at: fc.nat(whole.length - 1), byte: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), fc.nat(whole.length), (changes, first) => {
      const bytes = whole.slice();
      for (const { at, byte } of changes) bytes[at] = byte;
      const asked = { most: 0 };
      try {
        const recording = grown(bytes, [first, bytes.length], asked);
        recording?.cut("it ends");
        for (let chunk = 0; chunk < (recording?.chunks.length ?? 0); chunk++) recording!.read(chunk);
      } catch (error) {
        expect(error).toBeInstanceOf(RecordingError);
        expect((error as Error).message).not.toContain("\n");
      }
      expect(asked.most).toBeLessThanOrEqual(plainBytesMax + ChunkHead.bytes);
    }),
    { numRuns: 500 },
  );
});
