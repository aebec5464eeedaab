// The life of one surface at the display: memory on loan from the ctrl queue, given back when no sink reads it.
import { assign, setup } from "xstate";

export type SurfaceEvent = {
  type: "MAPPED" | "MAP_FAILED" | "DAMAGE" | "PRESENTED" | "READ" | "READ_DONE" | "DROP";
};

export const surfaceMachine = setup({
  types: { events: {} as SurfaceEvent, context: {} as { readers: number } },
  guards: {
    unread: ({ context }) => context.readers === 0,
    isRead: ({ context }) => context.readers > 0,
  },
  actions: {
    addReader: assign({ readers: ({ context }) => context.readers + 1 }),
    removeReader: assign({ readers: ({ context }) => context.readers - 1 }),
  },
}).createMachine({
  id: "surface",
  description:
    "One surface. It is stale while some sink has yet to show its latest damage. A sink READs while a frame of it is " +
    "under way; the lease ends (`released`) only after DROP and the last READ_DONE, however slow the sink.",
  initial: "mapping",
  context: { readers: 0 },
  states: {
    mapping: { on: { MAPPED: "mapped", MAP_FAILED: "unusable", DAMAGE: {}, DROP: "released" } },
    mapped: {
      initial: "stale",
      on: {
        READ: { actions: "addReader" },
        READ_DONE: { guard: "isRead", actions: "removeReader" },
        DROP: "dropped",
      },
      states: {
        stale: { on: { DAMAGE: {}, PRESENTED: "presented" } },
        presented: { on: { DAMAGE: "stale" } },
      },
    },
    // It can't be shown, but its owner still has to drop it.
    unusable: { on: { DAMAGE: {}, DROP: "released" } },
    dropped: {
      always: { guard: "unread", target: "released" },
      on: { READ_DONE: { guard: "isRead", actions: "removeReader" } },
    },
    released: { type: "final" },
  },
});
