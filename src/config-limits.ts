// The settings of how much one guest, peer, page or program may have: a part of config.ts. docs/limits.md tells what happens
// beyond each; a limit whose test is missing fails test/limits.test.ts.

import { byteCount, integer, RingSize } from "./config-values.ts";

export const limits = {
  resourcesMax: {
    group: "Limits",
    value: "N",
    help: "resources that one guest may have",
    kind: integer(1, 1_048_576).default(65_536),
  },
  storageBytesMax: {
    group: "Limits",
    value: "BYTES",
    help: "bytes of resources that one guest may have",
    kind: byteCount().default(4 * 1024 * 1024 * 1024),
  },
  contextsMax: {
    group: "Limits",
    value: "N",
    help: "3D contexts that one guest may have",
    kind: integer(1, 65_536).default(1_024),
  },
  attachmentsMax: {
    group: "Limits",
    value: "N",
    help: "attachments of resources to 3D contexts, all together",
    kind: integer(1, 16_777_216).default(1_048_576),
  },
  subContextsMax: {
    group: "Limits",
    value: "N",
    help: "sub-contexts that each 3D context may have besides its first",
    kind: integer(1, 65_536).default(64),
  },
  objectsMax: {
    group: "Limits",
    value: "N",
    help: "objects, shaders and streamouts included, that each 3D context may have",
    kind: integer(1, 1_048_576).default(65_536),
  },
  glContextsMax: {
    group: "Limits",
    value: "N",
    help: "3D contexts and sub-contexts of one guest together; each takes some MiB",
    kind: integer(1, 1_048_576).default(1_024),
  },
  totalObjectsMax: {
    group: "Limits",
    value: "N",
    help: "objects, shaders included, that all 3D contexts may have together",
    kind: integer(1, 16_777_216).default(524_288),
  },
  objectBytesMax: {
    group: "Limits",
    value: "BYTES",
    help: "what those objects are made of, shader texts above all",
    kind: byteCount(4096).default(256 * 1024 * 1024),
  },
  vulkanContextsMax: {
    group: "Limits",
    value: "N",
    help: "Vulkan contexts that one guest may have; each is a process",
    kind: integer(1, 250).default(64),
  },
  vulkanStallMs: {
    group: "Limits",
    value: "MS",
    help: "how long one may read nothing before it is ended",
    kind: integer(100, 3_600_000).default(10_000),
  },
  vulkanBytesMax: {
    group: "Limits",
    value: "BYTES",
    help: "address space of each of these processes, or 0 for any",
    kind: byteCount(0).default(16 * 1024 * 1024 * 1024),
  },
  backingEntriesMax: {
    group: "Limits",
    value: "N",
    help: "memory entries in the backing of one resource",
    kind: integer(1, 65_536).default(16_384),
  },
  backingPiecesMax: {
    group: "Limits",
    value: "N",
    help: "pieces of memory in all backings, of 24 bytes of the host each",
    kind: integer(1, 67_108_864).default(4_194_304),
  },
  surfacePiecesMax: {
    group: "Limits",
    value: "N",
    help: "pieces in which guests' pages are mapped to show blobs",
    kind: integer(0, 65_536).default(16_384),
  },
  commandBytesMax: {
    group: "Limits",
    value: "BYTES",
    help: "length of one command",
    kind: byteCount(4096, 67_108_864).default(4 * 1024 * 1024),
  },
  queueSizeMax: {
    group: "Limits",
    value: "N",
    help: "chains in flight on each ring: the size that a VMM may give it",
    kind: RingSize.default(32_768),
  },
  fencesMax: {
    group: "Limits",
    value: "N",
    help: "fenced commands that may wait for the renderer",
    kind: integer(1, 32_768).default(32_768),
  },
  questionsMax: {
    group: "Limits",
    value: "N",
    help: "commands that may wait for the display's answer",
    kind: integer(1, 32_768).default(64),
  },
  cursorImagesMax: {
    group: "Limits",
    value: "N",
    help: "commands that may wait for a cursor's image",
    kind: integer(1, 32_768).default(64),
  },
  mappingsMax: {
    group: "Limits",
    value: "N",
    help: "commands that may wait for the VMM to map memory; each has a descriptor",
    kind: integer(1, 32_768).default(256),
  },
  bridgePeersMax: {
    group: "Limits",
    value: "N",
    help: "peers of the resource bridge, on all its sockets; each has two descriptors",
    kind: integer(1, 4_096).default(128),
  },
  controlPeersMax: {
    group: "Limits",
    value: "N",
    help: "connections to the control socket",
    kind: integer(1, 4_096).default(64),
  },
  pagesMax: {
    group: "Limits",
    value: "N",
    help: "pages and programs that may follow the inspector's feed",
    kind: integer(1, 1_024).default(16),
  },
  traceReadersMax: {
    group: "Limits",
    value: "N",
    help: "programs that may read a trace of their own from the inspector",
    kind: integer(1, 64).default(4),
  },
  logLinesMax: {
    group: "Limits",
    value: "N",
    help: "lines of log a second that others can bring about, of each actor",
    kind: integer(1, 100_000).default(10),
  },
} as const;

export type LimitName = keyof typeof limits;
