// The guest's outputs, told and changed for pages and programs.

import { Refusal } from "../../transport/os/errors.ts";
import { ValueError } from "../../config-values.ts";
import { type OutputChanges, parseOutputs } from "../output-changes.ts";
import type { ActorContext } from "../runtime/actor.ts";
import type { OutputsRecord } from "./outputs-feed.ts";

const timeoutMs = 3_000;

export class Outputs {
  constructor(private readonly context: Pick<ActorContext, "asks">) {}

  /** What they are; null where the display does not answer. */
  tell(): Promise<OutputsRecord | null> {
    return this.ask(null);
  }

  /** What they are once they are as `text` says, as `ctl outputs set` has it. Throws a {@link Refusal} where they cannot be. */
  async set(text: string): Promise<OutputsRecord | null> {
    return await this.ask(parsed(text));
  }

  private ask(changes: OutputChanges | null): Promise<OutputsRecord | null> {
    const { promise, resolve, reject } = Promise.withResolvers<OutputsRecord | null>();
    this.context.asks.ask(
      "display",
      { type: "ask-outputs", changes },
      (answer) => {
        if (answer === null) return resolve(null);
        const { error, said, outputs } = answer;
        if (error === "") resolve({ said, outputs });
        else reject(new Refusal(error));
      },
      { timeoutMs },
    );
    return promise;
  }
}

function parsed(text: string): OutputChanges {
  try {
    return parseOutputs(text);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw new Refusal(error.message, { cause: error });
  }
}
