// What the vhost session receives.

import { z } from "zod";
import { RestoreTold, StateTold } from "../gpu/messages.ts";
import { address, fd, token, u32 } from "../runtime/fields.ts";

export const VhostSessionMessage = z.discriminatedUnion("type", [
  /** A queue actor has done what the session asked with this token; `error` is empty when it went well. */
  z.object({ type: z.literal("done"), token, error: z.string() }),
  /** A ring is stopped; `base` is the next avail index. */
  z.object({ type: z.literal("ring-stopped"), token, base: z.int().min(0).max(0xffff) }),
  /** The ring of a queue actor makes no sense, and is left alone until it is set up or kicked anew. */
  z.object({ type: z.literal("ring-broken"), actor: z.enum(["ctrl-queue", "cursor-queue"]) }),
  /** What the device offers, before anything else: its own feature bits, and the configuration as the driver first reads it. */
  z.object({ type: z.literal("offer"), features: u32, config: z.instanceof(Uint8Array) }),
  /**
   * Map `bytes` of `fd`, from `fdOffset` on, at `offset` of the device's shared memory region. Both are whole pages of it. The
   * asker never uses a `name` again.
   */
  z.object({
    type: z.literal("ask-mapping"),
    token,
    name: z.int().nonnegative(),
    fd,
    fdOffset: address,
    offset: address,
    bytes: z.int().positive(),
  }),
  /** Unmap what was mapped at this place by this name: a map that was refused may be followed by its end, too. */
  z.object({ type: z.literal("ask-unmapping"), token, name: z.int().nonnegative(), offset: address }),
  /** The driver starts from nothing: what was mapped is nobody's any more. */
  z.object({ type: z.literal("mappings-forgotten") }),
  /** The outputs have other modes now, of which a driver would like to know. */
  z.object({ type: z.literal("display-changed") }),
  StateTold,
  RestoreTold,
  /** Every actor is up: serve who comes to this socket, or is its other end where it is connected. */
  z.object({ type: z.literal("listen"), fd }),
  /** The ctrl queue is another one, which has seen nothing of the guest that has gone. */
  z.object({ type: z.literal("renewal"), token }),
  /** A question of the supervisor. */
  z.object({ type: z.literal("ask-description"), token }),
]);
export type VhostSessionMessage = z.infer<typeof VhostSessionMessage>;
