// The ctrl queue of a simulation: one whose process may die, and that says what it was at.

import { readlinkSync } from "node:fs";
import { CtrlQueue } from "../../src/actors/gpu/ctrl-queue.ts";
import { KeptWord, Shelf, SnapshotStage } from "../../src/actors/gpu/manifest.ts";
import type { Renderer } from "../../src/actors/gpu/renderer/renderer.ts";
import type { Arena } from "../../src/actors/gpu/renderer/arena.ts";
import type { RingStart } from "../../src/actors/queue/messages.ts";
import type { Request } from "../../src/actors/queue/request.ts";
import type { ActorName, Inbox } from "../../src/actors/registry.ts";
import type { ActorContext } from "../../src/actors/runtime/actor.ts";
import type { InflightRing } from "../../src/transport/virtio/inflight.ts";
import { closeFd } from "../../src/transport/os/fds.ts";
import { watched } from "./runtime/doom.ts";
import type { Perishable } from "./runtime/simulated-worker.ts";

/** What one was at when it died. */
export interface Obituary {
  /** The head of the chain whose command it ran, or -1. */
  head: number;
  /** The context that this command named, or 0. */
  context: number;
  /** Whether the journal has the command. */
  isKept: boolean;
  /** The resource that it was about to make again, as another one before it, or 0. */
  restoring: number;
  /** Whether it had a snapshot that was not all taken up. */
  hasSnapshot: boolean;
}

export interface CtrlQueueEvents {
  /** The command of the chain at `head` has run. */
  ran(head: number): void;
  died(obituary: Obituary): void;
  /** A successor has made what there was again. */
  tookOver(): void;
}

/** A process takes along what it was sent, where it has not closed that. */
function takeAlong(fd: number): void {
  try {
    if (readlinkSync(`/proc/self/fd/${fd}`).includes("fencepost-state")) closeFd(fd);
  } catch {
    // It is closed.
  }
}

/** The record of a ring, in which each write is a store that one may die at. */
function watchedRecord(record: InflightRing): InflightRing {
  const { bytes, words16, words32, answers } = Object(record) as Record<string, Uint32Array>;
  return Object.assign(record, {
    bytes: watched(bytes!),
    words16: watched(words16!),
    words32: watched(words32!),
    answers: watched(answers!),
  });
}

/** Words of the journal's first page: {@link isKept} is seen by them. */
const journalHeadWords = 64;

export class SimulatedCtrlQueue extends CtrlQueue implements Perishable {
  private isDead = false;
  /** The head of the chain whose command is run, or -1; and whether it has. */
  private running = -1;
  private hasRun = false;
  private readonly journalHead: Int32Array;
  /** As it was before the command that runs. */
  private readonly journalBefore = new Int32Array(journalHeadWords);

  constructor(
    private readonly own: ActorContext,
    start: (arena: Arena) => Renderer,
    private readonly events: CtrlQueueEvents,
  ) {
    super(own, (_config, _log, arena) => start(arena));
    this.journalHead = this["journal"]["log"]["head"];
    const run = this["run"];
    const watchedRun = (request: Request): number => {
      const response = run(request);
      this.hasRun = true;
      return response;
    };
    Object.assign(this, { run: watchedRun });
    const succession = this["queue"].succession!;
    const recordOf = succession.recordOf.bind(succession);
    Object.assign(succession, { recordOf: (start: RingStart) => watchedRecord(recordOf(start)) });
  }

  override receive(message: Inbox["ctrl-queue"], from?: ActorName): void {
    // A rehearsal makes the engine compile the commands' loop, and takes longer than a whole simulation.
    if (message.type === "expect-driver") return;
    const isAwaited = message.type === "map-memory" && this["inheritance"] !== null;
    try {
      super.receive(message, from);
    } catch (error) {
      if (message.type === "ask-restore") takeAlong(message.fd);
      throw error;
    }
    if (isAwaited) this.events.tookOver();
  }

  override execute(request: Request): number {
    this.running = this["queue"].succession!.head;
    this.hasRun = false;
    this.journalBefore.set(this.journalHead);
    const response = super.execute(request);
    this.events.ran(this.running);
    this.running = -1;
    return response;
  }

  override finishParked(): void {
    if (!this.isDead) super.finishParked();
  }

  /** What others still read goes with its process. */
  override stop(): void {
    this["device"].outbox["leases"].endAll();
    super.stop();
  }

  /** The guest's rings and all that outlives a process stay as they are. */
  perish(): void {
    this.isDead = true;
    this.tellOfDeath();
    const shelf = this.own.area("cursor-shelf", "write");
    const words = new Int32Array(shelf.view(0, Shelf.words * 4));
    const left = Int32Array.from(words);
    this["queue"].served?.detach();
    const { model } = this["device"];
    // A process that is gone answers nothing, and it may have been amid that.
    model.fences["ofContexts"].clear();
    const { waiting } = model.fences["global"];
    model.fences["global"].first = waiting.length;
    model.reset();
    this.stop();
    words.set(left);
    shelf.unmap();
  }

  private tellOfDeath(): void {
    const { keep } = this.own;
    const isBusy = keep[KeptWord.command] !== 0;
    // It has told all that it has done, and only then died.
    if (!isBusy && this.running >= 0 && this.hasRun) this.events.ran(this.running);
    this.events.died({
      head: isBusy ? keep[KeptWord.head]! : -1,
      context: keep[KeptWord.context]! >>> 0,
      isKept: this.journalHead.some((word, index) => word !== this.journalBefore[index]),
      restoring: keep[KeptWord.trying] === 0 ? 0 : keep[KeptWord.restoring]!,
      hasSnapshot: ![SnapshotStage.none, SnapshotStage.telling].some(
        (one) => one === keep[KeptWord.snapshot],
      ),
    });
  }
}
