// The session's line to the two queue actors: asks, and waits until both have done what was asked.

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

export class QueueLink {
  private readonly answers = new Map<number, Answer>();
  private readonly waiting = new Set<number>();
  private nextToken = 1;

  constructor(private readonly context: ActorContext) {}

  /** Sends each actor its message at once and waits for all. Answers in the same order; throws when one says nothing. */
  ask(questions: readonly (readonly [QueueActor, Asked])[]): Answer[] {
    const tokens = questions.map(([actor, message]) => {
      const token = this.nextToken++;
      this.waiting.add(token);
      this.context.send(actor, { ...message, token } as QueueMessage);
      return token;
    });
    const done = (): boolean => tokens.every((token) => this.answers.has(token));
    const answered = this.context.waitUntil(done, answerTimeoutMs);
    for (const token of tokens) this.waiting.delete(token);
    if (!answered) throw new Error(`a queue did not answer within ${answerTimeoutMs / 1000} s`);
    return tokens.map((token) => {
      const answer = this.answers.get(token)!;
      this.answers.delete(token);
      return answer;
    });
  }

  /** As {@link ask}; answers the first error text, or "". */
  askAll(questions: readonly (readonly [QueueActor, Asked])[]): string {
    const failed = this.ask(questions).find((answer) => answer.type === "done" && answer.error !== "");
    return failed?.type === "done" ? failed.error : "";
  }

  answered(answer: Answer): void {
    if (this.waiting.has(answer.token)) this.answers.set(answer.token, answer);
  }
}
