// What actors say of themselves when they are asked: the supervisor of all actors, the ctrl queue of what the guest made.

import type { ActorContext } from "../runtime/actor.ts";
import { now } from "../runtime/timers.ts";
import type { ActorRecord, FenceRecord, Inventory } from "./feed.ts";

const timeoutMs = 3_000;

/** An answer that is asked for again when it is older than whoever wants it likes. */
class Account<T> {
  private at = -Infinity;
  private waiting: Promise<T | null> | null = null;
  /** When whoever has yet to answer was asked first; 0 where nobody has. */
  private askedAt = 0;
  last: T | null = null;

  constructor(private readonly ask: (settle: (answer: T | null) => void) => void) {}

  /** For how long there has been no answer to what was asked. */
  get silentMs(): number {
    return this.askedAt === 0 ? 0 : now() - this.askedAt;
  }

  /** The answer, `ageMs` old at most; null when there is none. */
  get(ageMs: number): Promise<T | null> {
    if (now() - this.at < ageMs) return Promise.resolve(this.last);
    this.waiting ??= new Promise((resolve) => {
      if (this.askedAt === 0) this.askedAt = now();
      this.ask((answer) => {
        this.waiting = null;
        this.at = now();
        if (answer !== null) this.askedAt = 0;
        this.last = answer;
        resolve(answer);
      });
    });
    return this.waiting;
  }
}

/** As ctl status has it. */
export interface Status extends Record<string, unknown> {
  device: unknown;
  actors: Record<
    string,
    Pick<ActorRecord, "restarts" | "crashes" | "lastCrash" | "counters"> & { state: unknown }
  >;
  outsiders: { name: string; state: string; counters: Record<string, number> }[];
}

/** As the ctrl queue tells it: a fence's command by its number for the tap, 0 where nobody read. */
type Told = Pick<Inventory, "resources" | "contexts"> & {
  fences: (Omit<FenceRecord, "command"> & { number: number })[];
};

export class Accounts {
  readonly status: Account<Status>;
  readonly inventory: Account<Inventory>;

  /** `nameOf` knows what a guest called a context. */
  constructor(context: ActorContext, nameOf: (contextId: number) => string) {
    const { asks } = context;
    this.status = new Account((settle) => {
      const answered = (answer: { state: unknown } | null): void => settle((answer?.state as Status) ?? null);
      asks.ask("supervisor", { type: "ask-status" }, answered, { timeoutMs });
    });
    this.inventory = new Account((settle) => {
      asks.ask(
        "ctrl-queue",
        { type: "ask-inventory" },
        (answer) => {
          if (answer === null) return settle(null);
          const { resources, contexts, fences } = answer as unknown as Told;
          const named = contexts.map((one) => ({ ...one, name: nameOf(one.id) }));
          const waiting = fences.map(({ number, ...one }) => ({
            ...one,
            contextName: nameOf(one.context),
            command: number === 0 ? "" : `ctrl-queue:${number}`,
          }));
          settle({ resources, contexts: named, fences: waiting, unanswered: null });
        },
        { timeoutMs },
      );
    });
  }
}
