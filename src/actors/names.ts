// Every actor by name, who talks to whom, and which of them may lose their state.

/** Worker actors in the order in which they start; they stop in the reverse order. */
export const workerNames = [
  "display",
  "fence-poller",
  "resource-bridge",
  "ctrl-queue",
  "cursor-queue",
  "vhost-session",
] as const;

export type WorkerName = (typeof workerNames)[number];
export type ActorName = WorkerName | "supervisor";

/** Pairs of workers with a channel between them; the supervisor has one to each. */
export const links: readonly (readonly [WorkerName, WorkerName])[] = [
  ["vhost-session", "ctrl-queue"],
  ["vhost-session", "cursor-queue"],
  ["vhost-session", "display"],
  ["ctrl-queue", "cursor-queue"],
  ["ctrl-queue", "display"],
  ["ctrl-queue", "fence-poller"],
  ["ctrl-queue", "resource-bridge"],
  ["cursor-queue", "display"],
];

/** Actors whose state the others can restore; a crash of any other ends the device. */
export const restartable: ReadonlySet<WorkerName> = new Set<WorkerName>([
  "display",
  "cursor-queue",
  "fence-poller",
  "resource-bridge",
]);
