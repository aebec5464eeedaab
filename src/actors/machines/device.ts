// The life of the whole server, from its first actor to its exit code; the supervisor runs it.
import { assign, setup } from "xstate";

/** Exit codes; 2 is settings that make no sense, or that ask for what cannot be had. */
export const exitCodes = { ok: 0, fatal: 1, settings: 2, actorLost: 3, stopTimeout: 4 } as const;

export type DeviceEvent =
  | { type: "READY" }
  | { type: "SESSION_UP" }
  | { type: "DRIVER_OK" }
  | { type: "DRIVER_STOPPED" }
  | { type: "SESSION_DOWN" }
  | { type: "SESSION_CLOSED" }
  | { type: "ACTOR_RESTARTED"; actor: string }
  | { type: "ACTOR_LOST"; reason: string }
  | { type: "FATAL"; reason: string }
  | { type: "MISCONFIGURED"; reason: string }
  | { type: "SHUTDOWN"; reason: string }
  | { type: "STOPPED" }
  | { type: "STOP_TIMEOUT" };

interface Ending {
  exitCode: number;
  /** A clause for the last log line, as in "the window was closed". */
  reason: string;
}

export const deviceMachine = setup({
  types: { events: {} as DeviceEvent, context: {} as Ending, output: {} as Ending },
  guards: { allIsWell: ({ context }) => context.exitCode === exitCodes.ok },
  actions: { endWith: assign((_, ending: Ending) => ending) },
}).createMachine({
  id: "device",
  description:
    "The server. SESSION_DOWN is a front-end that left while the server goes on listening, SESSION_CLOSED one that " +
    "was the only one (`--fd`, `--once`). Whatever ends the device first gives the exit code and the reason.",
  initial: "starting",
  context: { exitCode: exitCodes.ok, reason: "" },
  output: ({ context }) => context,
  on: {
    ACTOR_RESTARTED: {},
    ACTOR_LOST: {
      target: ".stopping",
      actions: {
        type: "endWith",
        params: ({ event }) => ({ exitCode: exitCodes.actorLost, reason: event.reason }),
      },
    },
    FATAL: {
      target: ".stopping",
      actions: {
        type: "endWith",
        params: ({ event }) => ({ exitCode: exitCodes.fatal, reason: event.reason }),
      },
    },
    MISCONFIGURED: {
      target: ".stopping",
      actions: {
        type: "endWith",
        params: ({ event }) => ({ exitCode: exitCodes.settings, reason: event.reason }),
      },
    },
    SHUTDOWN: {
      target: ".stopping",
      actions: { type: "endWith", params: ({ event }) => ({ exitCode: exitCodes.ok, reason: event.reason }) },
    },
    SESSION_CLOSED: {
      target: ".stopping",
      actions: { type: "endWith", params: { exitCode: exitCodes.ok, reason: "the front-end has gone" } },
    },
  },
  states: {
    starting: { on: { READY: "listening" } },
    listening: { on: { SESSION_UP: "connected" } },
    connected: { on: { DRIVER_OK: "running", SESSION_DOWN: "listening" } },
    running: { on: { DRIVER_STOPPED: "connected", SESSION_DOWN: "listening" } },
    stopping: {
      on: {
        STOPPED: [{ guard: "allIsWell", target: "stopped" }, { target: "failed" }],
        STOP_TIMEOUT: [
          {
            guard: "allIsWell",
            target: "failed",
            actions: {
              type: "endWith",
              params: { exitCode: exitCodes.stopTimeout, reason: "some actors did not stop in time" },
            },
          },
          { target: "failed" },
        ],
        // The first reason counts; what breaks on the way down changes nothing.
        ACTOR_LOST: {},
        FATAL: {},
        MISCONFIGURED: {},
        SHUTDOWN: {},
        SESSION_CLOSED: {},
      },
    },
    stopped: { type: "final" },
    failed: { type: "final" },
  },
});
