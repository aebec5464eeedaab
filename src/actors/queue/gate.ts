// What may stop a queue between two commands. A queue has none unless somebody wants it: then it costs a null check.

import type { Chain } from "../../transport/virtio/chain.ts";
import type { Ring } from "../../transport/virtio/ring.ts";
import type { Parked } from "./queue-handler.ts";
import type { Request } from "./request.ts";

export interface Gate {
  /**
   * Whether `request`, of `bytes` in all, may run now. Where not, it is given back to the ring as if it had not been taken, and
   * asked for again with the next turn.
   */
  admits(request: Request, bytes: number): boolean;
  /** Whether a command is kept from running: nothing more is taken then. */
  readonly holds: boolean;
  /** The one that was admitted last has its answer of this type, or was parked. */
  ran(type: number): void;
  /** The one that was admitted last is parked now; {@link completed} says when it has its answer. */
  parked(parked: Parked): void;
  completed(parked: Parked, type: number): void;
}

/** Has `serve` run the request that was taken from `ring` if `gate` lets it; returns whether it did. */
export function serveThrough(
  gate: Gate,
  ring: Ring,
  chain: Chain,
  request: Request,
  serve: (ring: Ring) => number,
): boolean {
  const isAdmitted = gate.admits(request, chain.readableBytes);
  if (isAdmitted) gate.ran(serve(ring));
  else ring.putBack(chain);
  return isAdmitted;
}
