// The session's line to the two queue actors: asks, and waits until both have done what was asked.

import { Refusal } from "../../transport/os/errors.ts";
import { closeFd } from "../../transport/os/fds.ts";
import type { WorkerName } from "../names.ts";
import type { QueueMessage } from "../messages/queue.ts";
import type { VhostSessionMessage } from "../messages/vhost-session.ts";
import type { ActorContext } from "../runtime/actor.ts";

export const queueActors = ["ctrl-queue", "cursor-queue"] as const;
export type QueueActor = Extract<WorkerName, (typeof queueActors)[number]>;

/** A queue actor never waits for anyone, so this is a bug or a very slow host. */
const answerTimeoutMs = 10_000;

type Answer = Extract<VhostSessionMessage, { token: number }>;
type Asked = QueueMessage extends infer M ? (M extends { token: number } ? Omit<M, "token"> : never) : never;

interface Question {
  actor: QueueActor;
  message: Asked;
  answer: Answer | null;
}

export class QueueLink {
  private readonly open = new Map<number, Question>();
  /** Actors that have crashed, and are asked nothing until the next one is there. */
  private readonly lost = new Set<QueueActor>();
  private nextToken = 1;

  constructor(private readonly context: ActorContext) {}

  /** Sends each actor its message at once and waits for all. Answers in the same order; throws a {@link Refusal} when one says nothing. */
  ask(questions: readonly (readonly [QueueActor, Asked])[]): Answer[] {
    const posed = questions.map(([actor, message]) => {
      const token = this.nextToken++;
      const question: Question = { actor, message, answer: null };
      this.open.set(token, question);
      if (this.lost.has(actor)) this.drop(message);
      else this.context.send(actor, { ...message, token } as QueueMessage);
      return { token, question };
    });
    const done = (): boolean => posed.every(({ question }) => question.answer !== null);
    const answered = this.context.waitUntil(done, answerTimeoutMs);
    for (const { token } of posed) this.open.delete(token);
    if (!answered) throw new Refusal(`a queue did not answer within ${answerTimeoutMs / 1000} s`);
    return posed.map(({ question }) => question.answer!);
  }

  /** As {@link ask}; answers the first error text, or "". */
  askAll(questions: readonly (readonly [QueueActor, Asked])[]): string {
    const failed = this.ask(questions).find((answer) => answer.type === "done" && answer.error !== "");
    return failed?.type === "done" ? failed.error : "";
  }

  answered(answer: Answer): void {
    const question = this.open.get(answer.token);
    if (question !== undefined) question.answer = answer;
  }

  /** `actor` has crashed with what it was asked. */
  lose(actor: QueueActor): void {
    this.lost.add(actor);
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
      else question.answer = { type: "done", token, error: "" };
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
