// The life of one surface at the display: memory on loan from the ctrl queue, given back when no sink reads it.
import { setup } from "xstate";
import type { RefusalMeta } from "./refusal.ts";

export type SurfaceEvent = {
  type: "MAPPED" | "MAP_FAILED" | "DAMAGE" | "PRESENTED" | "READ" | "READ_DONE" | "DROP";
};

export const surfaceMachine = setup({
  types: { events: {} as SurfaceEvent, meta: {} as RefusalMeta<SurfaceEvent["type"]> },
}).createMachine({
  id: "surface",
  description:
    "One surface. It is stale while some sink has yet to show its latest damage. It is READ from when the first sink " +
    "begins a frame of it until the last is READ_DONE; the lease ends (`released`) only after DROP and that, however " +
    "slow the sink.",
  meta: { refuse: { default: "ERR_UNSPEC" } },
  initial: "mapping",
  states: {
    mapping: { on: { MAPPED: "mapped", MAP_FAILED: "unusable", DAMAGE: {}, DROP: "released" } },
    mapped: {
      type: "parallel",
      states: {
        picture: {
          initial: "stale",
          states: {
            stale: { on: { DAMAGE: {}, PRESENTED: "presented" } },
            presented: { on: { DAMAGE: "stale" } },
          },
        },
        lease: {
          initial: "unread",
          states: {
            unread: { on: { READ: "read", DROP: "#surface.released" } },
            read: { on: { READ_DONE: "unread", DROP: "#surface.dropped" } },
          },
        },
      },
    },
    // It can't be shown, but its owner still has to drop it.
    unusable: { on: { DAMAGE: {}, DROP: "released" } },
    dropped: { on: { READ_DONE: "released" } },
    released: { type: "final" },
  },
});
