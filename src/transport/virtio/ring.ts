// The device's side of a virtqueue: takes chains that the driver made available, and gives them back used.
// virtio 1.3 §2.6. What kind of ring it is stays behind this face.

import type { Notifier } from "../os/notifier.ts";
import type { Chain, ParkedChain } from "./chain.ts";

/**
 * What {@link Ring.pop} returns. SKIPPED: the guest named a descriptor that does not exist. BROKEN: the ring makes no sense.
 * CROWDED: it offers one more while as many are under way as there are descriptors, so one is offered twice.
 */
export const Pop = { EMPTY: 0, CHAIN: 1, SKIPPED: 2, BROKEN: 3, CROWDED: 4 } as const;

/** How far a ring has come, as GET_VRING_BASE says it: to be kept and given back to a ring of its kind, nothing else. */
export type Position = number;

export interface RingLayout {
  /** Descriptors: a power of two, at most 32768. */
  num: number;
  /** Guest-physical addresses. */
  desc: number;
  avail: number;
  used: number;
  /** Where the used ring lies for the dirty log, or -1 when its pages are not logged. */
  usedLog: number;
  eventIdx: boolean;
}

export interface Ring {
  /** Whom {@link publish} calls. */
  callee: Notifier;
  /** Whether nothing was ever taken from this ring: the driver has just been (re)started. */
  readonly isFresh: boolean;
  /** Whether what the guest wrote made no sense: nothing more is taken. */
  readonly isBroken: boolean;
  /** Where the next chain is taken. */
  readonly position: Position;
  /** The guest-physical address of the index from which {@link offered} comes: 16 bits. */
  readonly offeredAt: number;
  /** Whether the last chain was taken before, by somebody who is gone: {@link answerOf} says more. */
  readonly tookAgain: boolean;
  /** Chains that somebody who is gone has taken and not given back, and that are still to be taken again. */
  readonly owed: number;
  /** Whether its memory is there: only then can anything be taken or given back. */
  readonly isAttached: boolean;

  /** Makes the views anew after the memory map has changed. Throws a {@link Refusal} where a part is no longer there. */
  attach(): void;
  /** Drops every view, so that the memory under them may be unmapped; nothing is taken or given back until {@link attach}. */
  detach(): void;
  /** Logs what is written to the used ring at this guest-physical address from now on; -1 ends it. */
  logUsedAt(address: number): void;

  /** Takes the next chain; one of {@link Pop}. */
  pop(chain: Chain): number;
  /** Puts the chain that {@link pop} has just taken back, as if it had not been: it is the next one to be taken. */
  putBack(chain: Chain): void;
  /** Whether there is one to take. */
  hasMore(): boolean;
  /** Up to where chains are there to be taken now. */
  offered(): Position;
  /** Whether all before `position` were taken. */
  hasTaken(position: Position): boolean;

  /** What was noted of a chain that is taken again, or 0. */
  answerOf(head: number): number;
  /** Gives the chain at `head` back, with `written` bytes of response; the guest sees it after {@link publish}. */
  complete(head: number, written: number): void;
  /** As {@link complete}, with the response of `length` bytes at native address `source`. */
  completeParked(parked: ParkedChain, source: number, length: number): void;
  /** Shows the guest what was completed. Returns whether it was called, which it is once at most. */
  publish(): boolean;
  /** Shows it unless the guest wants to be called for that, which {@link publish} does later. */
  publishSilently(): void;
  /** Interrupts the guest, for a call that may have been lost; not where it can have missed none. */
  callAgain(): void;

  /** Asks the guest for a kick when it makes more available. Returns true when it already has. */
  enableKicks(): boolean;
  /** Tells the guest that no kicks are needed. */
  disableKicks(): void;
}
