// What a process prints becomes lines, however it comes.
import { expect, test } from "bun:test";
import { readLines } from "../../../../src/actors/runtime/process/lines-of-text.ts";

async function linesOf(...parts: string[]): Promise<string[]> {
  const bytes = parts.map((part) => new TextEncoder().encode(part));
  const lines: string[] = [];
  await readLines(new Blob(bytes).stream(), (line) => lines.push(line));
  return lines;
}

async function linesOfParts(parts: readonly Uint8Array<ArrayBuffer>[]): Promise<string[]> {
  const lines: string[] = [];
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      for (const part of parts) controller.enqueue(part);
      controller.close();
    },
  });
  await readLines(stream, (line) => lines.push(line));
  return lines;
}

test("lines are told without their ends, and without those that are empty", async () => {
  expect(await linesOf("one\ntwo\n\nthree\n")).toEqual(["one", "two", "three"]);
});

test("a last line needs no end", async () => {
  expect(await linesOf("one\ntwo")).toEqual(["one", "two"]);
});

test("a line, and a letter, may come in parts", async () => {
  const bytes = new TextEncoder().encode("grün\nblau\n");
  expect(await linesOfParts(Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(["grün", "blau"]);
});

test("a long line goes on in others, and none waits for an end that does not come", async () => {
  const lines = await linesOfParts(Array.from({ length: 100 }, () => new Uint8Array(100).fill(0x61)));
  expect(lines.join("")).toBe("a".repeat(10_000));
  expect(Math.max(...lines.map(({ length }) => length))).toBe(240);
});
