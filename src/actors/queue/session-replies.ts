// What the session is told of what it asked for.

import { asRefusal } from "../../transport/os/errors.ts";
import type { ActorContext } from "../runtime/actor.ts";

export class SessionReplies {
  constructor(private readonly context: ActorContext) {}

  /** Does what may be refused, and tells the session that it is done, or why it was refused. A bug goes on up. */
  attempt(token: number, work: () => void): void {
    let refusal = "";
    try {
      work();
    } catch (error) {
      refusal = asRefusal(error).message;
    }
    this.done(token, refusal);
  }

  done(token: number, error = ""): void {
    this.context.send("vhost-session", { type: "done", token, error });
  }
}
