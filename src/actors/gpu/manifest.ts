// The ctrl queue: runs the guest's commands, and owns its resources and the renderer.

import { cursorSize, scanoutsMax } from "../../transport/wire/virtio-gpu/protocol.ts";
import type { Manifest } from "../runtime/manifest.ts";
import { ctrlQueueCounters } from "./counters.ts";

/**
 * Slots of the cursor pool in turn for one scanout: the cursor queue assigns them, the ctrl queue fills them. The display
 * copies an image as soon as it hears of it, so that a slot is written again long after it was read.
 */
export const slotsPerScanout = 4;
/** One image of the pool: 64 × 64 pixels of bytes B, G, R, A. Slot n lies at n times as many bytes. */
export const cursorImageBytes = cursorSize * cursorSize * 4;
const cursorPoolBytes = scanoutsMax * slotsPerScanout * cursorImageBytes;

export const manifest = {
  name: "ctrl-queue",
  talksTo: ["cursor-queue", "display", "fence-poller", "resource-bridge", "vhost-session"],
  survives: false,
  counters: ctrlQueueCounters,
  place: "thread",
  areas: { "cursor-images": cursorPoolBytes },
  rights: ["guest-memory", "gpu"],
  schema: async () => (await import("./messages.ts")).CtrlQueueMessage,
} as const satisfies Manifest;
