// The ctrl queue's questions about the outputs, and where their answers go.

import type { DisplayMode } from "../../gpu/messages.ts";
import type { DisplayMessage } from "../messages.ts";
import { edidOf } from "./outputs.ts";

export type Question = Extract<DisplayMessage, { type: "ask-display-info" | "ask-edid" }>;

export interface OutputAnswers {
  modes(token: number, modes: readonly DisplayMode[]): void;
  edid(token: number, edid: Uint8Array<ArrayBuffer>): void;
}

/** Answers from modes that are known already. */
export function answerFrom(modes: readonly DisplayMode[], question: Question, answers: OutputAnswers): void {
  if (question.type === "ask-display-info") answers.modes(question.token, modes);
  else answers.edid(question.token, edidOf(modes, question.scanout));
}
