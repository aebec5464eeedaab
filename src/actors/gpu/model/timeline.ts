// Commands that wait for fences, in their order: the device's own, or that of one context's ring (virtio 1.3 §5.7.6.7).

import { Header } from "../../../transport/wire/virtio-gpu/protocol.ts";
import { Entity } from "../../machines/lifecycle.ts";
import type { Parked } from "../../queue/queue-handler.ts";
import type { Lifecycles } from "./lifecycles.ts";
import { milliseconds } from "../../../transport/os/clock.ts";

/** A command that waits. Objects are reused. */
export class Waiting extends Entity {
  parked: Parked | null = null;
  command = 0;
  response = 0;
  /** Whether somebody else has still to say what it is answered: whatever the renderer does, it waits. */
  isHeld = false;
  /** A response that is longer than a header. */
  body: Uint8Array | null = null;
  /** The last fence that was made on its timeline: what it waits for. */
  override id = 0;
  /** When it began to wait, in milliseconds. */
  since = 0;
}

/** What a stuck command is called in the log. */
export interface StuckFence {
  command: number;
  context: number;
  ageMs: number;
}

export class Timeline {
  readonly waiting: Waiting[] = [];
  /** Index of the first that still waits. */
  first = 0;
  /** Whether it was ever given a fence. */
  isMarked = false;
  /** The renderer's epoch at the last fence. */
  epoch = 0;
  /** The last fence that has retired. */
  retired: number;

  constructor(
    readonly context: number,
    readonly ring: number,
    /** The last fence that was made on it; at first the last one of all. */
    public fence: number,
  ) {
    this.retired = fence;
  }

  get isEmpty(): boolean {
    return this.first === this.waiting.length;
  }

  /** Whether nothing is waited for: no command, and no fence that a next one would have to wait for. */
  get isSettled(): boolean {
    return this.isEmpty && ((this.fence - this.retired) | 0) <= 0;
  }
}

/** What waits, for people: `max` commands at most, the oldest of each timeline first. */
export function describeWaiting(
  timelines: Iterable<Timeline>,
  lifecycle: Lifecycles["fence"],
  max: number,
): Record<string, number | string>[] {
  const all: Record<string, number | string>[] = [];
  for (const { ring, waiting, first } of timelines) {
    for (let index = first; index < waiting.length && all.length < max; index++) {
      const one = waiting[index]!;
      const state = lifecycle.nameOf(one);
      const ageMs = milliseconds() - one.since;
      // The device's own timeline is of no context; its commands are.
      const { header, command: number } = one.parked!;
      const context = header[Header.contextId / 4]!;
      all.push({ fence: one.id, state, command: one.command, number, context, ring, ageMs });
    }
  }
  return all;
}
