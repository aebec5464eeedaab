// What the display counts, in the order of its counters in shared memory.

export const counterNames = [
  "flushes",
  "scanouts",
  "cursorImages",
  "cursorMoves",
  "surfaces",
  "frames",
  "bytes",
  "flushesMerged",
  "framesSkipped",
  "questions",
  "questionsUnanswered",
  "snapshots",
] as const;

/** The index of each counter by its name. */
export const Counter = Object.fromEntries(counterNames.map((name, index) => [name, index])) as Record<
  (typeof counterNames)[number],
  number
>;
