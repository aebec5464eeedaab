// What the inspector receives: answers to its questions.

import { z } from "zod";
import { token } from "../runtime/fields.ts";

const Account = z.record(z.string(), z.unknown());

export const InspectorMessage = z.discriminatedUnion("type", [
  /** The supervisor's account of all actors, as `ctl status` has it. */
  z.object({ type: z.literal("status"), token, state: Account }),
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
