// All that the guest has made, for the inspector: plain data, and never more than a page can show.

import { formatName, scanoutsMax } from "../../transport/wire/virtio-gpu/protocol.ts";
import { commandName } from "./commands/table.ts";
import type { Model } from "./model/model.ts";
import type { BlobLayout } from "./pixels/blobs/layout.ts";
import { BlobPixels } from "./pixels/blobs/blob-pixels.ts";
import type { Resource } from "./model/resources.ts";

/** Of each kind: to tell of one costs the queue about a microsecond. */
const countMax = 4096;

/** The answer to the question with that token. */
export function describeInventory(model: Model, token: number) {
  const contexts = [...model.contexts.all()].slice(0, countMax);
  const holders = new Map<number, number[]>();
  for (const { id, attachments } of contexts) {
    for (const resource of attachments.keys()) {
      const known = holders.get(resource);
      if (known === undefined) holders.set(resource, [id]);
      else known.push(id);
    }
  }
  const resources = [...model.resources.all()].slice(0, countMax);
  return {
    type: "inventory" as const,
    token,
    resources: resources.map((one) => describeResource(model, one, holders.get(one.id) ?? [])),
    contexts: contexts.map((one) => ({
      id: one.id,
      state: model.lifecycles.context.nameOf(one),
      resources: one.attachments.size,
      process: model.renderer.processOf(one.id),
    })),
    fences: model.fences.describe(countMax).map(({ command, ...fence }) => ({
      ...fence,
      type: commandName(command as number),
    })),
  };
}

function describeResource({ lifecycles }: Model, resource: Resource, contexts: number[]) {
  const { id, pixels, backing, uuid, blob } = resource;
  // Of a blob the layout that it was shown in last says what it looks like.
  const view = pixels instanceof BlobPixels ? pixels.views.at(-1) : undefined;
  const { width, height, format, pixels: shown } = view ?? resource;
  const all = Array.from({ length: scanoutsMax }, (_, scanout) => scanout);
  return {
    ...{ id, state: lifecycles.resource.nameOf(resource), width, height },
    format: formatName(format) ?? (format === 0 ? "" : String(format)),
    blob: blob === null ? "" : `${blob.size} bytes${view === undefined ? "" : layoutText(view.layout)}`,
    bytes: pixels.bytesTaken,
    backingBytes: backing?.length ?? 0,
    backingRuns: backing?.runCount ?? 0,
    scanouts: all.filter((scanout) => (resource.scanouts & (1 << scanout)) !== 0),
    surface: shown.surface,
    uuid,
    contexts,
  };
}

const layoutText = ({ stride, offset }: BlobLayout): string =>
  `, rows of ${stride} bytes from byte ${offset}`;
