// The guest's resources by id, with their lifecycle state, and the limits on them.

import { bytesPerPixel } from "../../transport/virtio-gpu/protocol.ts";
import type { Backing } from "./backing.ts";
import type { Iovecs } from "./renderer/iovecs.ts";
import { Storage } from "./storage.ts";

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

/** Of enum pipe_texture_target: those that are treated alike by nobody. */
export const Target = { TEXTURE_2D: 2, TEXTURE_3D: 3, TEXTURE_RECT: 5 } as const;

const flat: Shape = {
  target: Target.TEXTURE_2D,
  depth: 1,
  arraySize: 1,
  lastLevel: 0,
  samples: 0,
  flags: 0,
};

/** One resource. Objects are reused: nothing may keep one beyond its UNREF. */
export class Resource {
  id = 0;
  /** State of the resource machine; an index into its table. */
  state = 0;
  width = 0;
  height = 0;
  format = 0;
  /** Bytes of all its pixels. */
  bytes = 0;
  /** What a 3D resource has besides; a 2D one is one level and one layer of a 2D texture. */
  shape: Shape = flat;
  /** Whether the renderer has its pixels. */
  isRendered = false;
  backing: Backing | null = null;
  /** The backing as the renderer knows it; null where that has none. */
  iovecs: Iovecs | null = null;
  /**
   * Its pixels, or for a rendered resource a copy of them for the display. Made when pixels are first needed: a
   * resource that is only created costs no memory.
   */
  storage: Storage | null = null;
  /** A bit for every scanout that shows this resource. */
  scanouts = 0;
  /** Whether the display has the renderer's own picture instead of {@link storage}. */
  isShared = false;
  /** The display's name for the storage, or 0 while the display does not know it. */
  surface = 0;

  /** Bytes from one row of {@link storage} to the next. */
  get stride(): number {
    return this.width * bytesPerPixel;
  }

  /** The storage, made now if need be. Throws when the host cannot make it. */
  pixels(): Storage {
    return (this.storage ??= Storage.create(this.stride * this.height));
  }
}

export class ResourceTable {
  private readonly byId = new Map<number, Resource>();
  private readonly free: Resource[] = [];
  private bytes = 0;
  private runs = 0;

  /** `runsMax`: runs of guest memory in all backings together, each of which costs the host 24 bytes. */
  constructor(
    private readonly countMax: number,
    private readonly bytesMax: number,
    private readonly runsMax: number,
  ) {}

  get count(): number {
    return this.byId.size;
  }

  /** Bytes of all resources, whether their storage is made or not. */
  get bytesUsed(): number {
    return this.bytes;
  }

  get(id: number): Resource | undefined {
    return this.byId.get(id);
  }

  all(): IterableIterator<Resource> {
    return this.byId.values();
  }

  /** Whether one more resource of `bytes` keeps within the limits. */
  hasRoom(bytes: number): boolean {
    return this.byId.size < this.countMax && this.bytes + bytes <= this.bytesMax;
  }

  add(
    id: number,
    width: number,
    height: number,
    format: number,
    bytes = width * height * bytesPerPixel,
    shape = flat,
  ): Resource {
    const resource = this.free.pop() ?? new Resource();
    resource.id = id;
    resource.width = width;
    resource.height = height;
    resource.format = format;
    resource.bytes = bytes;
    resource.shape = shape;
    this.byId.set(id, resource);
    this.bytes += bytes;
    return resource;
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
    this.bytes -= resource.bytes;
    resource.state = 0;
    resource.isRendered = false;
    resource.isShared = false;
    this.setBacking(resource, null);
    resource.storage = null;
    resource.scanouts = 0;
    resource.surface = 0;
    this.free.push(resource);
  }
}
