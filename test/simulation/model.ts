// What virtio 1.3 §5.7.6 says of a guest's commands: a table of what there is, the answer that each command earns, and the
// pixels that come of it. It shares nothing with the device but the numbers of the wire.
//
// Where the specification leaves open which error it is, this has the device's choice.

import type { Rectangle } from "../../lab/driver/commands.ts";
import { Format, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import type { GuestMemory, GuestRange } from "../../lab/driver/guest-memory.ts";

export const scanoutCount = 16;
export const cursorPixels = 64;

export interface ModelResource {
  readonly id: number;
  readonly format: number;
  readonly width: number;
  readonly height: number;
  /** Words as the guest wrote them, row by row. */
  readonly pixels: Uint32Array;
  backing: readonly GuestRange[] | null;
  /** Whether its pixels are those that its backing has when there is first need of them: it was made again. */
  isOwed: boolean;
  /** Whether a context has had it: it lives in the renderer from then on. */
  isRendered: boolean;
}

interface ModelContext {
  readonly name: string;
  readonly attached: Set<number>;
  isLost: boolean;
}

interface ModelCursor {
  x: number;
  y: number;
  hotX: number;
  hotY: number;
  isVisible: boolean;
  image: Uint32Array | null;
  /** What it may be instead, where somebody died who was asked for it. */
  others: readonly Uint32Array[];
  /** Whether all of this is as the specification says; not after a mistake of the guest's. */
  isKnown: boolean;
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

/** Where the blue, green and red byte of a pixel lie in its word. */
const shifts = new Map<number, readonly [blue: number, green: number, red: number]>([
  [Format.B8G8R8A8, [0, 8, 16]],
  [Format.B8G8R8X8, [0, 8, 16]],
  [Format.A8R8G8B8, [24, 16, 8]],
  [Format.X8R8G8B8, [24, 16, 8]],
  [Format.R8G8B8A8, [16, 8, 0]],
  [Format.R8G8B8X8, [16, 8, 0]],
  [Format.A8B8G8R8, [8, 16, 24]],
  [Format.X8B8G8R8, [8, 16, 24]],
]);

export const formats = [...shifts.keys()];

const contains = ({ width, height }: ModelResource, rect: Rectangle): boolean =>
  rect.x + rect.width <= width && rect.y + rect.height <= height;

const isEmpty = ({ width, height }: Rectangle): boolean => width === 0 || height === 0;

const bytesOf = (ranges: readonly GuestRange[]): number =>
  ranges.reduce((sum, { length }) => sum + length, 0);

export class Model {
  readonly resources = new Map<number, ModelResource>();
  readonly contexts = new Map<number, ModelContext>();
  readonly scanouts: ({ resource: number; rect: Rectangle } | null)[] = Array.from(
    { length: scanoutCount },
    () => null,
  );
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

  /**
   * What was in a process is made again by another one: pixels are those of the guest's own pages, contexts take no more work, and
   * what was `deadly` to others is not there.
   */
  takenOver(deadly: readonly number[]): number {
    for (const id of deadly) this.unref(id);
    for (const context of this.contexts.values()) context.isLost = true;
    for (const resource of this.resources.values()) {
      const { id } = resource;
      resource.pixels.fill(0);
      resource.isRendered = false;
      resource.isOwed = resource.backing !== null;
      const isAttached = [...this.contexts.values()].some(({ attached }) => attached.has(id));
      if (isAttached || this.scanouts.some((shown) => shown?.resource === id)) this.need(resource);
      resource.isRendered = isAttached;
    }
    return 0;
  }

  create(id: number, format: number, width: number, height: number, bytesMax: number): number {
    if (id === 0 || this.resources.has(id)) return ERR_INVALID_RESOURCE_ID;
    if (!shifts.has(format) || width === 0 || height === 0) return ERR_INVALID_PARAMETER;
    if (width * height * 4 > bytesMax) return ERR_OUT_OF_MEMORY;
    const pixels = new Uint32Array(width * height);
    this.resources.set(id, {
      id,
      format,
      width,
      height,
      pixels,
      backing: null,
      isOwed: false,
      isRendered: false,
    });
    return OK_NODATA;
  }

  unref(id: number): number {
    if (!this.resources.delete(id)) return ERR_INVALID_RESOURCE_ID;
    this.scanouts.forEach((shown, index) => {
      if (shown?.resource === id) this.scanouts[index] = null;
    });
    for (const { attached } of this.contexts.values()) attached.delete(id);
    return OK_NODATA;
  }

  /** `isSound`: whether all entries are guest memory, and all are there. */
  attachBacking(id: number, ranges: readonly GuestRange[], isSound: boolean): number {
    const resource = this.resources.get(id);
    if (resource === undefined) return ERR_INVALID_RESOURCE_ID;
    if (resource.backing !== null) return ERR_UNSPEC;
    if (!isSound) return ERR_INVALID_PARAMETER;
    resource.backing = ranges;
    return OK_NODATA;
  }

  detachBacking(id: number): number {
    const resource = this.resources.get(id);
    if (resource === undefined) return ERR_INVALID_RESOURCE_ID;
    if (resource.backing === null) return ERR_UNSPEC;
    this.need(resource);
    resource.backing = null;
    return OK_NODATA;
  }

  transfer(id: number, rect: Rectangle, offset: number): number {
    const resource = this.resources.get(id);
    if (resource === undefined) return ERR_INVALID_RESOURCE_ID;
    if (resource.backing === null) return ERR_UNSPEC;
    if (!contains(resource, rect)) return ERR_INVALID_PARAMETER;
    if (isEmpty(rect)) return OK_NODATA;
    if (resource.backing.length === 0) return ERR_UNSPEC;
    if (offset >= bytesOf(resource.backing)) return OK_NODATA;
    this.need(resource);
    this.copy(resource, rect, offset);
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
    this.need(resource);
    this.scanouts[scanout] = { resource: id, rect };
    return OK_NODATA;
  }

  flush(id: number, rect: Rectangle): number {
    const resource = this.resources.get(id);
    if (resource === undefined) return ERR_INVALID_RESOURCE_ID;
    return contains(resource, rect) ? OK_NODATA : ERR_INVALID_PARAMETER;
  }

  createContext(id: number, name: string): number {
    if (id === 0 || this.contexts.has(id)) return ERR_INVALID_CONTEXT_ID;
    if ((this.deaths.get(name) ?? 0) >= deathsMax) return ERR_UNSPEC;
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
    this.need(resource);
    resource.isRendered = true;
    context.attached.add(id);
    return OK_NODATA;
  }

  detach(contextId: number, id: number): number {
    const context = this.contexts.get(contextId);
    if (context === undefined) return ERR_INVALID_CONTEXT_ID;
    return context.attached.delete(id) ? OK_NODATA : ERR_INVALID_RESOURCE_ID;
  }

  /** `isSound`: whether the stream is as long as it says. */
  submit(contextId: number, isSound: boolean): number {
    const context = this.contexts.get(contextId);
    if (context === undefined) return ERR_INVALID_CONTEXT_ID;
    if (context.isLost) return ERR_UNSPEC;
    if (isSound) return OK_NODATA;
    context.isLost = true;
    return ERR_INVALID_PARAMETER;
  }

  /** Returns whether a fence on one of the context's rings may be had. */
  hasContext(id: number): boolean {
    return this.contexts.has(id);
  }

  updateCursor({ scanout, x, y, resource: id, hotX, hotY }: CursorCommand): number {
    const cursor = this.cursors[scanout];
    if (cursor === undefined) return ERR_INVALID_SCANOUT_ID;
    if (id === 0) {
      cursor.isVisible = false;
      return OK_NODATA;
    }
    const resource = this.resources.get(id);
    const isImage = resource?.width === cursorPixels && resource.height === cursorPixels;
    cursor.isKnown = isImage;
    if (resource === undefined) return ERR_INVALID_RESOURCE_ID;
    if (!isImage) return OK_NODATA;
    this.need(resource);
    const image = this.shown(resource);
    Object.assign(cursor, { x, y, hotX, hotY, isVisible: true, image, others: [] });
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
    const all = this.shown(resource);
    const { x, y, width, height } = shown.rect;
    const pixels = new Uint32Array(width * height);
    for (let row = 0; row < height; row++) {
      const from = (y + row) * resource.width + x;
      pixels.set(all.subarray(from, from + width), row * width);
    }
    return { width, height, pixels };
  }

  private need(resource: ModelResource): void {
    const { width, height, isOwed } = resource;
    resource.isOwed = false;
    if (isOwed) this.copy(resource, { x: 0, y: 0, width, height }, 0);
  }

  /** What the backing holds of a rectangle of pixels, whose first is at `offset` there. */
  private copy({ width, pixels, backing, isRendered }: ModelResource, rect: Rectangle, offset: number): void {
    const bytes = this.memory.gather(backing!);
    // The renderer copies whole pixels.
    const source = isRendered ? bytes.subarray(0, bytes.length & ~3) : bytes;
    const target = new Uint8Array(pixels.buffer);
    const stride = width * 4;
    for (let row = 0; row < rect.height; row++) {
      const from = offset + row * stride;
      const held = source.subarray(from, from + rect.width * 4);
      target.set(held, (rect.y + row) * stride + rect.x * 4);
    }
  }

  private shown({ pixels, format }: ModelResource): Uint32Array {
    const [blue, green, red] = shifts.get(format)!;
    return pixels.map(
      (word) => ((word >>> blue) & 0xff) | (((word >>> green) & 0xff) << 8) | (((word >>> red) & 0xff) << 16),
    );
  }
}
