// Every system workload, in the order in which they run.

import type { Workload } from "../workload.ts";
import { canvases } from "./canvas.ts";
import { cursors } from "./cursor.ts";
import { fences } from "./fences.ts";
import { firstSecond } from "./first-second.ts";
import { flushes } from "./flush.ts";
import { frames } from "./frame.ts";
import { machines } from "./machines.ts";
import { maps } from "./map.ts";
import { processes } from "./process.ts";
import { recorded } from "./record.ts";
import { recoveries } from "./recovery.ts";
import { replays } from "./replay.ts";
import { resources } from "./resources.ts";
import { smallest } from "./smallest.ts";
import { streams } from "./streams.ts";
import { transfers } from "./transfer.ts";
import { vulkan } from "./vulkan.ts";

export const workloads: readonly Workload[] = [
  ...smallest,
  ...resources,
  ...transfers,
  ...flushes,
  ...frames,
  ...cursors,
  ...streams,
  ...fences,
  ...vulkan,
  ...maps,
  ...firstSecond,
  ...processes,
  ...recoveries,
  ...canvases,
  ...machines,
  ...recorded,
  ...replays,
];
