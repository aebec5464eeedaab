// What is refused since it is beyond a limit: the log says whose it is, and what allows more.

import type { LimitName } from "../../../config-limits.ts";
import { Response } from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { Whose } from "../../runtime/log.ts";
import type { Parts } from "./parts.ts";

/** Returns the response's type; `what` happens for that. */
export function beyond({ context }: Parts, limit: LimitName, what: string, whose?: Whose): number {
  context.log.beyond(limit, context.config[limit], what, whose);
  return Response.ERR_OUT_OF_MEMORY;
}

/** As {@link beyond}, of what the renderer has answered with ENOMEM, whose own limits are not told. */
export function beyondRenderer(parts: Parts, what: string, whose?: Whose): number {
  const limit = parts.model.renderer.lack.take();
  return limit === null ? Response.ERR_OUT_OF_MEMORY : beyond(parts, limit, what, whose);
}
