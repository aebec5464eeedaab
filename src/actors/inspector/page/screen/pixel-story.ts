// Which commands made a pixel of a scanout: the last transfer that wrote there, and the last flush that showed it.

import type { CommandRecord, ContextRecord, ResourceRecord } from "../../feed.ts";
import { pastCommands } from "../command-history.ts";
import { isError } from "../command-text.ts";
import { ask } from "../store.ts";

export interface Pixel {
  readonly scanout: number;
  readonly x: number;
  readonly y: number;
}

export interface PixelStory {
  readonly resource: ResourceRecord;
  /** The same pixel in the resource; of a view whose beginning is not remembered, as if it began at 0, 0. */
  readonly x: number;
  readonly y: number;
  readonly isViewKnown: boolean;
  /** Null where none is remembered. */
  readonly transfer: CommandRecord | null;
  readonly flush: CommandRecord | null;
  /** Those that the resource is attached to: their streams may have drawn it, too. */
  readonly contexts: readonly ContextRecord[];
}

/** Some of the last may have been refused. */
const lastMax = 50;

/** Null where the scanout shows no resource. Throws where the server does not answer. */
export async function storyOf({ scanout, x, y }: Pixel): Promise<PixelStory | null> {
  const [resources, contexts, views] = await Promise.all([
    ask<ResourceRecord[]>("/api/resources"),
    ask<ContextRecord[]>("/api/contexts"),
    pastCommands(`scanout:${scanout} type:set_scanout`, lastMax),
  ]);
  const resource = resources.find(({ scanouts }) => scanouts.includes(scanout));
  if (resource === undefined) return null;
  const { id, createdNs } = resource;
  const view = views.findLast((command) => !isError(command));
  const isViewKnown = view?.fields["resourceId"] === id;
  const [left, top] = isViewKnown ? [Number(view!.fields["x"]), Number(view!.fields["y"])] : [0, 0];
  const last = async (type: string): Promise<CommandRecord | null> => {
    const found = await pastCommands(`res:${id} at:${x + left},${y + top} type:${type}`, lastMax);
    // An id may have been another resource's before.
    const isIts = (one: CommandRecord): boolean => !isError(one) && one.takenNs >= createdNs;
    return found.findLast((one) => isIts(one) && one.completedNs > 0) ?? null;
  };
  const [transfer, flush] = await Promise.all([last("transfer_to_host"), last("resource_flush")]);
  return {
    ...{ resource, x: x + left, y: y + top, isViewKnown, transfer, flush },
    contexts: contexts.filter((one) => resource.contexts.includes(one.id)),
  };
}
