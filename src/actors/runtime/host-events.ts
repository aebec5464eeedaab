// What the host of the actors tells the supervisor.

import type { Inbox, WorkerName } from "../registry.ts";

export interface HostEvents {
  message(from: WorkerName, message: Exclude<Inbox["supervisor"], { type: "crashed" | "peer-broken" }>): void;
  /** A worker threw and is gone. */
  crashed(name: WorkerName, reason: string): void;
  /** What a worker that has a process of its own has printed. */
  said(name: WorkerName, line: string): void;
}
