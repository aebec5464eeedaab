// What virtio 1.3 §5.7.6 says of a guest's commands: a table of what there is, the answer that each command earns, and the
// pixels that come of it. It shares nothing with the device but the numbers of the wire.
//
// Where the specification leaves open which error it is, this has the device's choice.

import type { Rectangle } from "../../lab/driver/commands.ts";
import { ENOMEM, EINVAL } from "../../src/ffi/libc.ts";
import { Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import type { BlobLayout } from "../../lab/driver/commands-blob.ts";
import type { GuestMemory, GuestRange } from "../../lab/driver/guest-memory.ts";
import {
  bytesOf,
  coloursOf,
  contains,
  fits,
  isEmpty,
  isFormat,
  type ModelContext,
  type ModelCursor,
  type ModelResource,
  type ModelScanout,
} from "./model-parts.ts";

export const scanoutCount = 16;
export const cursorPixels = 64;

/** More than the device has for all resources together. */
const bytesMax = 2 ** 30;

export interface Shape {
  format: number;
  width: number;
  height: number;
}

/** `offset` and `stride` of the backing, in bytes; stride 0: the resource's own. */
export interface Transfer {
  rect: Rectangle;
  offset: number;
  stride: number;
}

export interface CursorCommand {
  scanout: number;
  x: number;
  y: number;
  resource: number;
  hotX: number;
  hotY: number;
}

/** Deaths in contexts of one name, after which no more of them are made. */
const deathsMax = 3;

const { ERR_UNSPEC, ERR_INVALID_PARAMETER, ERR_INVALID_CONTEXT_ID, ERR_INVALID_RESOURCE_ID } = Response;
const { ERR_INVALID_SCANOUT_ID, ERR_OUT_OF_MEMORY, OK_NODATA } = Response;

export class Model {
  readonly resources = new Map<number, ModelResource>();
  readonly contexts = new Map<number, ModelContext>();
  readonly scanouts: (ModelScanout | null)[] = Array.from({ length: scanoutCount }, () => null);
  readonly cursors: ModelCursor[] = Array.from({ length: scanoutCount }, () => ({
    x: 0,
    y: 0,
    hotX: 0,
    hotY: 0,
    isVisible: false,
    image: null,
    others: [],
    isKnown: true,
  }));
  /** How often somebody has died in contexts of each name. */
  private readonly deaths = new Map<string, number>();

  constructor(private readonly memory: GuestMemory) {}

  clone(): Model {
    const copy = new Model(this.memory);
    for (const [id, resource] of this.resources)
      copy.resources.set(id, { ...resource, pixels: resource.pixels.slice() });
    for (const [id, context] of this.contexts)
      copy.contexts.set(id, { ...context, attached: new Set(context.attached) });
    this.scanouts.forEach((shown, scanout) => (copy.scanouts[scanout] = shown));
    this.cursors.forEach((cursor, scanout) => Object.assign(copy.cursors[scanout]!, cursor));
    for (const [name, count] of this.deaths) copy.deaths.set(name, count);
    return copy;
  }

  /** Somebody has died in a context. */
  blame(contextId: number): void {
    const name = this.contexts.get(contextId)?.name;
    if (name !== undefined) this.deaths.set(name, (this.deaths.get(name) ?? 0) + 1);
  }

  /** Whether a snapshot can have all that there is. */
  get isSavable(): boolean {
    const isRenderers = ({ kind }: ModelResource): boolean => kind === "3d" || kind === "host";
    return this.contexts.size === 0 && ![...this.resources.values()].some(isRenderers);
  }

  /** All of it is in a device of another session, whose renderer knows nothing of it. */
  moved(): number {
    for (const resource of this.resources.values()) if (resource.kind === "2d") resource.isRendered = false;
    return 0;
  }

  /** What was `deadly` to those who made it again is not there. */
  leaveOut(deadly: readonly number[]): number {
    for (const id of deadly) this.unref(id);
    return 0;
  }

  /**
   * What was in a process is made again by another one: pixels are those of the guest's own pages, contexts take no more work, and
   * what was `deadly` to others is not there.
   */
  takenOver(deadly: readonly number[]): number {
    this.leaveOut(deadly);
    for (const context of this.contexts.values()) context.isLost = true;
    for (const resource of this.resources.values()) {
      const { id, kind, width, height, pixels, backing } = resource;
      pixels.fill(0);
      if (kind === "host") {
        resource.isLost = true;
        this.hide(id);
      }
      if (kind !== "2d") continue;
      resource.isRendered = false;
      if (backing !== null) this.copy(resource, { x: 0, y: 0, width, height }, 0);
      resource.isRendered = [...this.contexts.values()].some(({ attached }) => attached.has(id));
    }
    return 0;
  }

  /** `errno`: what the renderer says, which is asked in 3D. */
  create(kind: "2d" | "3d", id: number, shape: Shape, errno = 0): number {
    const { format, width, height } = shape;
    if (id === 0 || this.resources.has(id)) return ERR_INVALID_RESOURCE_ID;
    if (!isFormat(format) || width === 0 || height === 0) return ERR_INVALID_PARAMETER;
    if (width * height * 4 > bytesMax) return ERR_OUT_OF_MEMORY;
    if (errno !== 0) return codeOf(errno);
    const pixels = new Uint32Array(width * height);
    const isRendered = kind === "3d";
    const state = { backing: null, isRendered, isLost: false };
    this.resources.set(id, { id, kind, ...shape, size: 0, pixels, ...state });
    return OK_NODATA;
  }

  /** A blob of the guest's own pages. `isSound`: as of {@link attachBacking}, and all else is something. */
  createBlob(id: number, size: number, backing: readonly GuestRange[], isSound: boolean): number {
    if (id === 0 || this.resources.has(id)) return ERR_INVALID_RESOURCE_ID;
    if (!isSound || size === 0 || bytesOf(backing) < size) return ERR_INVALID_PARAMETER;
    const nothing = { format: 0, width: 0, height: 0, pixels: new Uint32Array(0) };
    const state = { backing, isRendered: false, isLost: false };
    this.resources.set(id, { id, kind: "blob", ...nothing, size, ...state });
    return OK_NODATA;
  }

  /** A blob of a context's, whose memory is the host's. `isSound`: whether all but the context makes sense. */
  createHostBlob(contextId: number, id: number, size: number, isSound: boolean): number {
    if (id === 0 || this.resources.has(id)) return ERR_INVALID_RESOURCE_ID;
    if (size === 0) return ERR_INVALID_PARAMETER;
    const context = this.contexts.get(contextId);
    if (context === undefined) return ERR_INVALID_CONTEXT_ID;
    if (context.isLost) return ERR_UNSPEC;
    if (!isSound) return ERR_INVALID_PARAMETER;
    const nothing = { format: 0, width: 0, height: 0, pixels: new Uint32Array(0), backing: null };
    this.resources.set(id, { id, kind: "host", ...nothing, size, isRendered: false, isLost: false });
    return OK_NODATA;
  }

  unref(id: number): number {
    if (!this.resources.delete(id)) return ERR_INVALID_RESOURCE_ID;
    this.hide(id);
    for (const { attached } of this.contexts.values()) attached.delete(id);
    return OK_NODATA;
  }

  /** `isSound`: whether all entries are guest memory, and all are there. */
  attachBacking(id: number, ranges: readonly GuestRange[], isSound: boolean): number {
    const resource = this.resources.get(id);
    if (resource === undefined) return ERR_INVALID_RESOURCE_ID;
    if (resource.kind === "host") return ERR_INVALID_PARAMETER;
    if (resource.backing !== null) return ERR_UNSPEC;
    if (!isSound || bytesOf(ranges) < resource.size) return ERR_INVALID_PARAMETER;
    resource.backing = ranges;
    return OK_NODATA;
  }

  detachBacking(id: number): number {
    const resource = this.resources.get(id);
    if (resource === undefined) return ERR_INVALID_RESOURCE_ID;
    if (resource.kind === "host") return ERR_INVALID_PARAMETER;
    if (resource.backing === null) return ERR_UNSPEC;
    if (resource.kind === "blob") this.hide(id);
    resource.backing = null;
    return OK_NODATA;
  }

  transfer(id: number, rect: Rectangle, offset: number): number {
    const resource = this.resources.get(id);
    if (resource === undefined) return ERR_INVALID_RESOURCE_ID;
    if (resource.kind === "host") return ERR_INVALID_PARAMETER;
    if (resource.backing === null) return ERR_UNSPEC;
    // There is nothing to copy.
    if (resource.kind === "blob") return OK_NODATA;
    if (!contains(resource, rect)) return ERR_INVALID_PARAMETER;
    if (isEmpty(rect)) return OK_NODATA;
    if (resource.backing.length === 0) return ERR_UNSPEC;
    this.copy(resource, rect, offset);
    return OK_NODATA;
  }

  /** Between the renderer and the backing, where rows are `stride` apart; what that is written is not of the model. */
  transfer3d(toHost: boolean, contextId: number, id: number, what: Transfer, errno = 0): number {
    const { rect, offset, stride } = what;
    const context = this.contexts.get(contextId);
    if (contextId !== 0 && context === undefined) return ERR_INVALID_CONTEXT_ID;
    if (context?.isLost === true) return ERR_UNSPEC;
    const resource = this.resources.get(id);
    if (resource === undefined || context?.attached.has(id) === false) return ERR_INVALID_RESOURCE_ID;
    if (!resource.isRendered || resource.kind === "blob") return ERR_INVALID_PARAMETER;
    if (resource.backing === null) return ERR_UNSPEC;
    if (errno !== 0) return codeOf(errno);
    const step = stride === 0 ? resource.width * 4 : stride;
    if (!contains(resource, rect)) return ERR_INVALID_PARAMETER;
    if (isEmpty(rect)) return OK_NODATA;
    const isSound = step >= rect.width * 4 && (rect.height === 1 || step % 4 === 0);
    const span = step * (rect.height - 1) + rect.width * 4;
    if (!isSound || offset + span > bytesOf(resource.backing)) return ERR_INVALID_PARAMETER;
    if (toHost) this.copy(resource, rect, offset, step);
    return OK_NODATA;
  }

  setScanout(scanout: number, id: number, rect: Rectangle): number {
    if (scanout >= scanoutCount) return ERR_INVALID_SCANOUT_ID;
    if (id === 0) {
      this.scanouts[scanout] = null;
      return OK_NODATA;
    }
    const resource = this.resources.get(id);
    if (resource === undefined) return ERR_INVALID_RESOURCE_ID;
    if (isEmpty(rect) || !contains(resource, rect)) return ERR_INVALID_PARAMETER;
    this.scanouts[scanout] = { resource: id, rect, layout: null };
    return OK_NODATA;
  }

  setScanoutBlob(scanout: number, id: number, rect: Rectangle, layout: BlobLayout): number {
    if (scanout >= scanoutCount) return ERR_INVALID_SCANOUT_ID;
    if (id === 0) {
      this.scanouts[scanout] = null;
      return OK_NODATA;
    }
    const resource = this.resources.get(id);
    if (resource === undefined) return ERR_INVALID_RESOURCE_ID;
    const { kind, backing, isLost } = resource;
    if (kind !== "blob" && kind !== "host") return ERR_INVALID_PARAMETER;
    if (kind === "blob" && backing === null) return ERR_UNSPEC;
    const isSound = fits(layout, resource.size) && !isEmpty(rect) && contains(layout, rect);
    if (!isSound) return ERR_INVALID_PARAMETER;
    if (isLost) return ERR_UNSPEC;
    this.scanouts[scanout] = { resource: id, rect, layout };
    return OK_NODATA;
  }

  flush(id: number, rect: Rectangle): number {
    const resource = this.resources.get(id);
    if (resource === undefined) return ERR_INVALID_RESOURCE_ID;
    if (resource.kind === "host") return OK_NODATA;
    if (resource.kind === "blob") return resource.backing === null ? ERR_UNSPEC : OK_NODATA;
    return contains(resource, rect) ? OK_NODATA : ERR_INVALID_PARAMETER;
  }

  createContext(id: number, name: string, errno = 0): number {
    if (id === 0 || this.contexts.has(id)) return ERR_INVALID_CONTEXT_ID;
    if ((this.deaths.get(name) ?? 0) >= deathsMax) return ERR_UNSPEC;
    if (errno !== 0) return ERR_OUT_OF_MEMORY;
    this.contexts.set(id, { name, attached: new Set(), isLost: false });
    return OK_NODATA;
  }

  destroyContext(id: number): number {
    return this.contexts.delete(id) ? OK_NODATA : ERR_INVALID_CONTEXT_ID;
  }

  attach(contextId: number, id: number): number {
    const context = this.contexts.get(contextId);
    if (context === undefined) return ERR_INVALID_CONTEXT_ID;
    const resource = this.resources.get(id);
    if (resource === undefined) return ERR_INVALID_RESOURCE_ID;
    if (resource.kind === "2d") resource.isRendered = true;
    context.attached.add(id);
    return OK_NODATA;
  }

  detach(contextId: number, id: number): number {
    const context = this.contexts.get(contextId);
    if (context === undefined) return ERR_INVALID_CONTEXT_ID;
    return context.attached.delete(id) ? OK_NODATA : ERR_INVALID_RESOURCE_ID;
  }

  /** `isSound`: whether the stream is as long as it says. `errno`: what the renderer says without a look at it. */
  submit(contextId: number, isSound: boolean, errno = 0): number {
    const context = this.contexts.get(contextId);
    if (context === undefined) return ERR_INVALID_CONTEXT_ID;
    if (context.isLost) return ERR_UNSPEC;
    const error = errno !== 0 || isSound ? errno : EINVAL;
    if (error === EINVAL) context.isLost = true;
    return error === 0 ? OK_NODATA : codeOf(error);
  }

  updateCursor({ scanout, x, y, resource: id, hotX, hotY }: CursorCommand): number {
    const cursor = this.cursors[scanout];
    if (cursor === undefined) return ERR_INVALID_SCANOUT_ID;
    if (id === 0) {
      cursor.isVisible = false;
      return OK_NODATA;
    }
    const resource = this.resources.get(id);
    const image = resource === undefined ? null : this.cursorImage(resource);
    cursor.isKnown = image !== null;
    if (resource === undefined) return ERR_INVALID_RESOURCE_ID;
    if (image !== null) Object.assign(cursor, { x, y, hotX, hotY, isVisible: true, image, others: [] });
    else return this.noCursorOf(resource);
    return OK_NODATA;
  }

  moveCursor({ scanout, x, y, resource }: CursorCommand): number {
    const cursor = this.cursors[scanout];
    if (cursor === undefined) return ERR_INVALID_SCANOUT_ID;
    if (resource === 0) cursor.isVisible = false;
    else Object.assign(cursor, { x, y, isVisible: cursor.image !== null });
    return OK_NODATA;
  }

  /** What a scanout shows, 0x00RRGGBB row by row; null where it is off. */
  picture(scanout: number): { width: number; height: number; pixels: Uint32Array } | null {
    const shown = this.scanouts[scanout];
    if (shown === null || shown === undefined) return null;
    const resource = this.resources.get(shown.resource)!;
    const { rect, layout } = shown;
    const { x, y, width, height } = rect;
    const all = layout === null ? resource.pixels : new Uint32Array(this.pagesOf(resource).buffer);
    const stride = layout === null ? resource.width : layout.strides[0]! / 4;
    const first = (layout?.offsets?.[0] ?? 0) / 4;
    const words = new Uint32Array(width * height);
    for (let row = 0; row < height; row++) {
      const from = first + (y + row) * stride + x;
      words.set(all.subarray(from, from + width), row * width);
    }
    return { width, height, pixels: coloursOf(words, layout?.format ?? resource.format) };
  }

  /** Null where it is none. */
  private cursorImage(resource: ModelResource): Uint32Array | null {
    const { kind, width, height, size, backing, format, isLost } = resource;
    const bytes = cursorPixels * cursorPixels * 4;
    if (kind === "host") return size < bytes || isLost ? null : new Uint32Array(bytes / 4);
    if (kind === "blob") {
      if (backing === null || size < bytes) return null;
      return new Uint32Array(this.pagesOf(resource).buffer, 0, bytes / 4).map((word) => word & 0xff_ffff);
    }
    if (width !== cursorPixels || height !== cursorPixels) return null;
    return coloursOf(resource.pixels, format);
  }

  /** What is answered where {@link cursorImage} is null: a picture of another size changes nothing. */
  private noCursorOf({ kind, size, backing }: ModelResource): number {
    if (kind === "2d" || kind === "3d") return OK_NODATA;
    if (kind === "blob" && backing === null) return ERR_UNSPEC;
    return size < cursorPixels * cursorPixels * 4 ? ERR_INVALID_PARAMETER : ERR_OUT_OF_MEMORY;
  }

  /** A copy of what its backing holds, in whole words. */
  private pagesOf({ backing, size }: ModelResource): Uint8Array<ArrayBuffer> {
    const bytes = backing === null ? new Uint8Array(size) : this.memory.gather(backing);
    const whole = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
    whole.set(bytes);
    return whole;
  }

  private hide(id: number): void {
    this.scanouts.forEach((shown, index) => {
      if (shown?.resource === id) this.scanouts[index] = null;
    });
  }

  /** What the backing holds of a rectangle of pixels, whose first is at `offset` there, with rows `step` apart. */
  private copy(resource: ModelResource, rect: Rectangle, offset: number, step = resource.width * 4): void {
    const { width, pixels, backing, isRendered } = resource;
    const bytes = this.memory.gather(backing!);
    // The renderer copies whole pixels.
    const source = isRendered ? bytes.subarray(0, bytes.length & ~3) : bytes;
    const target = new Uint8Array(pixels.buffer);
    for (let row = 0; row < rect.height; row++) {
      const from = offset + row * step;
      const held = source.subarray(from, from + rect.width * 4);
      target.set(held, ((rect.y + row) * width + rect.x) * 4);
    }
  }
}

/** What an errno of the renderer is to a guest. */
function codeOf(errno: number): number {
  if (errno === ENOMEM) return ERR_OUT_OF_MEMORY;
  return errno === EINVAL ? ERR_INVALID_PARAMETER : ERR_UNSPEC;
}
