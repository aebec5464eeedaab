// The display: shows surfaces through its sinks.

import type { Manifest } from "../runtime/manifest.ts";
import { counterNames } from "./counters.ts";

export const manifest = {
  name: "display",
  talksTo: ["ctrl-queue", "inspector", "vhost-session"],
  survives: true,
  counters: counterNames,
  place: "thread",
  areas: { "display-period": Int32Array.BYTES_PER_ELEMENT },
  rights: ["connect"],
  schema: async () => (await import("./messages.ts")).DisplayMessage,
} as const satisfies Manifest;
