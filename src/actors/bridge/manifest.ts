// The resource bridge: lends resources to other devices.

import type { Manifest } from "../runtime/manifest.ts";
import { bridgeCounters } from "./counters.ts";

export const manifest = {
  name: "resource-bridge",
  talksTo: ["ctrl-queue"],
  survives: true,
  counters: bridgeCounters,
  place: "thread",
  areas: {},
  rights: ["listen"],
  schema: async () => (await import("./messages.ts")).ResourceBridgeMessage,
} as const satisfies Manifest;
