// What a driver's process is told to do.

import type { Placement } from "./scheduling.ts";
import type { Budget } from "./stage.ts";

export interface Job {
  workload: string;
  socketPath: string;
  serverPid: number;
  /** Null: both sides go where the kernel puts them. */
  cpus: Placement | null;
  budget: Budget;
  /** A fence clock's file, for workloads that look at it. */
  clockPath: string | null;
  /** Protocol features of the VMM's display: no dma-buf, so that every back-end sends pixels. */
  displayFeatures: number;
}
