// What is played while it comes: a source that stops, fails or lies ends it with one sentence.

import { expect, test } from "bun:test";
import { LiveRecording } from "../../../../lab/replay/live/live-recording.ts";
import { readStreamAddress } from "../../../../lab/replay/live/stream-address.ts";
import type { Source } from "../../../../lab/replay/live/source.ts";
import { recordingFrom } from "../../../../src/transport/wire/record/reader.ts";
import { Tape } from "../../../support/tape.ts";

const signal = new AbortController().signal;

/** A stream of which `bytes` have come, and more at each wait; how it then ends is said, or it just stops. */
class Fake implements Source {
  bytes = 0;
  end: string | null = null;
  isClosed = false;
  forgotten = 0;

  constructor(
    private readonly all: Uint8Array,
    private readonly step: number,
    private readonly last: string | null,
  ) {}

  readonly readAt = (offset: number, length: number): Uint8Array =>
    this.all.slice(offset, Math.min(offset + length, this.bytes));

  async wait(): Promise<void> {
    await Bun.sleep(0);
    this.bytes = Math.min(this.all.length, this.bytes + this.step);
    if (this.bytes === this.all.length) this.end = this.last;
  }

  forget(before: number): void {
    this.forgotten = before;
  }

  close(): void {
    this.isClosed = true;
  }
}

function written(): Uint8Array {
  const tape = new Tape();
  for (let chunk = 0; chunk < 4; chunk++) {
    tape.add("frame", { scanouts: 1, resource: 1, width: 4, height: 4 });
    tape.writer.flush();
  }
  return tape.end();
}

/** All that comes of a source until it is whole. */
async function played(source: Source, stallMs?: number): Promise<LiveRecording> {
  const live = await LiveRecording.open(source, true, signal, stallMs);
  for (const entry of live.entries(0)) if (entry === null) await live.more(signal);
  return live;
}

test("a stream is played chunk by chunk to its end mark, and what was played is forgotten", async () => {
  const source = new Fake(written(), 50, null);
  const { recording } = await played(source);
  expect(recording.ending.reason).toBe("stopped");
  expect(recording.chunks.reduce((sum, { frames }) => sum + frames, 0)).toBe(4);
  expect(source.forgotten).toBeGreaterThan(recording.chunks[1]!.at);
  expect(source.forgotten).toBeLessThanOrEqual(recording.chunks.at(-1)!.at);
  recording.close();
  expect(source.isClosed).toBe(true);
});

test("one that is cut off is played as far as it is whole, and says why it ends there", async () => {
  const all = written();
  for (let length = 400; length < all.length - 100; length += 31) {
    const source = new Fake(all.subarray(0, length), 1000, "the connection was lost");
    const live = await LiveRecording.open(source, true, signal).catch((error: Error) => error);
    if (live instanceof Error) {
      expect(live.message).toBe("no recording has come: the connection was lost");
      expect(source.isClosed).toBe(true);
      continue;
    }
    while (!live.recording.isWhole) await live.more(signal);
    const { ending } = live.recording;
    if (ending.reason === "cut") expect(ending.text).toBe("the connection was lost");
  }
});

test("one that stops in the midst of a chunk ends, and one that rests between two goes on", async () => {
  const all = written();
  const { chunks } = recordingFrom((from, length) => all.slice(from, from + length), all.length);
  const stuck = await played(new Fake(all.subarray(0, chunks[3]!.at + 70), 1000, null), 20);
  expect(stuck.recording.ending).toMatchObject({
    reason: "cut",
    text: expect.stringContaining("nothing has come of a chunk"),
  });
  const resting = await LiveRecording.open(
    new Fake(all.subarray(0, chunks[3]!.at), 1000, null),
    true,
    signal,
    20,
  );
  const until = new AbortController();
  setTimeout(() => until.abort(), 100);
  while (!until.signal.aborted) await resting.more(until.signal);
  expect(resting.recording.isWhole).toBe(false);
  const mute = LiveRecording.open(new Fake(all.subarray(0, 10), 1000, null), true, signal, 20);
  expect(mute).rejects.toThrow("no recording has come in 0.02 s");
});

test("one that turns into something else ends where that begins", async () => {
  const all = new Uint8Array(written());
  const { chunks } = recordingFrom((from, length) => all.slice(from, from + length), all.length);
  all.fill(0xee, chunks[3]!.at);
  const { recording } = await played(new Fake(all, 100, null));
  expect(recording.ending).toMatchObject({
    reason: "cut",
    text: expect.stringMatching(/^there is no chunk at byte \d+$/),
  });
});

test("an address is the URL that a server logs, and what is none is refused in one sentence", () => {
  expect(readStreamAddress("http://127.0.0.1:8088/?token=abc12", false)).toEqual({
    url: "http://127.0.0.1:8088/api/record",
    token: "abc12",
  });
  expect(readStreamAddress("https://[::1]:1/anything?token=a#timeline", true)).toEqual({
    url: "https://[::1]:1/api/record?checksums=1",
    token: "a",
  });
  for (const text of [
    "",
    "127.0.0.1:8088",
    "http://127.0.0.1:8088/",
    "file:///etc/passwd?token=a",
    "http://h/?token=a%0d%0ab",
  ]) {
    expect(() => readStreamAddress(text, false)).toThrow(
      "want the URL that the server has logged, with its token",
    );
  }
});
