// A recording in steps: what belongs to a command stays with it, whatever the other queue does meanwhile.

import { expect, test } from "bun:test";
import * as commands from "../../lab/driver/commands.ts";
import { stepsOf } from "../../src/recording/steps.ts";
import type { Entry } from "../../src/transport/wire/record/entries.ts";
import { recordingFrom } from "../../src/transport/wire/record/reader.ts";
import { Tape } from "../support/tape.ts";

/** Kinds of the steps after the rings have started; of a command its queue, and how many bytes, frames and answers it has. */
function kindsOf(tape: Tape): string[] {
  const bytes = tape.end();
  const read = (at: number, length: number) => bytes.subarray(at, Math.min(at + length, bytes.length));
  const steps = [...stepsOf(recordingFrom(read, bytes.length).entries())];
  return steps.slice(4, -1).map((step) => {
    if (step.kind !== "step") return step.kind;
    const { command, bytes: pieces, frames, answer } = step;
    return `${command.queue}: ${pieces.length} ${frames.length} ${answer === null ? 0 : 1}`;
  });
}

const bytesOf = (tape: Tape): void => tape.add("bytes", { resource: 1, rowBytes: 4 }, new Uint8Array(4));
const transfer = commands.transferToHost2d(1, { x: 0, y: 0, width: 1, height: 1 }, 0);
const move = commands.moveCursor({ scanoutId: 0, x: 1, y: 1 }, 1);

test.each<[string, (tape: Tape) => void]>([
  ["a cursor of a keyframe", (tape) => tape.add("cursor", { scanout: 0 })],
  ["the cursor queue's stop", (tape) => tape.add("ring", { queue: 1 })],
  ["its start anew", (tape) => tape.add("reset", { queue: 1 })],
])("%s between a command and what it reads leaves that with it", (_, between) => {
  const tape = new Tape();
  tape.command(transfer, {
    during: () => {
      between(tape);
      bytesOf(tape);
    },
  });
  expect(kindsOf(tape)[0]).toBe("0: 1 0 1");
});

test("commands of both queues keep their order, and their answers", () => {
  const tape = new Tape();
  tape.command(transfer, {
    during: () => {
      tape.command(move, { queue: 1 });
      bytesOf(tape);
    },
  });
  expect(kindsOf(tape)).toEqual(["0: 1 0 1", "1: 0 0 1"]);
});

test("what a command reads stays with it, however many of the cursor queue's come meanwhile", () => {
  const tape = new Tape();
  tape.command(transfer, {
    during: () => {
      for (let count = 0; count < 1000; count++) tape.command(move, { queue: 1 });
      bytesOf(tape);
    },
  });
  expect(kindsOf(tape)[0]).toBe("0: 1 0 1");
});

test("a command of the cursor queue that is never answered holds up few of the other's", () => {
  const body = new Uint8Array(2 ** 26);
  let taken = 0;
  function* entries(): Generator<Entry> {
    const command = { kind: "command", number: 1, time: 0, id: 1, room: 0, body: new Uint8Array(4) } as const;
    yield { ...command, queue: 1 };
    for (let id = 1; id <= 20; id++) {
      taken++;
      yield { ...command, queue: 0, id };
      yield { kind: "bytes", number: 2, time: 0, resource: 1, body } as unknown as Entry<"bytes">;
      yield { kind: "answer", number: 3, time: 0, queue: 0, id, type: 0x1100, body: new Uint8Array(0) };
    }
  }
  const steps = stepsOf(entries());
  expect(steps.next().value).toMatchObject({ command: { queue: 1 }, answer: null });
  expect(taken).toBeLessThan(10);
  expect([...steps].map((step) => step.kind === "step" && step.bytes.length)).toEqual(Array(20).fill(1));
});

test("an answer that comes after the queue's next command stands alone", () => {
  const tape = new Tape();
  const id = tape.command(transfer, { type: null });
  tape.command(transfer);
  tape.add("answer", { queue: 0, id, type: 0x1100 });
  expect(kindsOf(tape)).toEqual(["0: 0 0 0", "0: 0 0 1", "answer"]);
});

test("what is read when the ring has stopped belongs to no command", () => {
  const tape = new Tape();
  tape.command(transfer, { type: null });
  tape.add("ring", { queue: 0 });
  bytesOf(tape);
  expect(kindsOf(tape)).toEqual(["0: 0 0 0", "ring"]);
});

test("a command that reads without end is refused", () => {
  const body = new Uint8Array(2 ** 26);
  const command = { kind: "command", number: 1, time: 0, queue: 0, id: 1, room: 0, body: new Uint8Array(4) };
  const piece = { kind: "bytes", number: 2, time: 0, resource: 1, body };
  const entries = [command, ...Array.from({ length: 9 }, () => piece)] as unknown as Entry[];
  expect(() => [...stepsOf(entries)]).toThrow("goes on with a command without end");
});
