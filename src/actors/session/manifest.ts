// The vhost session: speaks vhost-user with the front-end, and tells the queues.

import type { Manifest } from "../runtime/manifest.ts";
import { sessionCounters } from "./counters.ts";

export const manifest = {
  name: "vhost-session",
  talksTo: ["ctrl-queue", "cursor-queue", "display"],
  survives: false,
  counters: sessionCounters,
  place: "thread",
  areas: {},
  rights: [],
  schema: async () => (await import("./messages.ts")).VhostSessionMessage,
} as const satisfies Manifest;
