// The ctrl queue: runs the guest's commands, and owns its resources and the renderer.

import { Command, cursorSize, scanoutsMax } from "../../transport/wire/virtio-gpu/protocol.ts";
import { successionBytes } from "../queue/succession.ts";
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

/** The area "cursor-shelf": what the cursor queue has to know for an image without asking. Offsets in words of 32 bits. */
export const Shelf = {
  /** Another number whenever the ring has another life; 0 while nothing is known of it. */
  run: 0,
  /** The guest-physical address of the ring's avail index, in two halves, and up to where its commands have run. */
  availLow: 1,
  availHigh: 2,
  reached: 3,
  /** Images that the cursor queue has taken from here. */
  taken: 4,
  /** The last number that {@link run} had. */
  lastRun: 5,
  /** A {@link SlotState} a slot, then the resource whose pixels lie in it. */
  states: 16,
  resources: 32,
  words: 48,
  slots: 16,
  /** Where the pixels of the slots lie one after the other, in bytes. */
  imagesAt: 4096,
} as const;

/**
 * Who has a slot, so that neither side waits for the other. What is changed while it is read becomes stale, and is cleared by
 * the reader.
 */
export const SlotState = { empty: 0, full: 1, writing: 2, reading: 3, stale: 4 } as const;

/** Words that the ctrl queue keeps for its successor, and for whoever asks what it died of. */
export const KeptWord = {
  /** The command that it runs, or 0; its header's context, and the head of its chain. */
  command: 0,
  context: 1,
  head: 2,
  /** The last number that a surface was given. */
  surface: 3,
  /** The resource that it was about to restore, or 0. */
  restoring: 4,
  /** The head of the chain that is not to be run again, plus 1; or 0. */
  guilty: 5,
  /** What becomes of the area "snapshot", a {@link SnapshotStage}, and how many words of it are used. */
  snapshot: 6,
  snapshotWords: 7,
  /** A resource that one has died of restoring, or 0; and 1 while it is tried once more. */
  suspect: 8,
  trying: 9,
} as const;

/**
 * The file in the area "snapshot": none; one of the settings', or of a front-end's and gone with it, that waits for a guest that goes
 * on; one that is taken up, which the journal has; or one that is there again, of which other actors may have to be told once more.
 */
export const SnapshotStage = { none: 0, ofSettings: 1, ofFrontEnd: 2, taking: 3, telling: 4 } as const;

/** Bytes of the area "journal": {@link Journal} says how they are used. Pages are made when first touched. */
const journalBytes = 256 * 1024 * 1024;

/** The longest snapshot that is taken, or read; and of the area for it, whose pages are made when touched, too. */
export const snapshotBytesMax = 2 ** 31;

/** Such as "amid SUBMIT_3D of context 2". */
function lastWords(keep: Int32Array): string {
  const type = keep[KeptWord.command]! >>> 0;
  if (type === 0) return "";
  const name = Object.entries(Command).find(([, value]) => value === type)?.[0] ?? `command ${type}`;
  const context = keep[KeptWord.context]! >>> 0;
  return context === 0 ? `amid ${name}` : `amid ${name} of context ${context}`;
}

export const manifest = {
  name: "ctrl-queue",
  talksTo: [
    "cursor-queue",
    "display",
    "fence-poller",
    "inspector",
    "recorder",
    "resource-bridge",
    "vhost-session",
  ],
  survives: "as-process",
  counters: ctrlQueueCounters,
  place: "process",
  areas: {
    "cursor-images": cursorPoolBytes,
    "cursor-shelf": Shelf.imagesAt + Shelf.slots * cursorImageBytes,
    succession: successionBytes,
    journal: journalBytes,
    snapshot: snapshotBytesMax,
  },
  rights: ["guest-memory", "gpu"],
  lastWords,
  schema: async () => (await import("./messages.ts")).CtrlQueueMessage,
} as const satisfies Manifest;
