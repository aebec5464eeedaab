// The life of the vhost-user session: one front-end after another on one socket; the vhost session actor runs it.
import { setup } from "xstate";
import type { RefusalMeta } from "./refusal.ts";

export type SessionEvent = {
  type:
    | "CONNECTED"
    | "SET_FEATURES"
    | "RING_STARTED"
    | "RINGS_STOPPED"
    | "RESET"
    | "DISCONNECTED"
    | "VIOLATION"
    | "RELEASED"
    | "ENDED"
    | "STOP";
};

export const sessionMachine = setup({
  types: { events: {} as SessionEvent, meta: {} as RefusalMeta<SessionEvent["type"]> },
}).createMachine({
  id: "session",
  description:
    "One vhost-user socket. Requests may come in any order (QEMU and crosvm differ), except that a ring can't start " +
    "before the features are known. RINGS_STOPPED is the last ring that ran. VIOLATION is a request that breaks the " +
    "protocol. Listening goes on only after everything of the last front-end is released; it is ENDED in place of " +
    "RELEASED after STOP, or with `once`.",
  initial: "listening",
  meta: { refuse: { default: "PROTOCOL" } },
  states: {
    listening: { on: { CONNECTED: "connected", STOP: "closed" } },
    connected: {
      initial: "negotiating",
      on: {
        RESET: ".negotiating",
        DISCONNECTED: "closing",
        VIOLATION: "closing",
        STOP: "closing",
      },
      states: {
        negotiating: { on: { SET_FEATURES: "ready" } },
        ready: { on: { SET_FEATURES: {}, RING_STARTED: "running" } },
        // Features change under way too: quirks.qemuLogsByAddresses
        running: { on: { SET_FEATURES: {}, RING_STARTED: {}, RINGS_STOPPED: "ready" } },
      },
    },
    closing: {
      on: {
        RELEASED: "listening",
        ENDED: "closed",
        STOP: {},
        // What was on its way when the session ended.
        RINGS_STOPPED: {},
        DISCONNECTED: {},
        VIOLATION: {},
      },
    },
    closed: { type: "final" },
  },
});
