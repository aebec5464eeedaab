// What a queue's actor does with the commands that its runner takes, and how it puts one off.

import { ParkedChain } from "../../transport/virtio/chain.ts";
import type { Request } from "./request.ts";
import type { GuestSpan } from "../../transport/virtio/memory-map.ts";

/** A handler's answer for "I parked it and will complete it". */
export const PARKED = 0;

export interface QueueHandler {
  /** Whether it tells others where the guest's pages lie, so that their files are kept open. */
  readonly lendsPages?: boolean;
  /**
   * Runs a request, which is that of {@link QueueRunner.request}. Returns the response's type; {@link QueueRunner.responseBytes}
   * says its length where that is not a bare header. Or parks the request and answers {@link PARKED}.
   */
  execute(request: Request): number;
  /** Memory is about to be unmapped: every host address in `vanishing` is let go of now, while it is still mapped. */
  memoryChanging?(vanishing: readonly GuestSpan[]): void;
  /** The memory map has changed, or could not be. */
  memoryChanged?(): void;
  /** The driver starts from nothing: forget everything of the last one. */
  reset(): void;
  /** The ring stops: answer everything that is parked, now. */
  finishParked(): void;
  /** The guest sees every answer so far, and has been called: what others are told of its commands may go out. */
  published?(): void;
  /** Runs when the ring was emptied, before the actor sleeps. */
  idle?(): void;
  /** Whether it sleeps without a look at the ring: other threads want the processor for work of this queue's own. */
  yields?(): boolean;
}

/** A parked request: everything that its answer needs. */
export class Parked {
  readonly chain = new ParkedChain();
  readonly header: Uint32Array;
  /** Its number for the tap, 0 while nobody reads. */
  command = 0;
  /** Its count for the recorder, 0 while nothing is recorded. */
  recorded = 0;

  constructor(headerBytes: number) {
    this.header = new Uint32Array(headerBytes / 4);
  }
}
