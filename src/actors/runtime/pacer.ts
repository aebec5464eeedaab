// When each of several lanes may be given its next change, by what a person can see: the first after a pause at once, and
// those that follow merged into one a slot. Slots keep a beat as long as the taker does, and move when it is slower.

import { now, type Timers } from "./timers.ts";

/** How late a change may be, as part of a slot, without moving the beat: timers and wake-ups come late. */
const lateMax = 1 / 4;
/** The rest that a slow taker has, as part of a slot, before it is given the next change: it has other things to do. */
const restMin = 1 / 2;

export class Pacer {
  /** Milliseconds from slot to slot; 0 where there is no limit. */
  periodMs = 0;
  /** When the last slot of each lane began. */
  private readonly began: Float64Array;
  /** Bit n: lane n waits for its taker. */
  private held = 0;
  private wakeAt = Infinity;
  private cancel: () => void = nothing;

  /** There are 32 lanes at most. */
  constructor(
    private readonly timers: Timers,
    lanes: number,
  ) {
    this.began = new Float64Array(lanes).fill(-Infinity);
  }

  /** Whether some lane waits for its taker. */
  get isHeld(): boolean {
    return this.held !== 0;
  }

  /** Whether `lane` waits for its taker. */
  isHeldAt(lane: number): boolean {
    return (this.held & (1 << lane)) !== 0;
  }

  /** Whether `lane` may be given a change now. Where it is too early, the actor has a turn when it is not. */
  may(lane: number): boolean {
    if (this.isHeldAt(lane)) return false;
    if (this.periodMs === 0) return true;
    const due = this.began[lane]! + this.periodMs;
    if (now() >= due) return true;
    this.wake(due);
    return false;
  }

  /** `lane` was given a change, which was its slot. */
  gave(lane: number): void {
    const at = now();
    const due = this.began[lane]! + this.periodMs;
    const isOnBeat = at >= due && at - due < this.periodMs * lateMax;
    this.began[lane] = isOnBeat ? due : at;
  }

  /** `lane` is given nothing until its taker has shown what it was given, be it after its next slot. */
  hold(lane: number): void {
    this.held |= 1 << lane;
  }

  /** `lane` need not wait for its taker any more. */
  release(lane: number): void {
    this.held &= ~(1 << lane);
  }

  /** The taker of `lane` took what it was given, and is left alone for a while. */
  took(lane: number): void {
    this.release(lane);
    this.began[lane] = Math.max(this.began[lane]!, now() - this.periodMs * (1 - restMin));
  }

  /** The takers of all lanes took what they were given. */
  tookAll(): void {
    for (let set = this.held; set !== 0; set &= set - 1) this.took(31 - Math.clz32(set & -set));
  }

  /** No lane need wait for its taker any more. */
  releaseAll(): void {
    this.held = 0;
  }

  /** `lane` starts anew: its next change goes at once. */
  forget(lane: number): void {
    this.release(lane);
    this.began[lane] = -Infinity;
  }

  close(): void {
    this.cancel();
  }

  private wake(at: number): void {
    if (at >= this.wakeAt) return;
    this.cancel();
    this.wakeAt = at;
    this.cancel = this.timers.after(at - now(), this.woken);
  }

  /** The turn that follows a timer does the rest. */
  private readonly woken = (): void => {
    this.wakeAt = Infinity;
    this.cancel = nothing;
  };
}

function nothing(): void {}
