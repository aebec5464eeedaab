// What the fence poller receives.

import { z } from "zod";
import { fd } from "../runtime/fields.ts";

export const FencePollerMessage = z.discriminatedUnion("type", [
  /** Watch the renderer's descriptor, or with -1 wake the ctrl queue every millisecond while fences are out. */
  z.object({ type: z.literal("watch"), fd }),
  /** How many fences are out: sent when there is a first one, and when a check has found none. */
  z.object({ type: z.literal("expect-fences"), fences: z.int().nonnegative() }),
]);
export type FencePollerMessage = z.infer<typeof FencePollerMessage>;
