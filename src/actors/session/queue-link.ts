// The session's line to the queue actors: asks, and waits until all have done what was asked.

import { closeFd } from "../../transport/os/fds.ts";
import type { QueueActor } from "../device-type.ts";
import type { QueueMessage, VmmDisplay } from "../queue/messages.ts";
import type { VhostSessionMessage } from "./messages.ts";
import type { ActorContext } from "../runtime/actor.ts";
import { now } from "../runtime/timers.ts";

/** A queue actor waits for nobody but the renderer, which may take this long before it is worth a line of the log. */
const busyMs = 2_000;
/** How long a session that is to stop waits for a queue that is busy. */
const stopPatienceMs = 3_000;

type Answer = Extract<VhostSessionMessage, { token: number }>;
type Message = QueueMessage | VmmDisplay;
type Asked = Message extends infer M ? (M extends { token: number } ? Omit<M, "token"> : never) : never;

interface Question {
  actor: QueueActor;
  message: Asked;
  answer: Answer | null;
}

export class QueueLink {
  private readonly open = new Map<number, Question>();
  /** Actors that have crashed, and are asked nothing until the next one is there. */
  private readonly lost = new Set<QueueActor>();
  /** Those of them that nobody comes after. */
  private readonly gone = new Set<QueueActor>();
  private nextToken = 1;

  constructor(private readonly context: ActorContext) {}

  /**
   * Sends each actor its message at once and waits for all, as long as it takes: a queue may be in one long command of
   * the renderer's. Returns the answers in the same order; one that is lost, or that a stop does not wait for, is empty.
   */
  ask(questions: readonly (readonly [QueueActor, Asked])[]): Answer[] {
    const posed = questions.map(([actor, message]) => {
      const token = this.nextToken++;
      const question: Question = { actor, message, answer: null };
      this.open.set(token, question);
      if (this.lost.has(actor)) this.drop(message);
      else this.context.send(actor, { ...message, token } as Message);
      if (this.gone.has(actor)) question.answer = nothing(token);
      return { token, question };
    });
    this.wait(posed.map(({ question }) => question));
    return posed.map(({ token, question }) => {
      this.open.delete(token);
      return question.answer ?? nothing(token);
    });
  }

  private wait(questions: readonly Question[]): void {
    const done = (): boolean => questions.every(({ answer }) => answer !== null);
    const from = now();
    for (let told = false; ;) {
      const isStopping = this.context.isStopping();
      if (this.context.waitUntil(done, isStopping ? stopPatienceMs : busyMs)) {
        if (told) this.context.log.info(`the queues go on after ${Math.round((now() - from) / 1000)} s`);
        return;
      }
      const silent = questions.filter(({ answer }) => answer === null).map(({ actor }) => actor);
      if (isStopping) {
        // Whoever is to stop does not wait for them again.
        for (const actor of silent) this.loseForEver(actor);
        return;
      }
      if (this.context.isStopping()) continue;
      if (!told) this.context.log.warning(`waiting for the ${silent[0]}, which is in one long command`);
      told = true;
    }
  }

  /** As {@link ask}; answers the first error text, or "". */
  askAll(questions: readonly (readonly [QueueActor, Asked])[]): string {
    const failed = this.ask(questions).find((answer) => answer.type === "done" && answer.error !== "");
    return failed?.type === "done" ? failed.error : "";
  }

  /** The device goes back to its state before the driver's first command. */
  resetAll(actors: readonly QueueActor[]): void {
    this.ask(actors.map((actor) => [actor, { type: "reset" }]));
  }

  answered(answer: Answer): void {
    const question = this.open.get(answer.token);
    if (question !== undefined) question.answer = answer;
  }

  /** `actor` has crashed with what it was asked. */
  lose(actor: QueueActor): void {
    this.lost.add(actor);
  }

  /** `actor` has crashed or hangs, and there will be no other: nothing that it is asked is waited for. */
  loseForEver(actor: QueueActor): void {
    this.lose(actor);
    this.gone.add(actor);
    for (const [token, question] of this.open) {
      if (question.actor === actor) question.answer ??= nothing(token);
    }
  }

  /** A new `actor` is there, and is told everything now. */
  find(actor: QueueActor): void {
    this.lost.delete(actor);
  }

  /** Whether `actor` is being asked to stop its ring. */
  owesBase(actor: QueueActor): boolean {
    return [...this.open.values()].some((one) => one.actor === actor && one.message.type === "ring-stop");
  }

  /** Settles what a lost actor was asked: the new one was told all of it but to stop, which it is asked again. */
  settle(actor: QueueActor): void {
    for (const [token, question] of this.open) {
      if (question.actor !== actor || question.answer !== null) continue;
      if (question.message.type === "ring-stop") this.context.send(actor, { type: "ring-stop", token });
      else question.answer = nothing(token);
    }
  }

  /** Closes what a message that is not sent would have given away. */
  private drop(message: Asked): void {
    if (message.type === "memory") for (const { fd } of message.regions) closeFd(fd);
    if (message.type === "dirty-log") closeFd(message.fd);
    if (message.type !== "ring-start") return;
    for (const fd of [message.kickFd, message.callFd, message.errFd, message.inflightFd]) closeFd(fd);
  }
}

const nothing = (token: number): Answer => ({ type: "done", token, error: "" });
