// Where the ctrl queue stops, in a sentence.

import type { BreakRecord } from "../feed.ts";
import { count, duration } from "./words.ts";

const quoted = (filters: readonly string[]): string =>
  filters.map((filter) => (filter === "" ? "a break at any command" : `"${filter}"`)).join(", ");

/** Why it is paused, since when and with how much behind it; or what it runs towards. `nowNs` is now. */
export function pauseText(record: BreakRecord, nowNs: number): string {
  const { state, breaks, sinceNs, behind, steps, next } = record;
  if (state === "running") return "the ctrl queue runs, and nobody has a break";
  if (state === "armed") return `the ctrl queue runs until ${quoted(breaks)}`;
  const waits = `${count(behind)} command${behind === 1 ? "" : "s"} wait${behind === 1 ? "s" : ""} behind`;
  const where = next === null ? "with no command to run" : `before ${next.id}; ${waits}`;
  const left = steps === 0 ? "" : `; ${count(steps)} more may run`;
  return `paused for ${duration(Math.max(0, nowNs - sinceNs))} ${where}${left}: ${whyText(record)}`;
}

function whyText({ why, heldBy, cause }: BreakRecord): string {
  const by = quoted(heldBy);
  const what = cause === null ? "" : `${cause.id} ${cause.type}`;
  switch (why) {
    case "before":
      return `${by} holds for it`;
    case "answer":
      return `${by} holds for ${what}, which was answered ${cause?.response}`;
    case "wait":
      return `${by} holds for ${what}, which waits for its fence`;
    case "step":
      return `after a step; ${by} holds it`;
  }
}
