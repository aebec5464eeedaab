// What a recording says that the device holds: its resources with the pixels that CPUs wrote, scanouts, cursors and contexts.
// Nothing is run for it, so that it knows nothing of what a renderer draws.

import type { Entry } from "../transport/wire/record/entries.ts";
import {
  AttachBacking,
  BlobMem,
  Command,
  CreateBlob,
  CtxResource,
  Cursor,
  DetachBacking,
  Header,
  ResourceCreate2d,
  ResourceCreate3d,
  ResourceFlush,
  ResourceUnref,
  scanoutsMax,
  SetScanout,
  SetScanoutBlob,
  Transfer3d,
  TransferToHost2d,
} from "../transport/wire/virtio-gpu/protocol.ts";
import { type RecordedLayout, RecordedResource, type Run, runsOf } from "./recorded-resource.ts";
import { type CommandStep, hasEffect, isAccepted, type Step } from "./steps.ts";

export interface RecordedScanout {
  resource: number;
  x: number;
  y: number;
  width: number;
  height: number;
  /** How it is read, where it is a blob. */
  layout?: RecordedLayout;
}

export interface RecordedCursor {
  x: number;
  y: number;
  hotX: number;
  hotY: number;
  /** 64 × 64 pixels, bytes B, G, R, A; null where they are not known. */
  image: Uint8Array | null;
  isVisible: boolean;
}

/** The u32 at an offset of a request. */
type Word = (offset: number) => number;
type Effect = (word: Word, step: CommandStep) => void;

/** Flags of a keyframe's resource. */
const isRenderedFlag = 1;
/** Pixels are kept for so many bytes of resources; what is beyond counts as rendered. */
const pixelBytesMax = 2 ** 30;

export class DeviceState {
  readonly resources = new Map<number, RecordedResource>();
  readonly scanouts: (RecordedScanout | null)[] = Array.from({ length: scanoutsMax }, () => null);
  readonly cursors: (RecordedCursor | null)[] = Array.from({ length: scanoutsMax }, () => null);
  /** Contexts, and the resources that they have. */
  readonly contexts = new Map<number, Set<RecordedResource>>();
  memory: readonly Run[] = [];
  /** Bits 0 to 23 of what the driver negotiated. */
  features = 0;
  /** Contexts whose making was not recorded. */
  private unknownContexts = 0;
  private readonly budget = { left: pixelBytesMax };

  /** Whether all that a scanout may show is known: a recording may begin here. */
  get isKnown(): boolean {
    if (this.contexts.size + this.unknownContexts > 0) return false;
    return this.resources.values().every(({ isRendered }) => !isRendered);
  }

  take(step: Step): void {
    switch (step.kind) {
      case "step":
        if (hasEffect(step)) this.run(step);
        return;
      case "reset":
        if (step.queue === 0) this.clear();
        else this.cursors.fill(null);
        return;
      case "ring":
        if (step.running === 1) this.features = step.features;
        return;
      case "memory":
        this.memory = runsOf(step.body);
        return;
      case "keyframe":
        this.clear();
        this.features = step.features;
        this.unknownContexts = step.contexts;
        return;
      default:
        this.takeState(step);
    }
  }

  /** Forgets what pixels are, and keeps how many. */
  blank(): void {
    for (const { pixels } of this.resources.values()) pixels?.fill(0);
    for (const cursor of this.cursors) if (cursor?.image) cursor.image = new Uint8Array(cursor.image.length);
  }

  private takeState(step: Step): void {
    switch (step.kind) {
      case "resource":
        this.create(step.id, step.format, step.width, step.height, (step.flags & isRenderedFlag) !== 0);
        return;
      case "backing":
        this.resources.get(step.resource)?.attach(runsOf(step.body));
        return;
      case "pixels":
        this.resources.get(step.resource)?.putRows(step.row, step.rows, step.body);
        return;
      case "scanout": {
        const { resource, x, y, width, height } = step;
        this.show(step.scanout, { resource, x, y, width, height });
        return;
      }
      case "cursor":
        this.keyframeCursor(step);
        return;
      case "blob":
        this.createBlob(step.id, step.mem, step.flags, step.sizeLow + step.sizeHigh * 2 ** 32);
        return;
      case "blobBytes":
        this.resources.get(step.resource)?.putBytes(step);
        return;
      case "blobScanout":
        this.showBlob(step);
        return;
      default:
    }
  }

