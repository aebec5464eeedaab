// What the resource bridge receives: the ctrl queue's answers to questions with the same token.

import { z } from "zod";
import { fd, token, u32 } from "../runtime/fields.ts";

export const ResourceBridgeMessage = z.discriminatedUnion("type", [
  /**
   * A resource's pixels in one plane: bytes from one row to the next and before the first, and the format modifier. With
   * fd -1 there is no such resource, or it cannot be lent.
   */
  z.object({
    type: z.literal("buffer"),
    token,
    fd,
    stride: u32,
    offset: u32,
    modifierHigh: u32,
    modifierLow: u32,
  }),
  /** A descriptor that becomes readable when the fence has retired; -1 where there is no such fence. */
  z.object({ type: z.literal("fence"), token, fd }),
]);
export type ResourceBridgeMessage = z.infer<typeof ResourceBridgeMessage>;
