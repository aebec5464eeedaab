// Counters that both queue actors keep; an actor's own follow them.

export const queueCounters = [
  "commands",
  "errors",
  "malformedChains",
  "brokenRings",
  "wakeUps",
  "kicksPolled",
  "parked",
] as const;

export const QueueCounter = {
  commands: 0,
  errors: 1,
  malformedChains: 2,
  brokenRings: 3,
  wakeUps: 4,
  kicksPolled: 5,
  parked: 6,
} as const;
