// The cursor queue: moves and changes the pointers.

import { queueCounters } from "../queue/counters.ts";
import type { Manifest } from "../runtime/manifest.ts";

export const manifest = {
  name: "cursor-queue",
  talksTo: ["ctrl-queue", "display", "recorder", "vhost-session"],
  survives: true,
  counters: queueCounters,
  place: "thread",
  areas: {},
  rights: ["guest-memory"],
  schema: async () => (await import("./messages.ts")).CursorQueueMessage,
} as const satisfies Manifest;
