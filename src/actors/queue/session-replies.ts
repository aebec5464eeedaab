// What the session is told of what it asked for.

import { asRefusal } from "../../transport/os/errors.ts";
import type { ActorContext } from "../runtime/actor.ts";

export class SessionReplies {
  constructor(private readonly context: ActorContext) {}

  /** Does what may be refused; where it was, the session is told why. A bug goes on up. */
  attempt(token: number, work: () => void): boolean {
    try {
      work();
      return true;
    } catch (error) {
      this.done(token, asRefusal(error).message);
      return false;
    }
  }

  done(token: number, error = ""): void {
    this.context.send("vhost-session", { type: "done", token, error });
  }
}
