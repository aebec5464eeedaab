// Every system workload, in the order in which they run.

import type { Workload } from "../workload.ts";
import { flushes } from "./flush.ts";
import { smallest } from "./smallest.ts";
import { transfers } from "./transfer.ts";

export const workloads: readonly Workload[] = [...smallest, ...transfers, ...flushes];
