// What the recorder counts.

import { indexesOf } from "../runtime/counter-index.ts";

export const recorderCounters = ["entries", "bytes", "keyframes"] as const;
export const Counter = indexesOf(recorderCounters);
