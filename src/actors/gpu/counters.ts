// What the ctrl queue counts beyond what every queue does.

import { queueCounters } from "../queue/counters.ts";
import { indexesOf } from "../runtime/counter-index.ts";

export const ctrlQueueCounters = [
  ...queueCounters,
  "resources",
  "storageBytes",
  "contexts",
  "mappings",
  "mappedBytes",
  "fencesPending",
  "fencesStuck",
] as const;

export const CtrlCounter = indexesOf(ctrlQueueCounters);
