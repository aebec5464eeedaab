// What the inspector counts.

import { indexesOf } from "../runtime/counter-index.ts";

export const inspectorCounters = [
  "records",
  "droppedRecords",
  "historyBytes",
  "pages",
  "batches",
  "droppedBatches",
] as const;

export const Counter = indexesOf(inspectorCounters);
