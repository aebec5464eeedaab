// What the resource bridge counts.

import { indexesOf } from "../runtime/counter-index.ts";

export const bridgeCounters = [
  "peers",
  "peersRefused",
  /** Peers that did not take their answers. */
  "peersDropped",
  "requests",
  "buffersLent",
  "fencesLent",
  "invalid",
] as const;

export const BridgeCounter = indexesOf(bridgeCounters);
