// The life of one worker actor; the supervisor runs one of these for each.
import { assign, setup } from "xstate";
import { RESTARTS_MAX } from "./restarts.ts";

export type ActorEvent = {
  type: "SPAWN" | "READY" | "CRASH" | "SETTLED" | "RENEW" | "STOP" | "EXITED" | "STOP_TIMEOUT";
};

export const actorMachine = setup({
  types: {
    events: {} as ActorEvent,
    input: {} as { restartable: boolean },
    context: {} as { restartable: boolean; restarts: number },
  },
  guards: {
    mayRestart: ({ context }) => context.restartable && context.restarts < RESTARTS_MAX,
  },
  actions: {
    countRestart: assign({ restarts: ({ context }) => context.restarts + 1 }),
    forgiveRestarts: assign({ restarts: 0 }),
  },
}).createMachine({
  id: "actor",
  description:
    "One worker. An actor whose state the others can restore is restarted after a pause, up to " +
    `${RESTARTS_MAX} times in a row; SETTLED says that it has run long enough for the count to start again, and RENEW that another one takes its place in order, for another guest. Not coming up in time is a CRASH too.`,
  initial: "idle",
  context: ({ input }) => ({ restartable: input.restartable, restarts: 0 }),
  states: {
    idle: { on: { SPAWN: "spawning", STOP: "stopped" } },
    spawning: {
      on: {
        READY: "running",
        STOP: "stopping",
        CRASH: [{ guard: "mayRestart", target: "restarting", actions: "countRestart" }, { target: "failed" }],
      },
    },
    running: {
      on: {
        SETTLED: { actions: "forgiveRestarts" },
        RENEW: { target: "restarting", actions: "forgiveRestarts" },
        STOP: "stopping",
        CRASH: [{ guard: "mayRestart", target: "restarting", actions: "countRestart" }, { target: "failed" }],
      },
    },
    // Its worker is gone; the next is spawned after a pause.
    restarting: { on: { SPAWN: "spawning", STOP: "stopped" } },
    stopping: { on: { EXITED: "stopped", CRASH: "stopped", STOP_TIMEOUT: "stopped", READY: {} } },
    stopped: { type: "final" },
    failed: { type: "final" },
  },
});
