// The life of one fence, from the command that asks for it to its response in the used ring (virtio 1.3 §5.7.6.7).
import { setup } from "xstate";
import type { RefusalMeta } from "./refusal.ts";

export type FenceEvent = { type: "SUBMIT" | "SIGNAL" | "FAIL" | "ALARM" | "RETIRE" | "DROP" };

export const fenceMachine = setup({
  types: { events: {} as FenceEvent, meta: {} as RefusalMeta<FenceEvent["type"]> },
}).createMachine({
  id: "fence",
  description:
    "One fenced command. A 2D command signals at once; a 3D one is submitted to the renderer and signalled by it. " +
    "A signalled fence retires when those before it on its timeline have. DROP is a device reset: the guest has " +
    "forgotten the command, so nothing is answered. A slot is used again by setting it to the initial state.",
  initial: "created",
  meta: { refuse: { default: "ERR_UNSPEC" } },
  states: {
    created: { on: { SUBMIT: "pending", SIGNAL: "signalled", FAIL: "failed", DROP: "retired" } },
    pending: { on: { SIGNAL: "signalled", ALARM: "stuck", FAIL: "failed", DROP: "retired" } },
    // Older than the limit; the alarm is raised once. The renderer may still come back.
    stuck: { on: { SIGNAL: "signalled", FAIL: "failed", DROP: "retired" } },
    signalled: { on: { RETIRE: "retired", DROP: "retired" } },
    // The renderer took no fence, or lost it: the command is answered with an error.
    failed: { on: { RETIRE: "retired", DROP: "retired" } },
    retired: { type: "final" },
  },
});
