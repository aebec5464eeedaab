// How much each actor has been told lately, and the last messages of each pair.

import { signal } from "@preact/signals";
import type { ActorRecord, Batch, MessageRecord } from "../feed.ts";
import { pairOf } from "./actor-graph.ts";
import { Ring } from "./ring.ts";

/** What a rate is taken over: two seconds of four records each. */
const samplesMax = 8;
const messagesMax = 200;

interface Sample {
  ns: number;
  actors: ReadonlyMap<string, ActorRecord>;
}

export class ActorTraffic {
  /** Changes when messages have come. */
  readonly version = signal(0);
  private samples: Sample[] = [];
  private readonly messages = new Map<string, Ring<MessageRecord>>();

  take({ ns, actors, messages }: Batch): void {
    if (actors !== undefined) {
      this.samples.push({ ns, actors: new Map(actors.map((one) => [one.name, one])) });
      // After a gap nobody knows when the messages of it were sent.
      if (this.samples.length > samplesMax) this.samples.shift();
    }
    for (const message of messages ?? []) this.keep(message);
    if (messages !== undefined) this.version.value++;
  }

  /** Nothing is known of what was before. */
  forget(): void {
    this.samples = [];
    this.messages.clear();
    this.version.value++;
  }

  /** Messages a second that `to` has taken, of `from` or of all. */
  rate(to: string, from?: string): number {
    const [first, last] = [this.samples[0], this.samples.at(-1)];
    if (first === undefined || last === undefined || first === last) return 0;
    const [before, now] = [first.actors.get(to), last.actors.get(to)];
    if (before === undefined || now === undefined) return 0;
    const peers = from === undefined ? Object.keys(now.taken) : [from];
    const taken = peers.reduce(
      (sum, peer) => sum + (((now.taken[peer] ?? 0) - (before.taken[peer] ?? 0)) >>> 0),
      0,
    );
    return taken / ((last.ns - first.ns) / 1e9);
  }

  /** The last messages of a pair, newest first. */
  last(pair: string, max: number): MessageRecord[] {
    const ring = this.messages.get(pair);
    if (ring === undefined) return [];
    return [...ring].slice(-max).reverse();
  }

  private keep(message: MessageRecord): void {
    const pair = pairOf(message.from, message.to);
    let ring = this.messages.get(pair);
    if (ring === undefined) this.messages.set(pair, (ring = new Ring(messagesMax)));
    // What was on its way when it was told of comes again when it is taken.
    for (let at = ring.end - 1; at >= ring.first; at--) {
      const known = ring.at(at)!;
      if (known.number === message.number && known.from === message.from) return ring.replace(at, message);
    }
    ring.push(message);
  }
}
