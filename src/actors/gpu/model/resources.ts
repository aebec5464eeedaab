// The guest's resources by id, with their lifecycle state, and the limits on them.

import { Entity } from "../../machines/lifecycle.ts";
import { bytesPerPixel } from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { Backing } from "../renderer/backing.ts";
import { Target } from "../renderer/transfer.ts";
import type { Storage } from "../pixels/storage/storage.ts";
import type { Storages } from "../pixels/storage/storages.ts";

/** The parts of RESOURCE_CREATE_3D that a 2D resource lacks. */
export interface Shape {
  /** A pipe_texture_target of {@link Target}. */
  target: number;
  depth: number;
  arraySize: number;
  lastLevel: number;
  samples: number;
  flags: number;
}

export const flat: Shape = {
  target: Target.TEXTURE_2D,
  depth: 1,
  arraySize: 1,
  lastLevel: 0,
  samples: 0,
  flags: 0,
};

/** One resource. Objects are reused: nothing may keep one beyond its UNREF. */
export class Resource extends Entity {
  id = 0;
  width = 0;
  height = 0;
  format = 0;
  /** Bytes that its pixels take where the renderer has them, or will where nobody has them yet. */
  bytes = 0;
  /** Those that are paid from the guest's budget; storage is paid for itself. */
  reserved = 0;
  /** What a 3D resource has besides; a 2D one is one level and one layer of a 2D texture. */
  shape: Shape = flat;
  /** Whether the renderer has its pixels. */
  isRendered = false;
  backing: Backing | null = null;
  /**
   * Its pixels, or for a rendered resource a copy of them for the display. Made when pixels are first needed: a
   * resource that is only created costs no memory.
   */
  storage: Storage | null = null;
  /** A bit for every scanout that shows this resource. */
  scanouts = 0;
  /** Whose dma-buf the display has: the renderer's own picture, or the storage's. null while it has none. */
  shared: "picture" | "storage" | null = null;
  /** The display's name for the storage, or 0 while the display does not know it. */
  surface = 0;

  constructor(private readonly storages: Storages) {
    super();
  }

  shownOn(scanout: number): void {
    this.scanouts |= 1 << scanout;
  }

  hiddenOn(scanout: number): void {
    this.scanouts &= ~(1 << scanout);
  }

  /** Whether a rectangle lies inside of it. u32 sums are exact in a Number. */
  holds(x: number, y: number, width: number, height: number): boolean {
    return x + width <= this.width && y + height <= this.height;
  }

  /** Bytes from one row of a 2D resource's backing to the next. */
  get stride(): number {
    return this.width * bytesPerPixel;
  }

  /** Whether the display has its storage, or is to be given it as soon as it is less behind. */
  get isWithDisplay(): boolean {
    return this.surface !== 0 || this.scanouts !== 0;
  }

  /** The storage, made now if need be; null when the host cannot make it, or the guest may not have it. */
  pixels(): Storage | null {
    if (this.storage !== null) return this.storage;
    // Where the renderer has the pixels, this is a copy.
    const paid = this.isRendered ? 0 : this.reserved;
    this.storage = this.storages.create(this.width, this.height, paid);
    if (this.storage !== null) this.reserved -= paid;
    return this.storage;
  }
}

export class ResourceTable {
  private readonly byId = new Map<number, Resource>();
  private readonly free: Resource[] = [];
  private runs = 0;

  /** `runsMax`: runs of guest memory in all backings together, each of which costs the host 24 bytes. */
  constructor(
    private readonly storages: Storages,
    private readonly countMax: number,
    private readonly runsMax: number,
  ) {}

  get count(): number {
    return this.byId.size;
  }

  /** Bytes of all resources, whether their pixels are anywhere yet or not, and of storage that the display still has. */
  get bytesUsed(): number {
    return this.storages.budget.used;
  }

  get(id: number): Resource | undefined {
    return this.byId.get(id);
  }

  all(): IterableIterator<Resource> {
    return this.byId.values();
  }

  /** Whether one more resource of `bytes` keeps within the limits. */
  hasRoom(bytes: number): boolean {
    return this.byId.size < this.countMax && this.storages.budget.hasRoom(bytes);
  }

  add(id: number, width: number, height: number, format: number, bytes: number, shape: Shape): Resource {
    const resource = this.free.pop() ?? new Resource(this.storages);
    resource.id = id;
    resource.width = width;
    resource.height = height;
    resource.format = format;
    resource.bytes = bytes;
    resource.shape = shape;
    this.byId.set(id, resource);
    this.reserve(resource, bytes);
    return resource;
  }

  /** Pays `bytes` for a resource from now on, besides its storage. Answers false, with nothing done, beyond the limit. */
  reserve(resource: Resource, bytes: number): boolean {
    const { budget } = this.storages;
    const more = bytes - resource.reserved;
    if (more > 0 && !budget.hasRoom(more)) return false;
    budget.take(more);
    resource.reserved = bytes;
    return true;
  }

  /** Gives the resource a backing, or takes it away. Answers false, with nothing done, beyond the limit. */
  setBacking(resource: Resource, backing: Backing | null): boolean {
    const runs = this.runs - (resource.backing?.runCount ?? 0) + (backing?.runCount ?? 0);
    if (backing !== null && runs > this.runsMax) return false;
    this.runs = runs;
    resource.backing?.free();
    resource.backing = backing;
    return true;
  }

  /** Forgets the resource; its storage is the caller's to free or to leave to the display. */
  remove(resource: Resource): void {
    this.byId.delete(resource.id);
    this.reserve(resource, 0);
    resource.isRendered = false;
    resource.shared = null;
    this.setBacking(resource, null);
    resource.storage = null;
    resource.scanouts = 0;
    resource.surface = 0;
    this.free.push(resource);
  }
}
