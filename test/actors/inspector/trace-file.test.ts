// A trace's file on disks that are slow, full, or take a part: it keeps whole packets, and never makes anybody wait.

import { afterAll, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, write } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TraceFile } from "../../../src/actors/inspector/trace/trace-file.ts";

const folder = mkdtempSync(join(tmpdir(), "fencepost-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

type Answer = (error: NodeJS.ErrnoException | null, bytes: number) => void;
type Put = (fd: number, bytes: Uint8Array, from: number, length: number, at: number, answer: Answer) => void;

/** A file whose writes `put` does, and what is in it. */
function fileOf(name: string, put: Put = write as Put) {
  const path = join(folder, name);
  const file = new TraceFile(openSync(path, "w"), 0, put as unknown as typeof write);
  return { file, content: () => readFileSync(path, "latin1") };
}

const packets = (text: string): Uint8Array => Buffer.from(text);
const full = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code });

test("packets are there in their order, and the last one behind them", async () => {
  const { file, content } = fileOf("plain");
  for (const text of ["one ", "two ", "three "]) file.write(packets(text));
  await file.end(packets("end"));
  expect(content()).toBe("one two three end");
  expect(file.error).toBeNull();
});

test("what a disk takes in parts is whole in the end", async () => {
  const { file, content } = fileOf("parts", (fd, bytes, from, _length, at, answer) =>
    write(fd, bytes, from, Math.min(bytes.length, 3), at, answer),
  );
  file.write(packets("one and two and three"));
  await file.end(packets(" and the end"));
  expect(content()).toBe("one and two and three and the end");
});

test("of a write that a full disk took half of, nothing stays; the mark is behind what did", async () => {
  let room = 10;
  const { file, content } = fileOf("full", (fd, bytes, from, _length, at, answer) => {
    const taken = Math.min(bytes.length, room);
    room -= taken;
    if (taken === 0) answer(full("ENOSPC"), 0);
    else write(fd, bytes, from, taken, at, answer);
  });
  file.write(packets("whole "));
  // The next one is a write of its own only if the first has come to its end.
  while (content() === "") await Bun.sleep(1);
  file.write(packets("too long for it"));
  while (file.error === null) await Bun.sleep(1);
  expect(file.error).toBe("it cannot be written: ENOSPC");
  file.write(packets("more"));
  // What was cut off makes room.
  room = 10;
  await file.end(packets("mark"));
  expect(content()).toBe("whole mark");
});

test("a disk that does not answer ends the trace at a bound, and what waited for it is let go", async () => {
  const waiting: (() => void)[] = [];
  const { file, content } = fileOf("slow", (fd, bytes, from, length, at, answer) => {
    waiting.push(() => write(fd, bytes, from, length, at, answer));
  });
  const mebibyte = new Uint8Array(2 ** 20);
  let written = 0;
  for (; file.error === null; written++) file.write(mebibyte);
  expect(file.error).toBe("the disk is too slow for it");
  expect(written).toBe(17);
  expect(waiting).toHaveLength(1);
  let hasEnded = false;
  void file.end(packets("mark")).then(() => (hasEnded = true));
  for (; !hasEnded; await Bun.sleep(1)) waiting.shift()?.();
  // Only what was under way came to be written.
  expect(content().length).toBe(2 ** 20 + 4);
  expect(content()).toEndWith("mark");
});

test("a disk that takes nothing at all lets the file end", async () => {
  const { file, content } = fileOf("nothing", (_fd, _bytes, _from, _length, _at, answer) => {
    answer(full("EIO"), 0);
  });
  file.write(packets("one"));
  expect(file.error).toBe("it cannot be written: EIO");
  await file.end(packets("mark"));
  expect(content()).toBe("");
});

test("a file is gone on with from where it ends", async () => {
  const { file } = fileOf("resumed");
  file.write(packets("first "));
  await file.end(packets(""));
  const fd = openSync(join(folder, "resumed"), "r+");
  const next = new TraceFile(fd, 6);
  next.write(packets("second"));
  await next.end(packets(" end"));
  expect(readFileSync(join(folder, "resumed"), "utf8")).toBe("first second end");
  // Its own descriptor, which it has closed.
  expect(() => closeSync(fd)).toThrow("EBADF");
});
