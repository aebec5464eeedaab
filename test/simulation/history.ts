// What a guest has sent since all was last quiet, with what the model says of it. A death changes what comes of commands that are
// under way: it is told anew from then on.

import type { Submission } from "../../lab/driver/command-queue.ts";
import type { GuestMemory } from "../../lab/driver/guest-memory.ts";
import { Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import type { Obituary } from "./ctrl-queue.ts";
import { Model } from "./model.ts";

/** Does to a model what a command does, and returns its answer's type. */
export type Effect = (model: Model) => number;

/** A question is what the device has to ask others for. */
export type Kind = "command" | "question" | "cursor";

export class Foreseen {
  /** The answers that it may have: one, unless nobody can say what it came before. */
  types: readonly number[] = [];
  submission: Submission | null = null;
  hasRun = false;

  constructor(
    public effect: Effect,
    readonly kind: Kind,
  ) {}
}

export class History {
  /** What there is once all that was sent has run. */
  model: Model;
  /** What there was when all was last quiet. */
  private readonly settled: Model;
  private entries: Foreseen[] = [];
  /** Resources whose restoration somebody has died of. */
  private readonly deadly = new Set<number>();
  /** How many have taken over. */
  takeovers = 0;

  constructor(memory: GuestMemory) {
    this.model = new Model(memory);
    this.settled = new Model(memory);
  }

  /** The guest is about to send a command. */
  foresee(effect: Effect, kind: Kind): Foreseen {
    const entry = new Foreseen(effect, kind);
    entry.types = [effect(this.model)];
    this.entries.push(entry);
    return entry;
  }

  /** All that was sent is answered. */
  settle(): void {
    for (const { effect } of this.entries.splice(0)) effect(this.settled);
    this.model.cursors.forEach(({ others }, scanout) => (this.settled.cursors[scanout]!.others = others));
  }

  /** The ctrl queue has run the command of the chain at `head`. */
  ran(head: number): void {
    const entry = this.underWay(head);
    if (entry !== undefined) entry.hasRun = true;
  }

  /** What it died of is not run again: it has done what the journal says. */
  died({ head, context, isKept, restoring }: Obituary): void {
    if (restoring !== 0) this.deadly.add(restoring);
    const entry = this.underWay(head);
    if (entry === undefined) return;
    const { effect } = entry;
    entry.hasRun = true;
    entry.effect = (model) => {
      if (isKept) effect(model);
      model.blame(context);
      return Response.ERR_UNSPEC;
    };
  }

  /** The ring stops: questions to others are answered without them. */
  paused(): void {
    for (const entry of this.entries)
      if (entry.kind === "question") entry.types = [...entry.types, Response.ERR_UNSPEC];
  }

  /** What there is now that the device has run what it has. */
  get present(): Model {
    const model = this.settled.clone();
    for (const { effect, hasRun } of this.entries) if (hasRun) effect(model);
    return model;
  }

  /** Another session's device has all that this one had, in memory of its own. */
  moved(): void {
    this.goOn((model) => model.moved());
  }

  /**
   * A successor has made all again that the commands which had run have left, and runs the others. `fromSnapshot`: pixels and all, where
   * its predecessor died as it took them up.
   */
  tookOver(fromSnapshot: boolean): void {
    const deadly = [...this.deadly];
    this.deadly.clear();
    this.goOn((model) => (fromSnapshot ? model.leaveOut(deadly) : model.takenOver(deadly)));
  }

  /** With another device, behind what has run. */
  private goOn(effect: Effect): void {
    this.takeovers++;
    const takeover = new Foreseen(effect, "command");
    takeover.hasRun = true;
    const last = this.entries.findLastIndex(({ hasRun }) => hasRun);
    this.entries.splice(last + 1, 0, takeover);
    const before = this.model;
    this.model = this.settled.clone();
    for (const entry of this.entries) {
      const type = entry.effect(this.model);
      entry.types = entry.kind === "command" ? [type] : [...entry.types, type];
    }
    // An image may have been taken before.
    this.model.cursors.forEach((cursor, scanout) => {
      const { image, others } = before.cursors[scanout]!;
      if (image !== null && image !== cursor.image) cursor.others = [...others, image];
    });
  }

  private underWay(head: number): Foreseen | undefined {
    return this.entries.find(
      ({ submission, kind }) => kind !== "cursor" && submission?.head === head && !submission.done,
    );
  }
}