  private run(step: CommandStep): void {
    const { body } = step.command;
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    // A request that was too short has earned an error.
    const word = (offset: number): number =>
      offset + 4 <= view.byteLength ? view.getUint32(offset, true) : 0;
    this.effects[word(Header.type)]?.(word, step);
  }

  /** What commands change. */
  private readonly effects: Readonly<Record<number, Effect>> = {
    [Command.RESOURCE_CREATE_2D]: (word) => {
      const { resourceId, format, width, height } = ResourceCreate2d;
      this.create(word(resourceId), word(format), word(width), word(height), false);
    },
    [Command.RESOURCE_CREATE_3D]: (word) => {
      const { resourceId, format, width, height } = ResourceCreate3d;
      this.create(word(resourceId), word(format), word(width), word(height), true);
    },
    [Command.RESOURCE_CREATE_BLOB]: (word, { command }) => {
      const id = word(CreateBlob.resourceId);
      const size = word(CreateBlob.size) + word(CreateBlob.size + 4) * 2 ** 32;
      this.createBlob(id, word(CreateBlob.blobMem), word(CreateBlob.blobFlags), size);
      this.resources.get(id)!.attach(runsOf(command.body.subarray(CreateBlob.bytes)));
    },
    [Command.RESOURCE_FLUSH]: (word, { bytes }) => {
      const resource = this.resources.get(word(ResourceFlush.resourceId));
      for (const piece of bytes) resource?.putBytes(piece);
    },
    [Command.RESOURCE_UNREF]: (word) => this.forget(word(ResourceUnref.resourceId)),
    [Command.RESOURCE_ATTACH_BACKING]: (word, { command }) => {
      const resource = this.resources.get(word(AttachBacking.resourceId));
      resource?.attach(runsOf(command.body.subarray(AttachBacking.bytes)));
    },
    [Command.RESOURCE_DETACH_BACKING]: (word) =>
      this.resources.get(word(DetachBacking.resourceId))?.attach(null),
    [Command.TRANSFER_TO_HOST_2D]: (word, step) => {
      const { resourceId, offset, x, y } = TransferToHost2d;
      const resource = this.resources.get(word(resourceId));
      if (resource?.blob) for (const piece of step.bytes) resource.putBytes(piece);
      if (resource?.blob) return;
      // How far a renderer has got with it nothing tells.
      if (!isAccepted(step) && resource?.isPromoted === true) resource.render();
      const from = word(offset) + word(offset + 4) * 2 ** 32;
      for (const piece of step.bytes) {
        const at = piece.offsetLow + piece.offsetHigh * 2 ** 32 - from;
        resource?.transfer(word(x), word(y), at, piece);
      }
    },
    [Command.SET_SCANOUT]: (word) => {
      const { scanoutId, resourceId, x, y, width, height } = SetScanout;
      const rect = { x: word(x), y: word(y), width: word(width), height: word(height) };
      this.show(word(scanoutId), { resource: word(resourceId), ...rect });
    },
    [Command.SET_SCANOUT_BLOB]: (word, { bytes }) => {
      const { scanoutId, resourceId, x, y, width, height } = SetScanoutBlob;
      const rect = { x: word(x), y: word(y), width: word(width), height: word(height) };
      const resource = this.resources.get(word(resourceId));
      for (const piece of bytes) resource?.putBytes(piece);
      const layout = {
        width: word(SetScanoutBlob.blobWidth),
        height: word(SetScanoutBlob.blobHeight),
        format: word(SetScanoutBlob.format),
        stride: word(SetScanoutBlob.stride),
        offset: word(SetScanoutBlob.offset),
      };
      this.show(word(scanoutId), { resource: word(resourceId), ...rect, layout });
    },
    [Command.CTX_CREATE]: (word) => this.contexts.set(word(Header.contextId), new Set()),
    [Command.CTX_DESTROY]: (word) => this.contexts.delete(word(Header.contextId)),
    [Command.CTX_ATTACH_RESOURCE]: (word) => {
      const resource = this.resources.get(word(CtxResource.resourceId));
      if (resource === undefined) return;
      resource.isPromoted = true;
      // Of a context whose making was not recorded nothing is known.
      const context = this.contexts.get(word(Header.contextId));
      if (context === undefined) resource.render();
      else context.add(resource);
    },
    [Command.CTX_DETACH_RESOURCE]: (word) => {
      const resource = this.resources.get(word(CtxResource.resourceId));
      if (resource !== undefined) this.contexts.get(word(Header.contextId))?.delete(resource);
    },
    [Command.SUBMIT_3D]: (word) => {
      for (const resource of this.contexts.get(word(Header.contextId)) ?? []) resource.render();
    },
    [Command.TRANSFER_TO_HOST_3D]: (word) => this.resources.get(word(Transfer3d.resourceId))?.render(),
    [Command.UPDATE_CURSOR]: (word) => this.updateCursor(word),
    [Command.MOVE_CURSOR]: (word) => {
      const cursor = this.cursors[word(Cursor.scanoutId)];
      if (cursor) Object.assign(cursor, { x: word(Cursor.x), y: word(Cursor.y) });
    },
  };

