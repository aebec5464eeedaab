// The life of one fence, from the command that asks for it to its response in the used ring (virtio 1.3 §5.7.6.7).
import { setup } from "xstate";
import type { RefusalMeta } from "./refusal.ts";

export type FenceEvent = { type: "SUBMIT" | "SIGNAL" | "FAIL" | "ALARM" | "RETIRE" };

export const fenceMachine = setup({
  types: { events: {} as FenceEvent, meta: {} as RefusalMeta<FenceEvent["type"]> },
}).createMachine({
  id: "fence",
  description:
    "One fenced command. A 2D command signals at once; a 3D one is submitted to the renderer and signalled by it. " +
    "A signalled fence retires when those before it on its timeline have, or when the ring stops: the renderer is given " +
    "some time, and what it has not finished then is answered all the same. A slot is used again.",
  initial: "created",
  meta: { refuse: { default: "ERR_UNSPEC" } },
  states: {
    created: { on: { SUBMIT: "pending", SIGNAL: "signalled", FAIL: "failed" } },
    pending: { on: { SIGNAL: "signalled", ALARM: "stuck", FAIL: "failed" } },
    // Older than the limit; the alarm is raised once. The renderer may still come back.
    stuck: { on: { SIGNAL: "signalled", FAIL: "failed" } },
    signalled: { on: { RETIRE: "retired" } },
    // The renderer took no fence, or lost it: the command is answered with an error.
    failed: { on: { RETIRE: "retired" } },
    retired: { type: "final" },
  },
});
