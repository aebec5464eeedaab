// Which commands made a pixel of a scanout or of a resource: the last transfer or stream that wrote there, the last flush that
// showed it, and the frames that brought it to the sinks.

import type { CommandRecord, ContextRecord, PictureRecord, ResourceRecord } from "../../feed.ts";
import { pastCommands } from "../command-history.ts";
import { isError } from "../command-text.ts";
import { recordedPixel } from "../replay.ts";
import { ask } from "../store.ts";
import type { RecordedPixel } from "../../../../transport/wire/replay/messages.ts";

export interface Place {
  readonly x: number;
  readonly y: number;
}

export interface Pixel extends Place {
  readonly scanout: number;
}

export interface PixelStory extends Place {
  readonly resource: ResourceRecord;
  /** Of a scanout whose view is not remembered it is as if that began at 0, 0. */
  readonly isViewKnown: boolean;
  /** Null where none is remembered. */
  readonly writer: CommandRecord | null;
  readonly flush: CommandRecord | null;
  /** The newest flush that a sink has begun to draw: there may be newer ones on their way. */
  readonly drawn: CommandRecord | null;
  /** The first of each sink with that: its beginning, and when the other side had it, if it has. */
  readonly frames: readonly { begun: PictureRecord; shown: PictureRecord | undefined }[];
  /** What the recording says of it, where the page is of one that knows. */
  readonly recorded: RecordedPixel | null;
  /** Those that the resource is attached to. */
  readonly contexts: readonly ContextRecord[];
}

/** Some of the last may have been refused. */
const lastMax = 50;
/** Flushes that sinks may have yet to draw. */
const underWayMax = 4;

/** Null where the scanout shows no resource. Throws where the server does not answer. */
export async function storyOf({ scanout, x, y }: Pixel): Promise<PixelStory | null> {
  const [resources, views, recorded] = await Promise.all([
    ask<ResourceRecord[]>("/api/resources"),
    pastCommands(`scanout:${scanout} type:set_scanout`, lastMax),
    recordedPixel({ scanout, x, y }),
  ]);
  const resource = resources.find(({ scanouts }) => scanouts.includes(scanout));
  if (resource === undefined) return null;
  if (recorded?.resource === resource.id) {
    return { ...(await madeOf(resource, recorded)), recorded, isViewKnown: true };
  }
  const view = views.findLast((command) => !isError(command));
  const isViewKnown = view?.fields["resourceId"] === resource.id;
  const [left, top] = isViewKnown ? [Number(view!.fields["x"]), Number(view!.fields["y"])] : [0, 0];
  return { ...(await madeOf(resource, { x: x + left, y: y + top })), recorded: null, isViewKnown };
}

/** Null where the resource is gone. */
export async function storyIn(id: number, place: Place): Promise<PixelStory | null> {
  const [resources, recorded] = await Promise.all([
    ask<ResourceRecord[]>("/api/resources"),
    recordedPixel({ res: id, ...place }),
  ]);
  const resource = resources.find((one) => one.id === id);
  return resource === undefined ? null : { ...(await madeOf(resource, place)), recorded, isViewKnown: true };
}

async function madeOf(
  resource: ResourceRecord,
  { x, y }: Place,
): Promise<Omit<PixelStory, "isViewKnown" | "recorded">> {
  const { id, createdNs } = resource;
  /** The newest first. */
  const past = async (type: string): Promise<CommandRecord[]> => {
    const found = await pastCommands(`res:${id} at:${x},${y} type:${type}`, lastMax);
    return found.filter((one) => one.takenNs >= createdNs && hasDone(one, id, { x, y })).toReversed();
  };
  const [[transfer], [stream], flushes, contexts] = await Promise.all([
    ...[past("transfer_to_host"), past("submit_3d"), past("resource_flush")],
    ask<ContextRecord[]>("/api/contexts"),
  ] as const);
  const writer = ((stream?.takenNs ?? 0) > (transfer?.takenNs ?? 0) ? stream : transfer) ?? null;
  return {
    ...{ resource, x, y, writer, flush: flushes[0] ?? null, ...(await drawnOf(flushes, resource)) },
    contexts: contexts.filter((one) => resource.contexts.includes(one.id)),
  };
}

/** Whether a command that names resource and pixel, or whose stream may have written to them, has run, and did both in one. */
function hasDone(command: CommandRecord, id: number, { x, y }: Place): boolean {
  const { fields, writes, completedNs, parkedNs } = command;
  if (isError(command) || (completedNs === 0 && parkedNs === 0)) return false;
  // What is copied to another level is no part of the picture.
  if (fields["resourceId"] === id) return (fields["level"] ?? 0) === 0;
  return writes.some(
    (one) =>
      one.resource === id && x >= one.x && x < one.x + one.width && y >= one.y && y < one.y + one.height,
  );
}

async function drawnOf(
  flushes: readonly CommandRecord[],
  resource: ResourceRecord,
): Promise<Pick<PixelStory, "drawn" | "frames">> {
  for (const flush of flushes.slice(0, underWayMax)) {
    const frames = await framesOf(flush, resource);
    if (frames.length > 0) return { drawn: flush, frames };
  }
  return { drawn: null, frames: [] };
}

async function framesOf(flush: CommandRecord, { scanouts }: ResourceRecord): Promise<PixelStory["frames"]> {
  const all = await ask<PictureRecord[]>(`/api/pictures?${new URLSearchParams({ of: flush.id })}`);
  const own = all.filter(({ scanout }) => scanouts.includes(scanout));
  return own
    .filter(({ what }) => what === "frame-begun")
    .map((begun) => ({
      begun,
      shown: own.find(
        ({ what, sink, scanout }) =>
          what === "frame-shown" && sink === begun.sink && scanout === begun.scanout,
      ),
    }));
}
