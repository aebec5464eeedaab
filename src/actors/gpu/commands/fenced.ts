// Commands whose header names a fence or a context's ring (virtio 1.3 §5.7.6.7): they run as all others do, and may be
// answered later.

import {
  Feature,
  Header,
  HeaderFlag,
  Response,
  ringsMax,
} from "../../../transport/wire/virtio-gpu/protocol.ts";
import { PARKED, type Parked } from "../../queue/queue-handler.ts";
import type { Request } from "../../queue/request.ts";
import type { Model } from "../model/model.ts";
import { beyond } from "./beyond.ts";
import type { Command, Parts } from "./parts.ts";

/** Has a parked request that is fenced keep its place: {@link Fences.release} answers it. */
export function keepOrder({ model }: Parts, parked: Parked, request: Request): void {
  const flags = request.u32(Header.flags);
  if ((flags & HeaderFlag.FENCE) === 0) return;
  const hasRing = namesRing(model, flags);
  const { contexts, fences, lifecycles } = model;
  if (hasRing) {
    const context = contexts.get(request.u32(Header.contextId))!;
    lifecycles.context.take(context, lifecycles.context.event("FENCE"));
  }
  fences.hold(parked, request, hasRing);
}

const namesRing = (model: Model, flags: number): boolean =>
  (flags & HeaderFlag.INFO_RING_IDX) !== 0 && model.has(Feature.CONTEXT_INIT);

const fenceFlags = HeaderFlag.FENCE | HeaderFlag.INFO_RING_IDX;

/** Runs requests by `dispatch`, and has those that are fenced wait for the renderer. */
export function withFences(parts: Parts, dispatch: Command): Command {
  const {
    model,
    context: { config },
  } = parts;
  const { contexts, fences, lifecycles } = model;
  const { fencesMax } = config;
  const fence = lifecycles.context.event("FENCE");

  function runFenced(request: Request, flags: number): number {
    if ((flags & HeaderFlag.FENCE) !== 0 && fences.pending >= fencesMax)
      return beyond(
        parts,
        "fencesMax",
        "a command with a fence is not run",
        contexts.get(request.u32(Header.contextId)),
      );
    const hasRing = namesRing(model, flags);
    if (hasRing) {
      if ((request.u32(Header.ringIndex) & 0xff) >= ringsMax) return Response.ERR_INVALID_PARAMETER;
      const refusal = lifecycles.context.may(contexts.get(request.u32(Header.contextId)), fence);
      if (refusal !== 0) return refusal;
    }
    const response = dispatch(request);
    if (response === PARKED || (flags & HeaderFlag.FENCE) === 0) return response;
    if (!hasRing) return fences.finish(request, response, false);
    const context = contexts.get(request.u32(Header.contextId));
    // CTX_DESTROY has ended its own timeline.
    if (context === undefined) return response;
    lifecycles.context.take(context, fence);
    return fences.finish(request, response, true);
  }

  return (request) => {
    const flags = request.u32(Header.flags);
    return (flags & fenceFlags) === 0 ? dispatch(request) : runFenced(request, flags);
  };
}
