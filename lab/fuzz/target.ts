// What a target of the fuzzer is: one door of the server, and somebody who comes to it with what no peer should send.

import type { RegionLayout } from "../driver/guest-memory.ts";
import type { ServerProcess } from "../vmm/server-process.ts";
import type { Chance } from "./chance.ts";

/** Where a target does its worst. */
export interface Place {
  readonly server: ServerProcess;
  /** For what the target needs: it is there before the server is, and ends after it. */
  readonly directory: string;
}

/** One peer, or a few, from their coming to their going: a batch of inputs. */
export interface Attack {
  /** Sends what `chance` says. Its number is all that an input depends on, besides what was sent before. */
  input(chance: Chance): void | Promise<void>;
  /** Waits for what the server still owes, and goes. */
  end(): void | Promise<void>;
}

export interface Target {
  readonly name: string;
  /** What an input is, in a few words. */
  readonly about: string;
  /** Flags of the server. */
  flags(directory: string): readonly string[];
  /** Inputs after which the attack ends, and the server is looked at. */
  readonly batch: number;
  /** Whether what it sends runs in the renderer, which may die of it without that being the server's fault. */
  readonly reachesRenderer?: boolean;
  /** Whether a recording of the guest repeats what it did. */
  readonly recordable?: boolean;
  begin(place: Place): Attack | Promise<Attack>;
}

/** The target itself has seen something that must not be. */
export class Seen extends Error {
  override name = "Seen";
}

/** How long whatever the server owes may take, in milliseconds: generous, since the machine may be busy. */
export const patienceMs = 30_000;

/** Memory whose first region, where rings lie, no edge of 32 bits points into: an answer there would look like our mistake. */
export const awayFromEdges: readonly RegionLayout[] = [
  { guestAddress: 2 ** 32, size: 96 * 2 ** 20 },
  { guestAddress: 0, size: 2 ** 20 },
  { guestAddress: 2 ** 31 - 2 ** 20, size: 2 ** 20 },
];
