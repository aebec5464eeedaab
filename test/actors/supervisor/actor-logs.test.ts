// How much an actor may log.

import { expect, test } from "bun:test";
import { ActorLogs } from "../../../src/actors/supervisor/actor-logs.ts";

const linesOf = (isolation: "process" | "thread", actor: "ctrl-queue" | "display"): string[] => {
  const lines: string[] = [];
  const logs = new ActorLogs(
    { write: (level, from, text) => void lines.push(`${level} ${from} ${text}`) },
    { isolation },
  );
  for (let line = 0; line < 500; line++) logs.write("error", actor, `line ${line}`);
  return lines;
};

test("a process says so many lines a second, of any level, and threads what they have to say", () => {
  const lines = linesOf("process", "ctrl-queue");
  expect(lines.slice(0, 100)).toEqual(
    Array.from({ length: 100 }, (_, line) => `error ctrl-queue line ${line}`),
  );
  // Another second may have begun.
  expect(lines.length).toBeLessThan(250);
  expect(linesOf("process", "display")).toHaveLength(500);
  expect(linesOf("thread", "ctrl-queue")).toHaveLength(500);
});
