// What is to be had of a process that may be anybody's: what it says to the supervisor, if that makes sense, and what it was doing
// when it died.

import { manifestOf, type WorkerName } from "../../registry.ts";
import { SupervisorMessage } from "../../supervisor/messages.ts";
import { type SharedWords, slotOf } from "../shared-words.ts";

/** Whether that is a message to the supervisor. */
export const isSound = (message: unknown): boolean => SupervisorMessage.safeParse(message).success;

/** Why a process has ended, and what it was doing where its kept words say that. */
export function withLastWords(name: WorkerName, reason: string, words: SharedWords): string {
  const last = manifestOf[name].lastWords?.(words.keep(slotOf(name))) ?? "";
  return last === "" ? reason : `${reason} ${last}`;
}
