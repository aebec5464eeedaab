// Questions of the supervisor to running actors: counters, descriptions, pictures.

import { libc } from "../../ffi/libc.ts";
import { NativeMemory } from "../../transport/os/native-memory.ts";
import type { SupervisorMessage } from "./messages.ts";
import { manifestOf, type WorkerName } from "../registry.ts";
import type { ActorHost } from "../runtime/host.ts";

const answerTimeoutMs = 3_000;

type Answer = Extract<SupervisorMessage, { token: number }>;

/** A picture: `height` rows of `width` pixels, bytes B, G, R, X, tightly packed. */
export interface Picture {
  width: number;
  height: number;
  pixels: Uint8Array<ArrayBuffer>;
}

export class Inquiries {
  private readonly open = new Map<number, { actor: WorkerName; settle: (answer: Answer | null) => void }>();
  private nextToken = 1;

  constructor(private readonly host: ActorHost) {}

  counters(actor: WorkerName): Record<string, number> {
    const values = this.host.counters(actor);
    return Object.fromEntries(manifestOf[actor].counters.map((name, index) => [name, values[index]!]));
  }

  /** The actor's own account of itself; null when it does not answer. */
  async describe(actor: "display" | "ctrl-queue"): Promise<Record<string, unknown> | null> {
    const answer = await this.ask(actor, (token) => this.host.send(actor, { type: "describe", token }));
    return answer?.type === "description" ? answer.state : null;
  }

  /** What a scanout shows. Throws when it shows nothing, can't be read, or the display does not answer. */
  async snapshot(scanout: number): Promise<Picture> {
    const answer = await this.ask("display", (token) =>
      this.host.send("display", { type: "snapshot", token, scanout }),
    );
    if (answer?.type !== "snapshot") throw new Error("the display does not answer");
    const { fd, width, height, error } = answer;
    if (fd < 0) throw new Error(error);
    const memory = NativeMemory.mapShared(fd, 0, width * height * 4, "read");
    libc.close(fd);
    const pixels = new Uint8Array(memory.view()).slice();
    memory.unmap();
    return { width, height, pixels };
  }

  answered(answer: Answer): void {
    const inquiry = this.open.get(answer.token);
    if (inquiry === undefined) {
      if (answer.type === "snapshot" && answer.fd >= 0) libc.close(answer.fd);
      return;
    }
    this.open.delete(answer.token);
    inquiry.settle(answer);
  }

  /** The actor is gone and will not answer. */
  abandon(actor: WorkerName): void {
    for (const [token, inquiry] of this.open) {
      if (inquiry.actor !== actor) continue;
      this.open.delete(token);
      inquiry.settle(null);
    }
  }

  private async ask(actor: WorkerName, send: (token: number) => void): Promise<Answer | null> {
    // Nobody would say that a question to the dead was lost.
    if (!this.host.isAlive(actor)) return null;
    const token = this.nextToken++;
    const { promise, resolve } = Promise.withResolvers<Answer | null>();
    const timer = setTimeout(() => {
      this.open.delete(token);
      resolve(null);
    }, answerTimeoutMs);
    this.open.set(token, { actor, settle: resolve });
    send(token);
    const answer = await promise;
    clearTimeout(timer);
    return answer;
  }
}
