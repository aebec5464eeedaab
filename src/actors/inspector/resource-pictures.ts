// What resources look like, as PNG, one after the other: each look stops the ctrl queue while it copies.

import { encodePng } from "../../picture/png.ts";
import type { AnswerTo } from "../runtime/asks.ts";
import type { ActorContext } from "../runtime/actor.ts";
import { asRefusal } from "../../transport/os/errors.ts";
import { bytesIn } from "../../transport/os/sent-bytes.ts";

const timeoutMs = 3_000;
/** Looks that may wait for their turn. */
const waitingMax = 16;

/** A picture, or why there is none. */
export type ResourcePicture = { png: Uint8Array; error?: undefined } | { png?: undefined; error: string };

type LookAnswer = AnswerTo<{ type: "ask-picture" }>;

export class ResourcePictures {
  private last: Promise<unknown> = Promise.resolve();
  private waiting = 0;

  constructor(private readonly context: ActorContext) {}

  async of(resource: number): Promise<ResourcePicture> {
    if (this.waiting >= waitingMax) return { error: "too many pictures are asked for" };
    this.waiting++;
    const turn = this.last.then(() => this.look(resource));
    this.last = turn.catch(() => {
      // Whoever asked for it is told; it is no reason to show no other.
    });
    try {
      return await turn;
    } finally {
      this.waiting--;
    }
  }

  private async look(resource: number): Promise<ResourcePicture> {
    const { promise, resolve } = Promise.withResolvers<LookAnswer>();
    this.context.asks.ask("ctrl-queue", { type: "ask-picture", resource }, resolve, { timeoutMs });
    const answer = await promise;
    if (answer === null) return { error: "the ctrl queue does not answer" };
    const { fd, width, height, error } = answer;
    if (fd < 0) return { error };
    try {
      return { png: await encodePng(bytesIn(fd, width * height * 4), width, height) };
    } catch (refused) {
      return { error: asRefusal(refused).message };
    }
  }
}
