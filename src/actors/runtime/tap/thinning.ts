// Which commands of a flood are told. Somebody who looks sixty times a second can read only so many of ten million: beyond,
// the first of each type between two looks is told, and what went wrong or waits; the others are counted by type.

import { Allowance } from "./allowance.ts";
import { Head, untoldKinds } from "./layout.ts";

/** Commands that are told at once, and for each look of the reader in the long run; and of what matters although those are spent. */
const burst = 1024;
const steady = 256;
const matters = 64;

export class Thinning {
  private looks: number;
  private readonly commands = new Allowance(burst, steady);
  private readonly exceptions = new Allowance(matters, matters);
  /** For each type, the look before which one was told last. */
  private readonly firstBefore = new Uint32Array(untoldKinds);
  private readonly untold: Float64Array;

  /** Counts what is not told in a tap's `head`. */
  constructor(private readonly head: Uint32Array) {
    this.looks = head[Head.looks]!;
    this.untold = untoldIn(head);
  }

  /** Whether commands that are nothing special are not told at present. */
  get isThin(): boolean {
    return this.commands.isSpent;
  }

  /** Notes whether the reader has looked. Called once a turn. */
  look(): void {
    const looks = Atomics.load(this.head, Head.looks);
    if (looks === this.looks) return;
    this.looks = looks;
    this.commands.replenish();
    this.exceptions.replenish();
  }

  /** Whether a command of `type` is told; one that is not is counted. */
  tells(type: number): boolean {
    if (this.commands.take()) return true;
    const kind = untoldKindOf(type);
    // Never 0, which is what no look has left there yet.
    const look = this.looks + 1;
    if (this.firstBefore[kind] !== look >>> 0) {
      this.firstBefore[kind] = look;
      return true;
    }
    this.untold[kind]!++;
    return false;
  }

  /** Whether a command of `type` that was counted is told all the same, since it matters. */
  tellsAfterAll(type: number): boolean {
    if (!this.exceptions.take()) return false;
    this.untold[untoldKindOf(type)]!--;
    return true;
  }
}

/** For all types that there are not: this one is none. */
export const otherKinds = untoldKinds - 1;

/** Where commands of a type are counted. */
export const untoldKindOf = (type: number): number =>
  (type & ~0x030f) === 0 && type >= 0x0100 ? (((type >>> 8) - 1) << 4) | (type & 0xf) : otherKinds;

/** The counts in a tap's `head`. */
export const untoldIn = (head: Uint32Array): Float64Array =>
  new Float64Array(head.buffer, head.byteOffset + Head.untold * 4, untoldKinds);
