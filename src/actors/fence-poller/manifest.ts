// The fence poller: waits for the renderer's fences.

import type { Manifest } from "../runtime/manifest.ts";

export const manifest = {
  name: "fence-poller",
  talksTo: ["ctrl-queue"],
  survives: true,
  counters: [],
  place: "thread",
  areas: {},
  rights: [],
  schema: async () => (await import("./messages.ts")).FencePollerMessage,
} as const satisfies Manifest;
