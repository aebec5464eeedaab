// What a process that runs an actor and its parent agree upon.

/** Descriptors that it begins with: what rings the supervisor, and what it is given, as bytes; the others follow. */
export const bellFd = 3;
export const startFd = 4;
export const firstGivenFd = 5;

/** The executable's word for a process that runs an actor: nobody's to call. */
export const actorWord = "actor-process";
/** Where it lies in a checkout. */
export const actorEntry = "src/actors/runtime/process/child.ts";
