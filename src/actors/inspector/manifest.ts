// The inspector: shows what the actors do, to whoever is allowed to look.

import type { Manifest } from "../runtime/manifest.ts";
import { inspectorCounters } from "./counters.ts";
import { tapsBytes } from "../runtime/tap/layout.ts";

export const manifest = {
  name: "inspector",
  talksTo: ["ctrl-queue", "display"],
  survives: true,
  isSpare: true,
  counters: inspectorCounters,
  place: "thread",
  areas: { taps: tapsBytes },
  rights: [],
  isWanted: ({ inspect, trace }) => inspect !== undefined || trace !== undefined,
  schema: async () => (await import("./messages.ts")).InspectorMessage,
} as const satisfies Manifest;
