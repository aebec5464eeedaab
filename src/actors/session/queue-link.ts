// The session's line to the queue actors: asks, and waits until all have done what was asked.

import type { QueueActor } from "../device-type.ts";
import type { ActorContext } from "../runtime/actor.ts";
import type { AnswerTo, Question } from "../runtime/asks.ts";
import { now } from "../runtime/timers.ts";

/** A queue actor waits for nobody but the renderer, which may take this long before it is worth a line of the log. */
const busyMs = 2_000;
/** How long a session that is to stop waits for a queue that is busy. */
const stopPatienceMs = 3_000;

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

  constructor(private readonly context: ActorContext) {}

  /**
   * Sends each actor its message at once and waits for all, as long as it takes: a queue may be in one long command of
   * the renderer's. Returns the answers in the same order; null for one that is lost, or that a stop does not wait for.
   * A queue that was restarted meanwhile is asked again to stop its ring; it was told all the rest.
   */
  ask(questions: readonly (readonly [QueueActor, Asked])[]): Answer[] {
    const posed = questions.map(([actor, question]) => this.pose(actor, question));
    try {
      this.wait(posed);
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

  /** Whether `actor` is being asked to stop its ring. */
  owesBase(actor: QueueActor): boolean {
    return this.context.asks.isOpen(actor, "stop-ring");
  }

  private pose(actor: QueueActor, question: Asked): Posed {
    const posed: Posed = { actor, token: 0, answer: undefined };
    const again = question.type === "stop-ring";
    posed.token = this.context.asks.ask(actor, question, (answer) => (posed.answer = answer), { again });
    return posed;
  }

  private wait(posed: readonly Posed[]): void {
    const done = (): boolean => this.hasGivenUp || posed.every(({ answer }) => answer !== undefined);
    const from = now();
    for (let told = false; ;) {
      const isStopping = this.context.isStopping();
      if (this.context.waitUntil(done, isStopping ? stopPatienceMs : busyMs)) {
        if (told && !this.hasGivenUp)
          this.context.log.info(`the queues go on after ${Math.round((now() - from) / 1000)} s`);
        return;
      }
      // Whoever is to stop does not wait again.
      if (isStopping) this.hasGivenUp = true;
      if (this.context.isStopping()) continue;
      const silent = posed.find(({ answer }) => answer === undefined)!;
      if (!told) this.context.log.warning(`waiting for the ${silent.actor}, which is in one long command`);
      told = true;
    }
  }
}
