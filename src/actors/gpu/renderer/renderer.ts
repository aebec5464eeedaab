// What runs the guest's 3D. No native address crosses this: what a command carries lies in an arena that both sides map,
// backing is ranges of guest memory, and pixels are a shared descriptor; so it may be a process of its own some day.
//
// It is called on one thread. Functions that can fail return 0, or an errno: EINVAL where what is asked for makes no
// sense, ENOMEM where there is no room for it. Resource and context ids are the guest's; fence numbers have 32 bits, are
// ours, and only grow.

import type { GuestSpan } from "../../../transport/virtio/memory-map.ts";
import type { Backing } from "./backing.ts";
import type { BlobShape, ExportedBlob } from "./blob.ts";
import type { DmabufPicture } from "./dmabuf.ts";
import type { Lack } from "./lack.ts";
import type { SharedPixels } from "./shared-pixels.ts";
import type { Direction, Transfer } from "./transfer.ts";

/** One capability set (virtio 1.3 §5.7.6.8 GET_CAPSET_INFO). */
export interface CapsetDescription {
  id: number;
  maxVersion: number;
  bytes: number;
}

/** What the status says of a renderer. */
export interface RendererDescription {
  renderer: "virgl" | "software";
  /** What renders, as GL says it. */
  gl?: string;
  /** The render node in use, or null for the CPU. */
  node?: string | null;
  /** What runs Vulkan, as its driver says it, where guests have that. */
  vulkan?: string;
  /** What its processes' sandbox is, layer by layer, where they have one of their own. */
  vulkanSandbox?: Record<string, string>;
  capsets?: readonly CapsetDescription[];
}

/** Told of a resource that a stream has written to, and of the rectangle of its first level and layer, empty for others. */
export type OnWritten = (resource: number, x: number, y: number, width: number, height: number) => void;

export interface Renderer {
  readonly description: RendererDescription;
  /** A bit for each virtio-gpu feature that it stands behind. */
  readonly features: number;
  readonly capsets: readonly CapsetDescription[];
  /** Grows with everything that it is given to do: what may change pixels, and what a fence would wait for. */
  readonly epoch: number;
  /** Becomes readable when fences have retired; -1 where it has to be asked. It stays the renderer's. */
  readonly pollFd: number;
  /** Why it has answered ENOMEM. */
  readonly lack: Lack;
  /** Called by {@link poll}: every fence of the device's own timeline up to this number is done. */
  onFence: (fence: number) => void;
  /** Called by {@link poll}: every fence of one context's ring up to this number is done. */
  onContextFence: (context: number, ring: number, fence: number) => void;
  /** Called by {@link poll}: a context takes no more work, since what ran it has ended. */
  onContextLost: (context: number, reason: string) => void;
  /** Called by {@link poll} with what the log is to say. */
  onTrouble: (text: string) => void;
  /** Called by {@link submit} for what a stream may have written to, where somebody looks. */
  onWritten: OnWritten | null;

  /** Fills zeroed bytes of the arena from `at` on with a capset of {@link capsets}. */
  fillCapset(id: number, version: number, at: number): void;

  /** Makes a context for a capset, 0 being the default; `length` bytes of the arena from `name` on are its name. */
  createContext(id: number, capset: number, name: number, length: number): number;
  destroyContext(id: number): void;
  /** The process that a context is in, where that is one of its own; else 0. */
  processOf(context: number): number;
  attachResource(context: number, resource: number): void;
  detachResource(context: number, resource: number): void;
  /** Runs the command stream of `bytes` bytes, in whole words, at `at` of the arena. */
  submit(context: number, at: number, bytes: number): number;

  /** `shape`: RESOURCE_CREATE_3D's words behind the id, target to flags. */
  createResource(id: number, shape: ArrayLike<number>): number;
  /**
   * Makes a blob, of a context, or of none where that is 0. `backing`: the guest pages of one that has such. They must not
   * be freed before they are detached, or the resource is gone.
   */
  createBlob(id: number, context: number, shape: BlobShape, backing: Backing | null): number;
  /** A host blob's memory; null where it cannot be shared. */
  exportBlob(id: number): ExportedBlob | null;
  /** Others may go on using what they made of it. */
  unrefResource(id: number): void;
  /** Gives a resource its backing, which must not be freed before that is detached, or the resource is gone. */
  attachBacking(id: number, backing: Backing): number;
  detachBacking(id: number): void;
  /** Guest memory is about to be unmapped: what lies in `vanishing` is not touched from now on. */
  memoryChanging(vanishing: readonly GuestSpan[]): void;
  /** Guest memory has changed; backings that were in no memory before may be now. */
  memoryChanged(): void;
  /**
   * Copies a box between a resource and its backing, for a context, or for the device where that is 0. Returns EINVAL
   * where the box does not lie inside of both, EFAULT where some of the backing is no guest memory.
   */
  transfer(direction: Direction, id: number, context: number, what: Transfer): number;
  /** Copies a rectangle between a 2D texture and the same place of `pixels`, which are four bytes each. */
  copyPixels(
    direction: Direction,
    id: number,
    x: number,
    y: number,
    width: number,
    height: number,
    pixels: SharedPixels,
  ): number;

  /** Marks the end of everything so far on the device's own timeline. */
  createFence(fence: number): number;
  /** Marks the end of everything so far on a context's ring. */
  createContextFence(context: number, ring: number, fence: number): number;
  /** Reports fences that have retired. */
  poll(): void;
  /** A sync file of a fence of the device's own timeline, the caller's to close; -1 where there is none. */
  exportFence(fence: number): number;

  /** A 2D texture's dma-buf, the caller's to close; null where there is none. */
  exportDmabuf(id: number): DmabufPicture | null;
  /** What was drawn is there for whoever has a dma-buf, before they are told of it. */
  flush(): void;
  /** Releases everything. */
  close(): void;
}
