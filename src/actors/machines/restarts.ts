// How often an actor is restarted; apart from its machine, since actors need not load xstate to know.

/** One more crash than this without a SETTLED between them, and the actor is given up. */
export const RESTARTS_MAX = 5;
