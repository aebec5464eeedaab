// The life of the vhost-user session: one front-end after another on one socket; the vhost session actor runs it.
import { assign, setup } from "xstate";
import type { RefusalMeta } from "./refusal.ts";

export type SessionEvent = {
  type:
    | "CONNECTED"
    | "SET_FEATURES"
    | "RING_STARTED"
    | "RING_STOPPED"
    | "RESET"
    | "DISCONNECTED"
    | "VIOLATION"
    | "RELEASED"
    | "STOP";
};

export const sessionMachine = setup({
  types: {
    events: {} as SessionEvent,
    meta: {} as RefusalMeta<SessionEvent["type"]>,
    input: {} as { once: boolean },
    context: {} as { once: boolean; rings: number },
  },
  guards: {
    lastRing: ({ context }) => context.rings === 1,
    noMoreSessions: ({ context }) => context.once,
  },
  actions: {
    addRing: assign({ rings: ({ context }) => context.rings + 1 }),
    removeRing: assign({ rings: ({ context }) => context.rings - 1 }),
    dropRings: assign({ rings: 0 }),
    listenNoMore: assign({ once: true }),
  },
}).createMachine({
  id: "session",
  description:
    "One vhost-user socket. Requests may come in any order (QEMU and crosvm differ), except that a ring can't start " +
    "before the features are known. VIOLATION is a request that breaks the protocol. Listening goes on only after " +
    "everything of the last front-end is released; after STOP or with `once` it ends there.",
  initial: "listening",
  context: ({ input }) => ({ once: input.once, rings: 0 }),
  meta: { refuse: { default: "PROTOCOL" } },
  states: {
    listening: { on: { CONNECTED: "connected", STOP: "closed" } },
    connected: {
      initial: "negotiating",
      on: {
        RESET: { target: ".negotiating", actions: "dropRings" },
        DISCONNECTED: "closing",
        VIOLATION: "closing",
        STOP: { target: "closing", actions: "listenNoMore" },
      },
      states: {
        negotiating: { on: { SET_FEATURES: "ready" } },
        ready: { on: { SET_FEATURES: {}, RING_STARTED: { target: "running", actions: "addRing" } } },
        running: {
          on: {
            // Features change under way too: quirks.qemuLogsByAddresses
            SET_FEATURES: {},
            RING_STARTED: { actions: "addRing" },
            RING_STOPPED: [
              { guard: "lastRing", target: "ready", actions: "removeRing" },
              { actions: "removeRing" },
            ],
          },
        },
      },
    },
    closing: {
      entry: "dropRings",
      on: {
        RELEASED: [{ guard: "noMoreSessions", target: "closed" }, { target: "listening" }],
        STOP: { actions: "listenNoMore" },
        // What was on its way when the session ended.
        RING_STOPPED: {},
        DISCONNECTED: {},
        VIOLATION: {},
      },
    },
    closed: { type: "final" },
  },
});
