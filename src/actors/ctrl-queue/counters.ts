// What the ctrl queue counts beyond what every queue does.

import { queueCounters } from "../queue/counters.ts";

export const ctrlQueueCounters = [...queueCounters, "resources", "storageBytes"] as const;

export const CtrlCounter = {
  resources: queueCounters.length,
  storageBytes: queueCounters.length + 1,
} as const;
