// What a predecessor had taken of a ring that is to rest: it is answered before that, since nobody would take it again.

import type { Chain } from "../../transport/virtio/chain.ts";
import { Pop, type Ring } from "../../transport/virtio/ring.ts";
import type { Request } from "./request.ts";

/** Has `serve` run each request that `ring` owes an answer to; those whose memory is away stay owed. */
export function serveOwed(ring: Ring, chain: Chain, request: Request, serve: () => void): void {
  while (ring.owed > 0) {
    const popped = ring.pop(chain);
    if (popped !== Pop.CHAIN && popped !== Pop.SKIPPED) return;
    if (popped === Pop.SKIPPED) continue;
    request.take(chain);
    serve();
  }
}
