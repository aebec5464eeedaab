// The guest's resources by id, with their lives, and the limits on them.

import { readUuid, uuidBytes } from "../../../transport/wire/uuid.ts";
import type { LimitName } from "../../../config-limits.ts";
import { ENOMEM } from "../../../ffi/libc.ts";
import { Entity } from "../../machines/lifecycle.ts";
import { BlobView } from "../pixels/blobs/blob-view.ts";
import type { CpuPixels } from "../pixels/cpu-pixels.ts";
import { flat, type Shape } from "../pixels/form.ts";
import type { Showable, Pixels } from "../pixels/pixels.ts";
import type { PixelSource } from "../pixels/source.ts";
import type { Backing } from "../renderer/backing.ts";
import type { BlobShape } from "../renderer/blob.ts";

/** One resource, as everybody reads it; {@link ResourceTable} writes it, and Lifecycle its state. */
export interface Resource extends Entity, Showable {
  readonly backing: Backing | null;
  /** By which other devices of the VM know it, once the guest has asked for that; "" before. */
  readonly uuid: string;
  /** What the guest asked for where it is a blob, which has neither size nor format; else null. */
  readonly blob: BlobShape | null;
  /** Whether a rectangle lies inside of it. A blob has no edges but its scanouts'. */
  holds(x: number, y: number, width: number, height: number): boolean;
}

/** Objects are reused: nothing may keep one beyond its UNREF. */
class OneResource extends Entity implements Resource {
  override id = 0;
  width = 0;
  height = 0;
  format = 0;
  shape: Shape = flat;
  /** Those that it has while it is a 2D resource outside of the renderer. */
  readonly cpu: CpuPixels;
  pixels: Pixels;
  backing: Backing | null = null;
  scanouts = 0;
  uuid = "";
  blob: BlobShape | null = null;

  constructor(source: PixelSource) {
    super();
    this.cpu = source.cpu(this);
    this.pixels = this.cpu;
  }

  /** u32 sums are exact in a Number. */
  holds(x: number, y: number, width: number, height: number): boolean {
    return (x + width <= this.width && y + height <= this.height) || this.blob !== null;
  }
}

export class ResourceTable {
  private readonly byId = new Map<number, OneResource>();
  private readonly byUuid = new Map<string, OneResource>();
  private readonly free: OneResource[] = [];
  private runs = 0;

  /** `runsMax`: runs of guest memory in all backings together, each of which costs the host 24 bytes. */
  constructor(
    private readonly source: PixelSource,
    private readonly countMax: number,
    private readonly runsMax: number,
  ) {}

  get count(): number {
    return this.byId.size;
  }

  /** Bytes of all resources, whether their pixels are anywhere yet or not, and of storage that the display still has. */
  get bytesUsed(): number {
    return this.source.storages.budget.used;
  }

  get(id: number): Resource | undefined {
    return this.byId.get(id);
  }

  withUuid(uuid: string): Resource | undefined {
    return this.byUuid.get(uuid);
  }

  /** The resource's UUID: once it has one, always the same. */
  uuidOf(resource: Resource): string {
    const own = resource as OneResource;
    if (own.uuid === "") {
      own.uuid = crypto.randomUUID();
      this.byUuid.set(own.uuid, own);
    }
    return own.uuid;
  }

  /** Gives the resource the UUID of these four words again, if nobody has it. */
  restoreUuid(resource: Resource, words: Uint32Array): void {
    const own = resource as OneResource;
    const uuid = readUuid(new Uint8Array(words.buffer, words.byteOffset, uuidBytes));
    if (own.uuid !== "" || this.byUuid.has(uuid)) return;
    own.uuid = uuid;
    this.byUuid.set(uuid, own);
  }

  all(): IterableIterator<Resource> {
    return this.byId.values();
  }

  /** The limit that one more resource of `bytes` would go beyond; null where there is room for it. */
  lackFor(bytes: number): LimitName | null {
    if (this.byId.size >= this.countMax) return "resourcesMax";
    return this.source.storages.budget.hasRoom(bytes) ? null : "storageBytesMax";
  }

  /** Adds a 2D resource, which takes `bytes`, for which there is room. */
  add2d(id: number, width: number, height: number, format: number, bytes: number): Resource {
    const resource = this.begin(id, width, height, format, flat);
    resource.cpu.begin(bytes);
    return resource;
  }

  /** Adds a resource that the renderer has made, and that takes `bytes`, for which there is room. */
  add3d(id: number, width: number, height: number, format: number, bytes: number, shape: Shape): Resource {
    const resource = this.begin(id, width, height, format, shape);
    resource.pixels = this.source.rendered(resource, bytes);
    return resource;
  }

  /** Whether there is room for a backing of so many runs. */
  hasRoomFor({ runCount }: Backing): boolean {
    return this.runs + runCount <= this.runsMax;
  }

  /** Adds a blob, for which there is room, with the pages that it was created with. */
  addBlob(id: number, blob: BlobShape, backing: Backing | null): Resource {
    const resource = this.begin(id, 0, 0, 0, flat);
    resource.blob = blob;
    resource.pixels = this.source.blob(resource, blob, backing);
    if (backing !== null) this.runs += backing.runCount;
    resource.backing = backing;
    return resource;
  }

  /** Moves a 2D resource into the renderer. Returns false, with nothing changed, when that does not take it. */
  promote(resource: Resource): boolean {
    const own = resource as OneResource;
    const { cpu, backing, scanouts } = own;
    const moved = this.source.promote(own, cpu, backing, scanouts !== 0);
    if (moved === null) return false;
    own.pixels = moved;
    return true;
  }

  /** Gives the resource a backing. Returns false, with nothing done, beyond the limits. */
  attachBacking(resource: Resource, backing: Backing): boolean {
    if (!this.hasRoomFor(backing)) return false;
    if (resource.pixels.attachBacking(backing) === ENOMEM) return false;
    this.runs += backing.runCount;
    (resource as OneResource).backing = backing;
    return true;
  }

  detachBacking(resource: Resource): void {
    if (resource.backing === null) return;
    resource.pixels.detachBacking();
    this.dropBacking(resource as OneResource);
  }

  /** A scanout shows the resource from now on, as `picture`, or no longer. */
  setShown(resource: Resource, picture: Showable, scanout: number, isShown: boolean): void {
    mark(resource as OneResource, scanout, isShown);
    if (picture instanceof BlobView) mark(picture, scanout, isShown);
  }

  /** Forgets a resource whose pixels are closed, and that nobody shows. */
  remove(resource: Resource): void {
    const own = resource as OneResource;
    this.byId.delete(own.id);
    if (own.uuid !== "") {
      this.byUuid.delete(own.uuid);
      own.uuid = "";
    }
    // The pixels had it, and are gone.
    this.dropBacking(own);
    if (own.pixels !== own.cpu) own.pixels = own.cpu;
    own.blob = null;
    this.free.push(own);
  }

  private begin(id: number, width: number, height: number, format: number, shape: Shape): OneResource {
    const resource = this.free.pop() ?? new OneResource(this.source);
    resource.id = id;
    resource.width = width;
    resource.height = height;
    resource.format = format;
    if (resource.shape !== shape) resource.shape = shape;
    this.byId.set(id, resource);
    return resource;
  }

  private dropBacking(resource: OneResource): void {
    if (resource.backing === null) return;
    this.runs -= resource.backing.runCount;
    resource.backing.free();
    resource.backing = null;
  }
}

function mark(picture: { scanouts: number }, scanout: number, isShown: boolean): void {
  if (isShown) picture.scanouts |= 1 << scanout;
  else picture.scanouts &= ~(1 << scanout);
}
