// One page: what it has subscribed to, and what it is too slow for.

import { Packr } from "msgpackr";
import { Refusal } from "../../transport/os/errors.ts";
import { type Batch, type PageRequest, type Topic, topics } from "./feed.ts";
import { type Filter, recordFilter } from "./filter.ts";

/** Bytes that a page has not taken, beyond which batches are dropped. */
const unsentBytesMax = 2 * 1024 * 1024;
const requestCharactersMax = 4096;

/** What of a socket is needed to send. */
export interface FeedSocket {
  send(bytes: Uint8Array): unknown;
  getBufferedAmount(): number;
}

/** A batch without what is each page's own. */
export type Fresh = Omit<Batch, "sequence" | "droppedBatches" | "error">;

export class Subscriber {
  /** Each structure is sent once, with the first record that has it. */
  private readonly packr = new Packr({ useRecords: true, sequential: true });
  private readonly filters = new Map<Topic, Filter | null>();
  private isNew = false;
  private sequence = 0;
  private dropped = 0;

  constructor(private readonly socket: FeedSocket) {}

  topics(): IterableIterator<Topic> {
    return this.filters.keys();
  }

  /** Whether it has subscribed to the screen since the last call. */
  isNewToScreen(): boolean {
    const { isNew } = this;
    this.isNew = false;
    return isNew;
  }

  /** Takes what the page says; what makes no sense is answered with a word on it. */
  receive(text: string, ns: number): void {
    try {
      if (text.length > requestCharactersMax) throw new Refusal("the request is too long");
      const request = readRequest(text);
      if (request.type === "unsubscribe") this.filters.delete(request.topic);
      else {
        this.filters.set(request.topic, request.filter === undefined ? null : recordFilter(request.filter));
        if (request.topic === "screen") this.isNew = true;
      }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.pack({ ns, droppedRecords: 0, error: error.message });
    }
  }

  /** Sends what of a batch the page wants. Returns false where it is dropped, the page having yet to take others. */
  send(fresh: Fresh): boolean {
    const { ns, droppedRecords, commandsFolded, ...all } = fresh;
    const batch: Omit<Batch, "sequence" | "droppedBatches"> = { ns, droppedRecords };
    let isEmpty = true;
    for (const topic of this.filters.keys()) {
      const records = topic === "commands" ? this.filtered(fresh) : all[topic];
      if (records === undefined || (Array.isArray(records) && records.length === 0)) continue;
      Object.assign(batch, { [topic]: records });
      isEmpty = false;
    }
    if (commandsFolded !== undefined && commandsFolded > 0 && this.filters.has("commands")) {
      batch.commandsFolded = commandsFolded;
      isEmpty = false;
    }
    if (isEmpty) return true;
    if (this.socket.getBufferedAmount() > unsentBytesMax) {
      this.dropped++;
      this.sequence++;
      return false;
    }
    this.pack(batch);
    return true;
  }

  private filtered({ commands }: Fresh): Batch["commands"] {
    const filter = this.filters.get("commands");
    return filter && commands ? commands.filter(filter) : commands;
  }

  private pack(batch: Omit<Batch, "sequence" | "droppedBatches">): void {
    this.socket.send(this.packr.pack({ ...batch, sequence: this.sequence++, droppedBatches: this.dropped }));
  }
}

function readRequest(text: string): PageRequest {
  let request: Partial<Record<string, unknown>> | null;
  try {
    request = JSON.parse(text) as typeof request;
  } catch (error) {
    throw new Refusal("want JSON", { cause: error });
  }
  const { type, topic, filter } = request ?? {};
  if (type !== "subscribe" && type !== "unsubscribe") throw new Refusal("want type subscribe or unsubscribe");
  if (!topics.includes(topic as Topic)) throw new Refusal(`want a topic: ${topics.join(", ")}`);
  if (filter !== undefined && typeof filter !== "string") throw new Refusal("want a filter as text");
  return { type, topic: topic as Topic, ...(filter === undefined ? {} : { filter }) };
}
