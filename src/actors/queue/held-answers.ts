// Answers that come while the ring's memory is away, as between the two steps in which QEMU replaces a region: they are given
// when it is back. There are never more than chains under way.

import type { Parked } from "./queue-handler.ts";
import type { Request } from "./request.ts";

interface Held {
  parked: Parked;
  type: number;
  /** The whole response, whose header is yet to be written. */
  response: Uint8Array;
}

export class HeldAnswers {
  private held: Held[] = [];

  constructor(private readonly request: Request) {}

  /** Keeps the response whose body is in place, of `bytes` in all. */
  hold(parked: Parked, type: number, bytes: number): void {
    const response = this.request.responseBytes(0, bytes).slice();
    this.held.push({ parked, type, response });
  }

  /** Puts each response in its place again, and has `queue` answer with it. */
  release(queue: { complete(parked: Parked, type: number, bytes: number): void }): void {
    if (this.held.length === 0) return;
    const { held } = this;
    this.held = [];
    for (const { parked, type, response } of held) {
      this.request.responseBytes(0, response.length).set(response);
      queue.complete(parked, type, response.length);
    }
  }
}
