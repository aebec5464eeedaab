// A renderer that does what a test says: it keeps pixels in plain memory, finishes fences when it is told to, and fails on
// demand. It knows nothing of streams but where their commands end.

import { toArrayBuffer } from "bun:ffi";
import type { Arena } from "../../src/actors/gpu/renderer/arena.ts";
import type { Backing } from "../../src/actors/gpu/renderer/backing.ts";
import type { BlobShape, ExportedBlob } from "../../src/actors/gpu/renderer/blob.ts";
import type { DmabufPicture } from "../../src/actors/gpu/renderer/dmabuf.ts";
import type {
  CapsetDescription,
  OnWritten,
  Renderer,
  RendererDescription,
} from "../../src/actors/gpu/renderer/renderer.ts";
import { PixelMappings, type SharedPixels } from "../../src/actors/gpu/renderer/shared-pixels.ts";
import {
  type Direction,
  isEmpty,
  isInside,
  layerStep,
  logWritten,
  type Transfer,
} from "../../src/actors/gpu/renderer/transfer.ts";
import { VirglResource } from "../../src/actors/gpu/renderer/virgl/resource.ts";
import { walkStream } from "../../src/actors/gpu/renderer/virgl/stream-walk.ts";
import { asPointer, EFAULT, EINVAL } from "../../src/ffi/libc.ts";
import { blockLayout } from "../../src/picture/formats.ts";
import { closeFd, createMemfd, duplicateFd } from "../../src/transport/os/fds.ts";
import type { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { Lack } from "../../src/actors/gpu/renderer/lack.ts";
import type { GuestSpan } from "../../src/transport/virtio/memory-map.ts";
import {
  BlobMem,
  bytesPerPixel,
  Capset,
  Feature,
  MapCache,
} from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { bytesOfBacking } from "./backing-bytes.ts";

/** What may be told to fail. */
export type Failing =
  | "createContext"
  | "submit"
  | "createResource"
  | "createBlob"
  | "attachBacking"
  | "transfer"
  | "copyPixels"
  | "createFence"
  | "createContextFence";

interface Kept {
  readonly resource: VirglResource;
  /** Its first level, layer by layer, rows without a gap. */
  readonly bytes: Uint8Array;
}

/** A blob: of the host, its memory; else -1. */
interface KeptBlob {
  readonly fd: number;
  backing: Backing | null;
}

const capset = { id: Capset.VIRGL, maxVersion: 1, bytes: 16 } as const;

export class ScriptedRenderer implements Renderer {
  readonly lack = new Lack();
  readonly description: RendererDescription = { renderer: "virgl", gl: "scripted", node: null };
  readonly features = (1 << Feature.VIRGL) | (1 << Feature.CONTEXT_INIT);
  /** Those of other renderers may be added. */
  readonly capsets: CapsetDescription[] = [capset];
  readonly pollFd = -1;
  epoch = 0;
  onFence: (fence: number) => void = () => undefined;
  onContextFence: (context: number, ring: number, fence: number) => void = () => undefined;
  onContextLost: (context: number, reason: string) => void = () => {};
  onTrouble: (text: string) => void = () => {};
  onWritten: OnWritten | null = null;
  /** Whether {@link poll} finishes nothing. */
  isStuck = false;
  /** What {@link exportBlob} says of memory. */
  blobKind: ExportedBlob["kind"] = "memory";
  /** Streams that were run. */
  readonly submitted: { context: number; words: Uint32Array }[] = [];

  private readonly arena: NativeMemory;
  private readonly words: Uint32Array;
  private readonly contexts = new Set<number>();
  private readonly resources = new Map<number, Kept>();
  private readonly blobs = new Map<number, KeptBlob>();
  private readonly pixels = new PixelMappings();
  private readonly fences: { context: number; ring: number; fence: number }[] = [];
  private readonly failures = new Map<Failing, number>();

  constructor({ memory }: Arena) {
    this.arena = memory;
    this.words = new Uint32Array(this.arena.view());
  }

  /** The next call of `what` does nothing and returns `errno`. */
  fail(what: Failing, errno: number): void {
    this.failures.set(what, errno);
  }

  has(resource: number): boolean {
    return this.resources.has(resource);
  }

  hasBlob(id: number): boolean {
    return this.blobs.has(id);
  }

  /** The guest's pages that it has of a blob. */
  backingOf(id: number): Backing | null {
    return this.blobs.get(id)?.backing ?? null;
  }

  fillCapset(_id: number, _version: number, at: number): void {
    new Uint8Array(this.arena.view(at, capset.bytes)).fill(1);
  }

  createContext(id: number): number {
    const error = this.failure("createContext");
    if (error !== 0 || this.contexts.has(id)) return error || EINVAL;
    this.contexts.add(id);
    return 0;
  }

  processOf(): number {
    return 0;
  }

  destroyContext(id: number): void {
    this.contexts.delete(id);
  }

  attachResource(): void {}
  detachResource(): void {}

  submit(context: number, at: number, bytes: number): number {
    const error = this.failure("submit");
    if (error !== 0 || !this.contexts.has(context)) return error || EINVAL;
    const refused = walkStream(this.words, at / 4, bytes / 4, { visit: () => 0 });
    if (refused !== 0) return refused;
    this.epoch++;
    this.submitted.push({ context, words: this.words.slice(at / 4, (at + bytes) / 4) });
    return 0;
  }

  createResource(id: number, shape: ArrayLike<number>): number {
    const error = this.failure("createResource");
    if (error !== 0 || this.resources.has(id)) return error || EINVAL;
    const resource = new VirglResource(id, shape);
    const bytes = new Uint8Array(layerBytes(resource) * resource.depth * resource.arraySize);
    this.resources.set(id, { resource, bytes });
    return 0;
  }

  /** A host blob is a memfd, of any context that there is, whatever its blob_id. */
  createBlob(id: number, context: number, { mem, size }: BlobShape, backing: Backing | null): number {
    const error = this.failure("createBlob");
    if (error !== 0 || this.blobs.has(id) || this.resources.has(id)) return error || EINVAL;
    const isHost = mem !== BlobMem.GUEST;
    if (isHost && !this.contexts.has(context)) return EINVAL;
    this.blobs.set(id, { fd: isHost ? createMemfd("scripted-blob", size) : -1, backing });
    return 0;
  }

  exportBlob(id: number): ExportedBlob | null {
    const fd = this.blobs.get(id)?.fd ?? -1;
    return fd < 0 ? null : { fd: duplicateFd(fd), kind: this.blobKind, offset: 0, mapInfo: MapCache.CACHED };
  }

  unrefResource(id: number): void {
    this.resources.delete(id);
    closeFd(this.blobs.get(id)?.fd ?? -1);
    this.blobs.delete(id);
  }

  attachBacking(id: number, backing: Backing): number {
    const error = this.failure("attachBacking");
    const blob = this.blobs.get(id);
    if (blob !== undefined && error === 0) {
      blob.backing = backing;
      return 0;
    }
    const kept = this.resources.get(id);
    if (error !== 0 || kept === undefined) return error || EINVAL;
    kept.resource.backing = backing;
    kept.resource.pieces = Math.max(backing.countPieces(), 0);
    return kept.resource.pieces > 0 ? 0 : EFAULT;
  }

  detachBacking(id: number): void {
    const blob = this.blobs.get(id);
    if (blob !== undefined) blob.backing = null;
    const kept = this.resources.get(id);
    if (kept === undefined) return;
    kept.resource.backing = null;
    kept.resource.pieces = 0;
  }

  memoryChanging(vanishing: readonly GuestSpan[]): void {
    for (const { resource } of this.resources.values()) {
      if (resource.backing?.touches(vanishing) === true) resource.pieces = 0;
    }
  }

  memoryChanged(): void {
    for (const { resource } of this.resources.values()) {
      if (resource.backing !== null) resource.pieces = Math.max(resource.backing.countPieces(), 0);
    }
  }

  transfer(direction: Direction, id: number, _context: number, what: Transfer): number {
    const error = this.failure("transfer");
    const kept = this.resources.get(id);
    if (error !== 0 || kept === undefined) return error || EINVAL;
    const { resource, bytes } = kept;
    if (!isInside(resource, what, resource.backing?.length ?? 0)) return EINVAL;
    if (isEmpty(what)) return 0;
    if (!resource.hasBacking) return EFAULT;
    if (direction === "to-host") this.epoch++;
    const backing = bytesOfBacking(resource.backing!);
    eachRow(resource, what, (at, inBacking, length) => {
      if (direction === "to-host") bytes.set(backing.read(inBacking, length), at);
      else backing.write(inBacking, bytes.subarray(at, at + length));
    });
    if (direction === "from-host") logWritten(resource.backing!, resource, what);
    return 0;
  }

  copyPixels(
    direction: Direction,
    id: number,
    x: number,
    y: number,
    width: number,
    height: number,
    pixels: SharedPixels,
  ): number {
    const error = this.failure("copyPixels");
    const kept = this.resources.get(id);
    if (error !== 0 || kept === undefined) return error || EINVAL;
    if (direction === "to-host") this.epoch++;
    const address = asPointer(this.pixels.addressOf(pixels));
    const shared = new Uint8Array(toArrayBuffer(address, 0, pixels.size));
    const stride = kept.resource.width * bytesPerPixel;
    for (let row = y; row < y + height; row++) {
      const ours = kept.bytes.subarray(
        row * stride + x * bytesPerPixel,
        row * stride + (x + width) * bytesPerPixel,
      );
      const at = row * pixels.stride + x * bytesPerPixel;
      if (direction === "to-host") ours.set(shared.subarray(at, at + ours.length));
      else shared.set(ours, at);
    }
    return 0;
  }

  createFence(fence: number): number {
    const error = this.failure("createFence");
    if (error === 0) this.fences.push({ context: 0, ring: 0, fence });
    return error;
  }

  createContextFence(context: number, ring: number, fence: number): number {
    const error = this.failure("createContextFence");
    if (error !== 0 || !this.contexts.has(context)) return error || EINVAL;
    this.fences.push({ context, ring, fence });
    return 0;
  }

  poll(): void {
    if (this.isStuck) return;
    for (const { context, ring, fence } of this.fences.splice(0)) {
      if (context === 0) this.onFence(fence);
      else this.onContextFence(context, ring, fence);
    }
  }

  /** Finishes the first fence of one ring, and no other. */
  finish(context: number, ring: number): void {
    const at = this.fences.findIndex((one) => one.context === context && one.ring === ring);
    this.onContextFence(context, ring, this.fences.splice(at, 1)[0]!.fence);
  }

  exportFence(): number {
    return -1;
  }

  exportDmabuf(): DmabufPicture | null {
    return null;
  }

  flush(): void {}

  close(): void {
    for (const id of this.blobs.keys()) this.unrefResource(id);
    this.pixels.close();
  }

  private failure(what: Failing): number {
    const error = this.failures.get(what) ?? 0;
    this.failures.delete(what);
    return error;
  }
}

function layerBytes({ format, width, height }: VirglResource): number {
  const layout = blockLayout(format)!;
  return Math.ceil(width / layout.width) * Math.ceil(height / layout.height) * layout.bytes;
}

/** Calls `copy` with each row of a transfer of the first level: where it is in the pixels and in the backing, and its bytes. */
function eachRow(
  resource: VirglResource,
  what: Transfer,
  copy: (at: number, inBacking: number, length: number) => void,
): void {
  const { words, at, stride, offset } = what;
  const layout = blockLayout(resource.format)!;
  const [x, y, z, width, height, depth] = Array.from({ length: 6 }, (_, field) => words[at + field]!) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const own = Math.ceil(resource.width / layout.width) * layout.bytes;
  const length = Math.ceil(width / layout.width) * layout.bytes;
  for (let layer = 0; layer < depth; layer++) {
    for (let row = 0; row < Math.ceil(height / layout.height); row++) {
      const from =
        (z + layer) * layerBytes(resource) +
        (y / layout.height + row) * own +
        (x / layout.width) * layout.bytes;
      copy(from, offset + layer * layerStep(resource, what) + row * (stride === 0 ? own : stride), length);
    }
  }
}