  private create(id: number, format: number, width: number, height: number, isRendered: boolean): void {
    this.resources.get(id)?.free();
    this.resources.set(id, new RecordedResource(id, format, width, height, isRendered, this.budget));
  }

  /** Of a guest's pages is known what was read of them; of a host's memory nothing. */
  private createBlob(id: number, mem: number, flags: number, size: number): void {
    if (mem !== BlobMem.GUEST) return this.create(id, 0, 0, 0, true);
    this.resources.get(id)?.free();
    const blob = { size, flags };
    this.resources.set(id, new RecordedResource(id, 0, 0, 0, false, this.budget, blob));
  }

  private forget(id: number): void {
    this.resources.get(id)?.free();
    this.resources.delete(id);
    this.scanouts.forEach((scanout, index) => {
      if (scanout?.resource === id) this.scanouts[index] = null;
    });
  }

  private show(scanout: number, shown: RecordedScanout): void {
    if (scanout < scanoutsMax) this.scanouts[scanout] = shown.resource === 0 ? null : shown;
  }

  private showBlob({ scanout, resource, x, y, width, height, body }: Entry<"blobScanout">): void {
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    const word = (at: number): number => (at * 4 + 4 <= body.length ? view.getUint32(at * 4, true) : 0);
    const layout = { width: word(0), height: word(1), format: word(2), stride: word(3), offset: word(4) };
    this.show(scanout, { resource, x, y, width, height, layout });
  }

  private updateCursor(word: Word): void {
    const scanout = word(Cursor.scanoutId);
    if (scanout >= scanoutsMax) return;
    const place = { x: word(Cursor.x), y: word(Cursor.y), hotX: word(Cursor.hotX), hotY: word(Cursor.hotY) };
    const resource = word(Cursor.resourceId);
    const image = this.resources.get(resource)?.cursorImage() ?? null;
    this.cursors[scanout] = { ...place, image, isVisible: resource !== 0 };
  }

  private keyframeCursor({ scanout, x, y, hotX, hotY, visible, body }: Entry<"cursor">): void {
    if (scanout >= scanoutsMax) return;
    const image = body.length > 0 ? body : null;
    this.cursors[scanout] = { x, y, hotX, hotY, image, isVisible: visible === 1 };
  }

  private clear(): void {
    for (const resource of this.resources.values()) resource.free();
    this.resources.clear();
    this.contexts.clear();
    this.scanouts.fill(null);
    this.cursors.fill(null);
    this.unknownContexts = 0;
  }
}
