// A question of the supervisor's to an actor, for whoever can wait in the engine's event loop.

import type { AnswerTo, Asks, Question } from "../runtime/asks.ts";
import type { WorkerName } from "../registry.ts";

/** The answer; null where none came within `timeoutMs`, or the actor is gone. */
export function answered<To extends WorkerName, What extends Question<To>>(
  asks: Asks,
  to: To,
  question: What,
  timeoutMs: number,
): Promise<AnswerTo<What>> {
  const { promise, resolve } = Promise.withResolvers<AnswerTo<What>>();
  asks.ask(to, question, resolve, { timeoutMs });
  return promise;
}
