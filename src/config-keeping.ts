// The settings of what is kept of a guest in files: recordings, and snapshots.

import { byteCount, integer, PathName, Switch } from "./config-values.ts";

export const keeping = {
  record: {
    group: "Operation",
    value: "FILE",
    path: true,
    help: "record what the guest does, and shows, to this file (docs/recording.md)",
    kind: PathName.optional(),
  },
  recordKeyframeBytes: {
    group: "Operation",
    value: "BYTES",
    help: "have the state in a recording again after so much; 0: once",
    kind: byteCount().default(32 * 2 ** 20),
  },
  recordRingBytes: {
    group: "Operation",
    value: "BYTES",
    help: "what may wait for the recording's disk",
    kind: byteCount(2 ** 20, 2 ** 28).default(32 * 2 ** 20),
  },
  recordWaitMs: {
    group: "Operation",
    value: "MS",
    help: "of a second the guest waits so long for it; then the recording ends",
    kind: integer(0, 1_000).default(100),
  },
  recordChecksums: {
    group: "Operation",
    help: "record a checksum of each flush, to compare a replay with",
    kind: Switch,
  },
  restore: {
    group: "Operation",
    value: "FILE",
    path: true,
    help: "have the guest that comes go on with what this file of ctl snapshot has (docs/running.md)",
    kind: PathName.optional(),
  },
} as const;
