// What the display counts, in the order of its counters in shared memory.

import { indexesOf } from "../runtime/counter-index.ts";

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
  "updatesUnanswered",
] as const;

export const Counter = indexesOf(counterNames);
