// What the fence poller receives.

import { z } from "zod";
export const FencePollerMessage = z.discriminatedUnion("type", [
  /**
   * How many fences are out: sent when there is a first one, and when a check has found none. `ticks`: the renderer has no
   * descriptor, so the ctrl queue is to be told every millisecond while some are.
   */
  z.object({ type: z.literal("expect-fences"), fences: z.int().nonnegative(), ticks: z.boolean() }),
]);
export type FencePollerMessage = z.infer<typeof FencePollerMessage>;
