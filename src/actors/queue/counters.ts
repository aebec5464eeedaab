// Counters that both queue actors keep; an actor's own follow them.

import { indexesOf } from "../runtime/counter-index.ts";

export const queueCounters = [
  "commands",
  "errors",
  "malformedChains",
  "brokenRings",
  "wakeUps",
  "kicksPolled",
  "interrupts",
  "parked",
] as const;

export const QueueCounter = indexesOf(queueCounters);
