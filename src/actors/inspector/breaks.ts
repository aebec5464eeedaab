// Who wants the ctrl queue to stop where, and where it has: a break is a connection's, and goes with it.

import { Refusal } from "../../transport/os/errors.ts";
import { parseFilter } from "../command-filter.ts";
import type { ActorContext } from "../runtime/actor.ts";
import type { BreakRecord, CommandRecord } from "./feed.ts";
import type { BreakChanged } from "./messages.ts";
import type { BreakRequest } from "./page-request.ts";
import { tell } from "./stories.ts";
import { touchesOf } from "./touches.ts";
import type { Views } from "./views.ts";

const queue = "ctrl-queue";

export class Breaks {
  private readonly wanted = new Map<object, { holder: number; filter: string }>();
  private lastHolder = 0;
  private last: BreakChanged | null = null;
  private isFresh = false;

  constructor(
    private readonly context: ActorContext,
    private readonly views: Views,
  ) {}

  get isPaused(): boolean {
    return this.last?.isPaused ?? false;
  }

  /** Whether the connection `who` has a break. */
  isOf(who: object): boolean {
    return this.wanted.has(who);
  }

  /** Does what the connection `who` asks. Throws a {@link Refusal}. */
  act(who: object, request: BreakRequest): void {
    switch (request.type) {
      case "break":
        this.add(who, request.filter);
        return;
      case "clear":
        this.leave(who);
        return;
      case "step":
        this.wantPaused();
        this.context.send(queue, { type: "step", count: request.count });
        return;
      case "continue":
        this.wantPaused();
        this.context.send(queue, { type: "resume" });
        return;
    }
  }

  /** The connection `who` is gone, or wants no break any more. */
  leave(who: object): void {
    if (this.wanted.delete(who)) this.set();
  }

  /** The ctrl queue is gone, and with it where it stood. */
  lost(): void {
    this.last = null;
    this.isFresh = true;
  }

  /** There is another one, which is to stop at the same. */
  again(): void {
    if (this.wanted.size > 0) this.set();
  }

  /** The ctrl queue stops, or goes on. */
  take(changed: BreakChanged): void {
    this.last = changed;
    this.isFresh = true;
  }

  /** Whether something has changed since the last call. */
  hasChanged(): boolean {
    const { isFresh } = this;
    this.isFresh = false;
    return isFresh;
  }

  /** How it is now. */
  async tell(ns: number): Promise<BreakRecord> {
    const { last, wanted } = this;
    const breaks = [...wanted.values()].map(({ filter }) => filter);
    const state = this.isPaused ? "paused" : breaks.length > 0 ? "armed" : "running";
    const record: BreakRecord = {
      ...{ state, breaks, stops: last?.stops ?? 0, steps: 0, why: "before", heldBy: [], sinceNs: 0 },
      ...{ next: null, touches: [], behind: 0, cause: null },
    };
    if (last === null || !last.isPaused) return record;
    const { why, sinceNs, steps, behind, holders } = last;
    const all = [...wanted.values()];
    const heldBy = all.filter(({ holder }) => holders.includes(holder)).map(({ filter }) => filter);
    const next =
      last.next === null ? null : this.commandOf(last.next.number, last.next.bytes, last.next.request);
    // What it has made until now, and not what it had a moment ago.
    const inventory = next === null ? null : await this.views.inventory(ns, 0);
    const touches = next === null || inventory === null ? [] : touchesOf(next, inventory);
    return { ...record, why, heldBy, sinceNs, steps, behind, next, touches, cause: this.causeOf(last) };
  }

  private add(who: object, filter: string): void {
    // Here, where whoever types it is told what is wrong with it.
    parseFilter(filter);
    const holder = ++this.lastHolder;
    this.wanted.set(who, { holder, filter });
    this.set();
  }

  private set(): void {
    this.isFresh = true;
    this.context.send(queue, { type: "set-breaks", breaks: [...this.wanted.values()] });
  }

  private wantPaused(): void {
    if (!this.isPaused) throw new Refusal("the ctrl queue runs: it has to be paused by a break first");
  }

  /** A request as the log has a command, though it has yet to run. */
  private commandOf(number: number, bytes: number, request: Uint8Array, response = 0): CommandRecord {
    const command = tell({
      ...{ queue, number, bytes, request, response, responseBytes: 0, isInterrupted: false },
      ...{ kickNs: 0, takenNs: 0, parkedNs: 0, completedNs: 0, publishedNs: 0, lostNs: 0 },
      ...{ fences: [], waitsFor: 0, moves: [], contextName: "", writes: [] },
    });
    const { contextId } = command.fields;
    const contextName = typeof contextId === "number" ? this.views.collector.nameOfContext(contextId) : "";
    return { ...command, contextName };
  }

  /** The command whose answer or fence it was; of one that waits, `parkedNs` says since when. */
  private causeOf({ cause, sinceNs }: BreakChanged): CommandRecord | null {
    if (cause === null) return null;
    const { number, request, response, waitedNs } = cause;
    const command = this.commandOf(number, request.length, request, response);
    return { ...command, parkedNs: waitedNs === 0 ? 0 : sinceNs - waitedNs };
  }
}
