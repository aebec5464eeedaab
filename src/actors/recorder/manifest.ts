// The recorder: writes what both queues have done to a file.

import type { Manifest } from "../runtime/manifest.ts";
import { recorderCounters } from "./counters.ts";

/**
 * The area "recording": a head for what both queues share, and for each queue a head and a ring of bytes, of which the queue
 * uses as much as the settings say. Words of a head that are written by one side each lie in cache lines of their own.
 */
export const Rings = {
  /** The number of the next entry of either queue. */
  nextOrder: 0,
  /** By queue, 0 ctrl and 1 cursor, in bytes. */
  headAt: [4096, 8192],
  ringAt: [2 * 1024 * 1024, 1024 * 1024],
  ringBytesMax: [256 * 1024 * 1024, 1024 * 1024],
  /** Of one entry, such as a command that is as long as `--command-bytes-max` can be. */
  bodyBytesMax: 64 * 1024 * 1024,
} as const;
/** Pages are made when they are first written. */
const areaBytes = Rings.ringAt[0] + Rings.ringBytesMax[0];

/** Words of a queue's head. */
export const RingHead = {
  /** Bytes written and taken so far, modulo 2^32. */
  written: 0,
  /** Not 0 once the queue has given up: one of {@link GaveUp}. */
  gaveUp: 1,
  taken: 16,
} as const;
/** Why a queue writes no more. */
export const GaveUp = { no: 0, tooSlow: 1 } as const;

/** An entry of a ring, in words: its head, then its body, padded to eight bytes. `time` is a double. */
export const RingEntry = { kind: 0, bodyBytes: 1, order: 2, numbers: 3, time: 10, words: 12 } as const;

/** Kinds of entries that only the rings know, beside those of the file. */
export const RingKind = {
  /** A keyframe was left out: its pixels are more than the ring has room for. */
  keyframeLeftOut: 200,
} as const;

export const manifest = {
  name: "recorder",
  talksTo: ["ctrl-queue", "cursor-queue"],
  survives: true,
  isSpare: true,
  counters: recorderCounters,
  place: "thread",
  areas: { recording: areaBytes },
  rights: [],
  isWanted: ({ record }) => record !== undefined,
  mayComeLater: true,
  schema: async () => (await import("./messages.ts")).RecorderMessage,
} as const satisfies Manifest;
