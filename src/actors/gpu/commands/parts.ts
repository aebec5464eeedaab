// What commands act on, and how they are called.

import type { Request } from "../../queue/request.ts";
import type { QueueRunner } from "../../queue/queue-runner.ts";
import type { ActorContext } from "../../runtime/actor.ts";
import type { DisplayOutbox } from "../outlets/display-outbox.ts";
import type { Mappings } from "../outlets/mappings.ts";
import type { Model } from "../model/model.ts";
import type { Journal } from "../journal/journal.ts";
import type { RecordedReads } from "./recorded-reads.ts";

export interface Parts {
  context: ActorContext;
  queue: QueueRunner;
  model: Model;
  outbox: DisplayOutbox;
  mappings: Mappings;
  /** For a recording: what a renderer reads. */
  reads: RecordedReads;
  /** For a successor, and snapshots. */
  journal: Journal;
}

/** Runs a request whose length and feature were checked; returns the response's type. */
export type Command = (request: Request) => number;
