// Makes again what a predecessor's journal says that the guest has. What was the renderer's is lost with it: contexts take no more
// work, their pictures are blank until something is drawn there. Pixels of 2D resources are those of a snapshot, or, without one, are read
// from the guest's own pages.

import {
  BlobMem,
  bytesPerPixel,
  Command,
  CreateBlob,
  CtxCreate,
  Header,
  Response,
  SetScanout,
} from "../../transport/wire/virtio-gpu/protocol.ts";
import type { QueueRunner } from "../queue/queue-runner.ts";
import type { Commands } from "./commands/table.ts";
import type { Command as Run } from "./commands/parts.ts";
import type { KeptPixels } from "./journal/snapshot-file.ts";
import type { KeptContext, KeptResource } from "./journal/kept-commands.ts";
import { contextName, type KeptState } from "./journal/kept-state.ts";
import { KeptWord } from "./manifest.ts";
import type { Model } from "./model/model.ts";
import type { DisplayOutbox } from "./outlets/display-outbox.ts";
import { CpuPixels } from "./pixels/cpu-pixels.ts";
import type { Backing } from "./renderer/backing.ts";

export interface RestoreParts {
  queue: QueueRunner;
  model: Model;
  outbox: DisplayOutbox;
  commands: Commands;
  /** Runs a request, whatever it is fenced with. */
  run: Run;
  keep: Int32Array;
}

/** What has become of it, in numbers of each. */
export interface Restored {
  resources: number;
  /** That were made and are not there again. */
  left: number;
  /** Names of contexts, or their numbers where they have none. */
  contexts: string[];
}

/** Names in one line of the log. */
const namesMax = 8;

/** What has become of it, in words. */
export function restoredText({ resources, left, contexts }: Restored): string {
  const without = left === 0 ? "" : `, ${left} could not be`;
  const lost =
    contexts.length === 0 ? "" : `; 3D contexts are lost: ${contexts.slice(0, namesMax).join(", ")}`;
  const more = contexts.length > namesMax ? ` and ${contexts.length - namesMax} more` : "";
  return `${resources} resources are there again${without}${lost}${more}`;
}

/** Pixels that are read before the guest goes on: so many pictures, and bytes of them. */
const picturesMax = 1024;
const bytesMax = 256 * 1024 * 1024;

/** Nobody has died of any resource. */
export function acquit(keep: Int32Array): void {
  keep[KeptWord.trying] = 0;
  keep[KeptWord.restoring] = 0;
  keep[KeptWord.suspect] = 0;
}

export class Restore {
  private readonly restored: Restored = { resources: 0, left: 0, contexts: [] };
  private picturesRead = 0;
  private bytesRead = 0;

  constructor(
    private readonly parts: RestoreParts,
    private readonly state: KeptState,
    /** Of a snapshot, which has all that are not blank; null where there is none. */
    private readonly pixels: ReadonlyMap<number, KeptPixels> | null,
  ) {}

  run(): Restored {
    const { queue, outbox, keep } = this.parts;
    const { features, contexts, resources, scanouts } = this.state;
    queue.features = features;
    for (const [id, context] of contexts) this.context(id, context);
    for (const [id, resource] of resources) {
      this.about(id);
      this.resource(id, resource);
    }
    for (const { attached } of contexts.values()) {
      for (const [id, request] of attached) {
        this.about(id);
        this.again(request);
      }
    }
    scanouts.forEach((request, scanout) => {
      // The display may not have heard of it.
      if (request === null) return outbox.hide(scanout);
      const id = request[SetScanout.resourceId / 4]!;
      this.about(id);
      if (!this.again(request)) return outbox.hide(scanout);
      const shown = resources.get(id);
      // What the display shows of it is more than there is.
      if (shown?.create[0] === Command.RESOURCE_CREATE_3D) outbox.awaitFlush(scanout);
    });
    acquit(keep);
    return this.restored;
  }

  /** What comes now is for this resource, of which one may die. */
  private about(id: number): void {
    const { keep } = this.parts;
    keep[KeptWord.trying] = 0;
    keep[KeptWord.restoring] = id;
    if (id === keep[KeptWord.suspect]! >>> 0) keep[KeptWord.trying] = 1;
  }

  private context(id: number, { create }: KeptContext): void {
    const name = contextName(create);
    if (!this.parts.commands.contexts.restoreLost(id, name, create[CtxCreate.contextInit / 4]!)) return;
    this.restored.contexts.push(name === "" ? String(id) : name);
  }

  private resource(id: number, { create, isBare, backing, uuid }: KeptResource): void {
    if (!this.create(create)) {
      this.restored.left++;
      return;
    }
    this.restored.resources++;
    const { resources } = this.parts.model;
    const resource = resources.get(id)!;
    if (isBare && resource.backing !== null) this.parts.commands.resources.detach(resource);
    if (backing !== null) this.again(backing);
    if (uuid !== null) resources.restoreUuid(resource, uuid.subarray(1));
    const { width, height, pixels } = resource;
    if (!(pixels instanceof CpuPixels)) return;
    const kept = this.pixels?.get(id);
    if (kept?.width === width && kept.height === height) pixels.put(kept.words);
    else if (this.pixels === null && resource.backing !== null && resource.backing.length > 0)
      this.read(pixels, resource.backing, width, height);
  }

  /** At once while it is little; of many more nobody may have put anything into most, and the guest waits. */
  private read(pixels: CpuPixels, backing: Backing, width: number, height: number): void {
    this.picturesRead++;
    this.bytesRead += width * height * bytesPerPixel;
    if (this.picturesRead > picturesMax || this.bytesRead > bytesMax) pixels.isIn(backing);
    else pixels.transfer(backing, 0, 0, width, height, 0);
  }

  private create(request: Uint32Array): boolean {
    const isHosts =
      request[Header.type / 4] === Command.RESOURCE_CREATE_BLOB &&
      request[CreateBlob.blobMem / 4] !== BlobMem.GUEST;
    return isHosts
      ? this.again(request, (one) => this.parts.commands.blobs.restoreLost(one))
      : this.again(request);
  }

  /** Runs a request as if it came from the ring; returns whether it was granted. */
  private again(words: Uint32Array, run: Run = this.parts.run): boolean {
    const { request } = this.parts.queue;
    // Longer than any that was run: somebody else has written it.
    if (words.length > request.words.length) return false;
    request.words.set(words);
    request.length = words.length * 4;
    return run(request) < Response.ERR_UNSPEC;
  }
}
