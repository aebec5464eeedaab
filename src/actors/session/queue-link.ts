// The session's line to the actors that serve it: asks the queues, and waits until all have done what was asked; and waits for
// whoever is far behind with what it was told.

import type { QueueActor } from "../device-type.ts";
import type { ActorContext } from "../runtime/actor.ts";
import type { AnswerTo, Question } from "../runtime/asks.ts";
import { now } from "../runtime/timers.ts";

/** A queue actor waits for nobody but the renderer, which may take this long before it is worth a line of the log. */
const busyMs = 2_000;
/** How long a session that is to stop waits for a queue that is busy. */
const stopPatienceMs = 3_000;
/** Messages that an actor may leave untaken. Each may hold a descriptor, and a guest makes the VMM send them. */
const behindMax = 16;
/** Nobody says that it has taken a message, so this is how often one looks. */
const oftenMs = 5;

type Asked = Question<QueueActor>;
type Answer = AnswerTo<Asked>;

interface Posed {
  actor: QueueActor;
  token: number;
  answer: Answer | undefined;
}

export class QueueLink {
  /** Whether a queue did not answer in time while the session was to stop, and none is waited for any more. */
  private hasGivenUp = false;
  /** When whoever has not answered is waited for no more. */
  private until = Infinity;

  constructor(private readonly context: ActorContext) {}

  /**
   * Sends each actor its message at once and waits for all, as long as it takes: a queue may be in one long command of
   * the renderer's. Returns the answers in the same order; null for one that is lost, or that a stop does not wait for.
   * A queue that was restarted meanwhile is asked again to stop its ring or to forget its driver; it was told all the rest.
   */
  ask(questions: readonly (readonly [QueueActor, Asked])[]): Answer[] {
    const posed = questions.map(([actor, question]) => this.pose(actor, question));
    const silent = (): Posed | undefined => posed.find(({ answer }) => answer === undefined);
    try {
      this.wait(
        () => silent() === undefined,
        () => `${silent()!.actor}, which is in one long command`,
      );
    } finally {
      for (const { token } of posed) this.context.asks.drop(token);
    }
    return posed.map(({ answer }) => answer ?? null);
  }

  /** As {@link ask}; returns the first error text, or "". */
  askAll(questions: readonly (readonly [QueueActor, Asked])[]): string {
    const failed = this.ask(questions).find((answer) => answer?.type === "done" && answer.error !== "");
    return failed?.type === "done" ? failed.error : "";
  }

  /** The device goes back to its state before the driver's first command. */
  resetAll(actors: readonly QueueActor[]): void {
    this.ask(actors.map((actor) => [actor, { type: "reset" }]));
  }

  /** From now on nobody is waited for longer than `ms` in all; for as long as it takes, where that is Infinity. */
  hurry(ms: number): void {
    this.until = now() + ms;
  }

  /** Waits until `actor` has taken most of what it was told, before it is told more that nobody waits for. */
  letCatchUp(actor: QueueActor | "display"): void {
    const hasCaughtUp = (): boolean => this.context.backlog(actor) < behindMax;
    if (!hasCaughtUp()) this.wait(hasCaughtUp, () => `${actor}, which is behind`, oftenMs);
  }

  /** Whether `actor` is being asked to stop its ring. */
  owesBase(actor: QueueActor): boolean {
    return this.context.asks.isOpen(actor, "stop-ring");
  }

  private pose(actor: QueueActor, question: Asked): Posed {
    const posed: Posed = { actor, token: 0, answer: undefined };
    const again = question.type === "stop-ring" || question.type === "reset";
    posed.token = this.context.asks.ask(actor, question, (answer) => (posed.answer = answer), { again });
    return posed;
  }

  /** `lookMs`: how often to look whether it is done, where no message says so. */
  private wait(isDone: () => boolean, whom: () => string, lookMs = Infinity): void {
    const done = (): boolean => this.hasGivenUp || now() >= this.until || isDone();
    const from = now();
    for (let told = false; ;) {
      const isStopping = this.context.isStopping();
      if (this.look(done, isStopping ? stopPatienceMs : Math.min(busyMs, this.until - now()), lookMs)) {
        if (told && isDone())
          this.context.log.info(`the session goes on after ${Math.round((now() - from) / 1000)} s`);
        return;
      }
      // Whoever is to stop does not wait again.
      if (isStopping) this.hasGivenUp = true;
      if (this.context.isStopping()) continue;
      if (!told) this.context.log.warning(`waiting for the ${whom()}`);
      told = true;
    }
  }

  private look(done: () => boolean, timeoutMs: number, lookMs: number): boolean {
    const wasStopping = this.context.isStopping();
    for (const end = now() + timeoutMs; ;) {
      const leftMs = Math.max(0, end - now());
      if (this.context.waitUntil(done, Math.min(leftMs, lookMs))) return true;
      if (leftMs <= lookMs || this.context.isStopping() !== wasStopping) return false;
    }
  }
}
