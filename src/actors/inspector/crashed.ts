// What is told of an actor's crashes.

export interface Crashed {
  /** Crashes that are not forgiven yet. */
  restarts: number;
  /** All since the server has started. */
  crashes: number;
  /** Why and when it crashed last, in ISO 8601, and milliseconds until there was another one; null where it has not. */
  lastCrash: { reason: string; at: string; backMs: number | null } | null;
}
