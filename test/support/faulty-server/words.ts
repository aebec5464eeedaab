// What a test and the doors of a server's actors have in common: a file of words, and behind them what is armed, as JSON.

export const FaultWord = {
  /** Grows with each order. */
  generation: 0,
  /** How often the armed call is yet to fail. */
  left: 1,
  /** How often it has failed. */
  failed: 2,
} as const;

export const armedAt = 64;
export const faultBytes = 4096;

export interface Armed {
  /** The calls of an actor at one point fail with this errno. */
  fail?: { actor: string; point: string; errno: number };
  /** How far the wall clock is from the host's. */
  clockMs?: number;
}
