// What the resource bridge receives.

import { z } from "zod";
import { address, fd, token, u32 } from "./queue.ts";

export const ResourceBridgeMessage = z.discriminatedUnion("type", [
  /** The answer to `export`; fd -1 when there is no such resource or it cannot be shared. */
  z.object({ type: z.literal("exported"), token, fd, offset: address, stride: u32 }),
]);
export type ResourceBridgeMessage = z.infer<typeof ResourceBridgeMessage>;
