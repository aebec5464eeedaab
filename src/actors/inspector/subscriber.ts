// One page: what it has subscribed to, what of a flood it is told, and what it is too slow for.

import { Packr } from "msgpackr";
import { Refusal } from "../../transport/os/errors.ts";
import type { Batch, CommandRecord, Topic } from "./feed.ts";
import { type Filter, recordFilter } from "./filter.ts";
import { type BreakRequest, readPageRequest } from "./page-request.ts";
import type { Telling } from "./stories.ts";
import { Allowance } from "../runtime/tap/allowance.ts";

/** Bytes that a page has not taken, beyond which batches are dropped. */
const unsentBytesMax = 2 * 1024 * 1024;
/** Commands that a page is told at once, and in each batch in the long run: nobody reads more. */
const burst = 500;
const steady = 64;
/** Requests that a page may send at once, and for each turn: nobody's keys are so fast. */
const requestsBurst = 256;
const requestsSteady = 4;

/** What of a socket is needed to send. */
export interface FeedSocket {
  send(bytes: Uint8Array): unknown;
  getBufferedAmount(): number;
}

/** A batch without what is each page's own. */
export interface Fresh extends Omit<Batch, "sequence" | "droppedBatches" | "error" | "commands"> {
  commands?: readonly Telling[];
}

export class Subscriber {
  /** Each structure is sent once, with the first record that has it. */
  private readonly packr = new Packr({ useRecords: true, sequential: true });
  private readonly filters = new Map<Topic, Filter | null>();
  private readonly commands = new Allowance(burst, steady);
  private readonly requests = new Allowance(requestsBurst, requestsSteady);
  /** Topics that it has subscribed to, and has been told nothing of. */
  private readonly news = new Set<Topic>();
  private sequence = 0;
  private dropped = 0;

  constructor(private readonly socket: FeedSocket) {}

  topics(): IterableIterator<Topic> {
    return this.filters.keys();
  }

  /** Whether it has subscribed to `topic` since the last call. */
  isNewTo(topic: Topic): boolean {
    return this.news.delete(topic);
  }

  /**
   * Takes what the page says, and has `act` do what is not about topics; what makes no sense is answered with a word on it.
   * Returns false where it says more than can be borne: it has to go.
   */
  receive(text: string, ns: number, act: (request: BreakRequest) => void): boolean {
    if (!this.requests.take()) return false;
    try {
      const request = readPageRequest(text);
      if (request.type === "unsubscribe") this.filters.delete(request.topic);
      else if (request.type === "subscribe") {
        this.filters.set(request.topic, request.filter === undefined ? null : recordFilter(request.filter));
        this.news.add(request.topic);
      } else act(request);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.pack({ ns, droppedRecords: 0, error: error.message });
    }
    return true;
  }

  /** Sends what of a batch the page wants. Returns false where it is dropped, the page having yet to take others. */
  send(fresh: Fresh): boolean {
    this.requests.replenish();
    const { ns, droppedRecords, commands: _, commandsFolded: __, ...all } = fresh;
    const batch: Omit<Batch, "sequence" | "droppedBatches"> = { ns, droppedRecords };
    const before = Object.keys(batch).length;
    for (const topic of this.filters.keys()) {
      if (topic === "commands") Object.assign(batch, this.commandsOf(fresh));
      else {
        const records = all[topic];
        if (records === undefined || (Array.isArray(records) && records.length === 0)) continue;
        Object.assign(batch, { [topic]: records });
      }
    }
    if (Object.keys(batch).length === before) return true;
    if (this.socket.getBufferedAmount() > unsentBytesMax) {
      this.dropped++;
      this.sequence++;
      return false;
    }
    this.pack(batch);
    return true;
  }

  /** What it is told of commands: those that its filter holds for, and how many others may be. */
  private commandsOf({
    commands = [],
    commandsFolded = 0,
  }: Fresh): Pick<Batch, "commands" | "commandsFolded"> {
    const filter = this.filters.get("commands") ?? null;
    const told: CommandRecord[] = [];
    let folded = commandsFolded;
    this.commands.replenish();
    for (const telling of commands) {
      if (filter !== null && !filter(telling())) continue;
      if (this.commands.take()) told.push(telling());
      else folded++;
    }
    return { ...(told.length > 0 && { commands: told }), ...(folded > 0 && { commandsFolded: folded }) };
  }

  private pack(batch: Omit<Batch, "sequence" | "droppedBatches">): void {
    this.socket.send(this.packr.pack({ ...batch, sequence: this.sequence++, droppedBatches: this.dropped }));
  }
}
