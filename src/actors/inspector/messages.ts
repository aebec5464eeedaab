// What the inspector receives: answers to its questions.

import { z } from "zod";
import { fd, token, u32 } from "../runtime/fields.ts";

const Account = z.record(z.string(), z.unknown());

export const InspectorMessage = z.discriminatedUnion("type", [
  /** The supervisor's account of all actors, as `ctl status` has it. */
  z.object({ type: z.literal("status"), token, state: Account }),
  /**
   * Pixels of a scanout, bytes B, G, R, X, tightly packed: what of the rectangle that was asked for lies in it. fd -1 where
   * it is off, or `error` says why. `surface` is what it shows, or 0.
   */
  z.object({
    type: z.literal("pixels"),
    token,
    fd,
    ...{ x: u32, y: u32, width: u32, height: u32, viewWidth: u32, viewHeight: u32 },
    surface: u32,
    error: z.string(),
  }),
  /** What the guest has made, as feed.ts has it. */
  z.object({
    type: z.literal("inventory"),
    token,
    resources: z.array(Account),
    contexts: z.array(Account),
    fences: z.array(Account),
  }),
]);
export type InspectorMessage = z.infer<typeof InspectorMessage>;
