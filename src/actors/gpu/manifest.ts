// The ctrl queue: runs the guest's commands, and owns its resources and the renderer.

import type { Manifest } from "../runtime/manifest.ts";
import { ctrlQueueCounters } from "./counters.ts";

export const manifest = {
  name: "ctrl-queue",
  talksTo: ["cursor-queue", "display", "fence-poller", "resource-bridge", "vhost-session"],
  survives: false,
  counters: ctrlQueueCounters,
  place: "thread",
  rights: ["guest-memory", "gpu"],
  schema: async () => (await import("./messages.ts")).CtrlQueueMessage,
} as const satisfies Manifest;
