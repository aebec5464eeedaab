// The renderer: libvirglrenderer on the ctrl queue's thread, which is the only one that calls it.
//
// The guest's ids are the renderer's. Fence numbers are ours: 32 bits that only grow, whatever ids the guest gives.

import { type Pointer, ptr } from "bun:ffi";
import { openGlFlush } from "../../../../ffi/egl.ts";
import { asPointer, EINVAL, libc } from "../../../../ffi/libc.ts";
import {
  boxWords,
  createArgsWords,
  ExtendedInfo,
  FENCE_MERGEABLE,
  InitFlag,
  iovecBytes,
  openVirglrenderer,
  ResourceInfo,
  type Virglrenderer,
} from "../../../../ffi/virglrenderer.ts";
import { implicitModifier } from "../../../../picture/drm-formats.ts";
import { DrmNode, renderNodes } from "../../../../transport/os/drm-node.ts";
import { NativeMemory } from "../../../../transport/os/native-memory.ts";
import { Capset } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import type { GuestSpan } from "../../../../transport/virtio/memory-map.ts";
import type { Backing } from "../backing.ts";
import { missingPackages } from "../gl-libraries.ts";
import type { DmabufPicture } from "../dmabuf.ts";
import { isInside, layerStep, logWritten, type Transfer } from "../transfer.ts";
import { Backings } from "./backings.ts";
import { RendererCallbacks } from "./callbacks.ts";
import { type CapsetDescription, describeGl, listCapsets } from "./capsets.ts";
import { Census } from "./census.ts";
import { VirglResource } from "./resource.ts";
import { StreamEffects } from "./stream-effects.ts";
import { type ContextLimits, StreamGuard } from "./stream-guard.ts";

/** Why there is no renderer, and what mends it; for the person who started the server. */
export class RendererUnavailable extends Error {}

export interface VirglOptions {
  /** The node to render on; without it the first that works, or else the CPU. */
  renderNode: string | undefined;
  /** Whether the library's own messages go to stderr, which a guest can fill. */
  verbose: boolean;
  /** Pieces of host memory that the backings of all resources may have together; 16 bytes each. */
  backingPiecesMax: number;
  /** What each context may have. */
  limits: ContextLimits;
}

export class VirglRenderer {
  readonly capsets: readonly CapsetDescription[];
  /** What renders, as GL says it. */
  readonly description: string;
  /** Becomes readable when fences have retired; -1 when the renderer must be asked. It stays the library's. */
  readonly pollFd: number;
  /** Called by {@link poll}: every fence of the global timeline up to this number is done. */
  onFence: (fence: number) => void = () => {};
  /** Called by {@link poll}: every fence of one context's ring up to this number is done. */
  onContextFence: (context: number, ring: number, fence: number) => void = () => {};

  private readonly symbols: Virglrenderer["required"];
  private readonly scratch = NativeMemory.allocate(4096);
  private readonly box = new Uint32Array(this.scratch.view(0, boxWords * 4));
  private readonly create = new Uint32Array(this.scratch.view(64, createArgsWords * 4));
  private readonly iovec = new BigUint64Array(this.scratch.view(128, iovecBytes));
  private readonly info = new DataView(this.scratch.view(192, 128));
  private readonly glFlush: (() => void) | null;
  private readonly resources = new Map<number, VirglResource>();
  private readonly backings: Backings;
  private readonly contexts = new Map<number, Census>();
  private readonly guard: StreamGuard;
  private readonly effects = new StreamEffects(this.resources);
  private hasRetired = false;

  private constructor(
    private readonly library: Virglrenderer,
    /** The render node in use, or null for EGL surfaceless. */
    readonly node: string | null,
    private readonly callbacks: RendererCallbacks,
    { backingPiecesMax, limits }: VirglOptions,
  ) {
    this.guard = new StreamGuard(this.resources, limits);
    this.symbols = library.required;
    this.backings = new Backings(this.symbols, backingPiecesMax);
    // Nobody else sees pictures that are rendered on the CPU.
    this.glFlush = node === null ? null : openGlFlush();
    this.pollFd = this.symbols.virgl_renderer_get_poll_fd();
    this.capsets = listCapsets(this.symbols);
    this.description = describeGl(this.symbols, this.capsets);
    callbacks.onFence = (fence) => {
      this.followRetired();
      this.onFence(fence);
    };
    callbacks.onContextFence = (context, ring, fence) => {
      this.followRetired();
      this.onContextFence(context, ring, fence);
    };
  }

  /** Starts the renderer on this thread, once a process. Throws {@link RendererUnavailable}. */
  static start(options: VirglOptions): VirglRenderer {
    const { renderNode, verbose } = options;
    let library: Virglrenderer;
    try {
      library = openVirglrenderer();
    } catch (error) {
      throw new RendererUnavailable(
        `libvirglrenderer is not there (Debian: apt-get install libvirglrenderer1): ${(error as Error).message}`,
      );
    }
    const missing = missingPackages();
    if (missing.length > 0) {
      throw new RendererUnavailable(
        `GL's libraries are not there (Debian: apt-get install ${missing.join(" ")})`,
      );
    }
    // Any function does that leaves its arguments alone: it may be called on a thread of the library's own.
    if (!verbose) library.logger?.virgl_set_debug_callback(functionPointer(libc.abs));
    for (const node of renderNode === undefined ? findRenderNodes() : [renderNode]) {
      const callbacks = new RendererCallbacks(library, node);
      if (initialize(library, callbacks)) return new VirglRenderer(library, node, callbacks, options);
      callbacks.close();
    }
    if (renderNode !== undefined) {
      throw new RendererUnavailable(`no GL on ${renderNode}: is it a render node that this user may open?`);
    }
    const callbacks = new RendererCallbacks(library, null);
    if (initialize(library, callbacks)) return new VirglRenderer(library, null, callbacks, options);
    callbacks.close();
    throw new RendererUnavailable(
      "EGL does not start: no GL driver is there (Debian: apt-get install libegl1 libgl1-mesa-dri)",
    );
  }

  /** Whether contexts have timelines of their own. */
  get hasContextFences(): boolean {
    return this.library.contextFences !== null;
  }

  /** Whether contexts can be made for a capset that the guest names. */
  get hasContextInit(): boolean {
    return this.library.contextFlags !== null;
  }

  /** Fills `bytes` zeroed bytes at `address` with a capset. */
  fillCapset(id: number, version: number, address: number): void {
    this.symbols.virgl_renderer_fill_caps(id, version, asPointer(address));
  }

  /** `capset` 0 stands for the default. The name is `length` bytes at `name`, NUL-terminated. Answers an errno. */
  createContext(id: number, capset: number, name: number, length: number): number {
    const { contextFlags } = this.library;
    const flags = capset === 0 ? Capset.VIRGL2 : capset;
    const error =
      contextFlags === null
        ? this.symbols.virgl_renderer_context_create(id, length, asPointer(name))
        : contextFlags.virgl_renderer_context_create_with_flags(id, flags, length, asPointer(name));
    if (error === 0) this.contexts.set(id, new Census());
    return error;
  }

  destroyContext(id: number): void {
    this.contexts.delete(id);
    this.symbols.virgl_renderer_context_destroy(id);
  }

  attach(context: number, resource: number): void {
    this.symbols.virgl_renderer_ctx_attach_resource(context, resource);
  }

  detach(context: number, resource: number): void {
    this.symbols.virgl_renderer_ctx_detach_resource(context, resource);
  }

  /**
   * `shape`: target, format, bind, width, height, depth, array size, last level, samples, flags, as RESOURCE_CREATE_3D
   * has them behind the id. Returns an errno.
   */
  createResource(id: number, shape: ArrayLike<number>): number {
    const { create } = this;
    create[0] = id;
    create.set(shape, 1);
    const error = this.symbols.virgl_renderer_resource_create(asPointer(this.scratch.address + 64), null, 0);
    if (error !== 0) return error;
    const resource = new VirglResource(
      id,
      shape[0]!,
      shape[1]!,
      shape[2]!,
      shape[3]!,
      shape[4]!,
      shape[5]!,
      shape[6]!,
      shape[7]!,
    );
    this.resources.set(id, resource);
    return 0;
  }

  unref(id: number): void {
    const resource = this.resources.get(id);
    if (resource === undefined) return;
    this.backings.detach(resource);
    this.effects.forget(resource);
    this.resources.delete(id);
    this.symbols.virgl_renderer_resource_unref(id);
  }

  /**
   * Gives a resource its backing, which must not be freed before {@link detachBacking} or {@link unref}. Returns an
   * errno: ENOMEM where there is no room for what the library needs to know of it.
   */
  attachBacking(id: number, backing: Backing): number {
    const resource = this.resources.get(id);
    return resource === undefined ? EINVAL : this.backings.attach(resource, backing);
  }

  detachBacking(id: number): void {
    const resource = this.resources.get(id);
    if (resource !== undefined) this.backings.detach(resource);
  }

  /** Whether a resource has a backing, all of which is guest memory now. */
  hasBacking(id: number): boolean {
    return this.resources.get(id)?.hasBacking ?? false;
  }

  /** Whether a transfer's box lies inside of the resource, and what it needs inside of the backing. */
  holds(id: number, transfer: Transfer): boolean {
    const resource = this.resources.get(id);
    return resource !== undefined && isInside(resource, transfer, resource.backing?.length ?? 0);
  }

  /** Guest memory is about to be unmapped. */
  memoryChanging(vanishing: readonly GuestSpan[]): void {
    this.backings.letGo(this.resources.values(), vanishing);
  }

  /** Guest memory is another. */
  memoryChanged(): void {
    this.backings.giveAgain(this.resources.values());
  }

  /**
   * Copies a box that lies inside of the resource and its backing between the two. Returns an errno. Layer by layer: of
   * several the library would read back the first, and give the guest its own heap in place of the others.
   */
  transfer(direction: "to-host" | "from-host", id: number, context: number, what: Transfer): number {
    const { words, at, level, stride, offset } = what;
    const resource = this.resources.get(id);
    if (resource === undefined || !resource.hasBacking) return EINVAL;
    const z = words[at + 2]!;
    const layers = words[at + 5]!;
    const step = layers === 1 ? 0 : layerStep(resource, what);
    for (let word = 0; word < boxWords; word++) this.box[word] = words[at + word]!;
    this.box[5] = 1;
    let error = 0;
    for (let layer = 0; layer < layers && error === 0; layer++) {
      this.box[2] = z + layer;
      error = this.move(direction, id, context, level, stride, offset + layer * step, null, 0);
    }
    // Only now: a page that was marked before it was written may have been fetched between the two.
    if (direction === "from-host") logWritten(resource.backing!, resource, what);
    else if (resource.isBackingOnly) resource.backing!.wrote(words[at]!, words[at + 3]!);
    return error;
  }

  /** Copies a rectangle of a 2D texture from or to native memory; rows are `stride` bytes apart. Answers an errno. */
  copyRectangle(
    direction: "to-host" | "from-host",
    id: number,
    x: number,
    y: number,
    width: number,
    height: number,
    address: number,
    bytes: number,
    stride: number,
  ): number {
    this.box[0] = x;
    this.box[1] = y;
    this.box[2] = 0;
    this.box[3] = width;
    this.box[4] = height;
    this.box[5] = 1;
    this.iovec[0] = BigInt(address);
    this.iovec[1] = BigInt(bytes);
    const iovec = asPointer(this.scratch.address + 128);
    return this.move(direction, id, 0, 0, stride, 0, iovec, 1);
  }

  /**
   * Runs `count` words of a context's command stream, which begins at word `from` of `words`, at native `address`.
   * Returns an errno: EINVAL where the stream makes no sense, ENOMEM where the context would have more than it may.
   */
  submit(context: number, words: Uint32Array, from: number, count: number, address: number): number {
    const { guard } = this;
    const census = this.contexts.get(context);
    if (census === undefined) return EINVAL;
    const refused = guard.check(census, words, from, count);
    if (refused !== 0) return refused;
    const { hasEffects } = guard;
    const error = this.symbols.virgl_renderer_submit_cmd(asPointer(address), context, count);
    if (hasEffects) this.effects.follow(census, words, from, count);
    return error;
  }

  /** Marks the end of everything so far on the global timeline. Answers an errno. */
  createFence(fence: number): number {
    return this.symbols.virgl_renderer_create_fence(fence | 0, 0);
  }

  /** Marks the end of everything so far on a context's ring. Answers an errno. */
  createContextFence(context: number, ring: number, fence: number): number {
    const { contextFences } = this.library;
    if (contextFences === null) return -1;
    return contextFences.virgl_renderer_context_create_fence(context, FENCE_MERGEABLE, ring, fence);
  }

  /** Reports fences that have retired. */
  poll(): void {
    this.hasRetired = false;
    this.symbols.virgl_renderer_poll();
  }

  /** A sync file of a fence of the global timeline that is out, the caller's to close; -1 where the host makes none. */
  exportFence(fence: number): number {
    const { fenceExport } = this.library;
    if (fenceExport === null) return -1;
    const out = new Int32Array([-1]);
    return fenceExport.virgl_renderer_export_fence(fence, ptr(out)) === 0 ? out[0]! : -1;
  }

  /**
   * Starts all that was given to the driver, which keeps some back: others are to see it in a dma-buf. Contexts that are
   * not current were flushed when they ceased to be.
   */
  flush(): void {
    if (this.glFlush === null) return;
    this.library.dmabufExport?.virgl_renderer_force_ctx_0();
    this.glFlush();
  }

  /** The dma-buf of a 2D texture, or null where the host's driver exports none. */
  exportDmabuf(id: number): DmabufPicture | null {
    const { dmabufExport, extendedInfo } = this.library;
    if (dmabufExport === null || this.node === null) return null;
    const { info } = this;
    const at = asPointer(this.scratch.address + 192);
    if (this.symbols.virgl_renderer_resource_get_info(id, at) !== 0) return null;
    const word = (index: number): number => info.getUint32(index * 4, true);
    const fourcc = word(ResourceInfo.fourcc);
    const texture = word(ResourceInfo.texture);
    if (fourcc === 0 || texture === 0) return null;
    const out = new Int32Array(3);
    const address = Number(ptr(out));
    dmabufExport.virgl_renderer_force_ctx_0();
    const error = dmabufExport.virgl_renderer_get_fd_for_texture2(
      texture,
      asPointer(address),
      asPointer(address + 4),
      asPointer(address + 8),
    );
    if (error !== 0) return null;
    this.glFlush?.();
    const [fd, stride, offset] = out as unknown as [number, number, number];
    let modifier = implicitModifier;
    if (extendedInfo?.virgl_renderer_resource_get_info_ext(id, at) === 0) {
      const low = info.getUint32(ExtendedInfo.modifier, true);
      modifier = { modifierHigh: info.getUint32(ExtendedInfo.modifier + 4, true), modifierLow: low };
    }
    return { fd, stride, offset, fourcc, ...modifier };
  }

  close(): void {
    for (const resource of this.resources.values()) this.backings.detach(resource);
    this.symbols.virgl_renderer_cleanup(null);
    this.backings.close();
    this.callbacks.close();
    this.scratch.unmap();
  }

  /** Before the first fence of a poll is reported, the library has written the queries that were waiting. */
  private followRetired(): void {
    if (!this.hasRetired) this.effects.fencesRetired();
    this.hasRetired = true;
  }

  private move(
    direction: "to-host" | "from-host",
    id: number,
    context: number,
    level: number,
    stride: number,
    offset: number,
    iovec: Pointer | null,
    count: number,
  ): number {
    const { symbols } = this;
    const box = asPointer(this.scratch.address);
    return direction === "to-host"
      ? symbols.virgl_renderer_transfer_write_iov(id, context, level, stride, 0, box, offset, iovec, count)
      : symbols.virgl_renderer_transfer_read_iov(id, context, level, stride, 0, box, offset, iovec, count);
  }
}

function initialize(library: Virglrenderer, callbacks: RendererCallbacks): boolean {
  // A node's driver makes surfaces of its own; without a node there are none.
  const surface = callbacks.hasNode ? 0 : InitFlag.USE_SURFACELESS;
  const flags = InitFlag.USE_EGL | InitFlag.THREAD_SYNC | surface;
  const address = asPointer(callbacks.address);
  // The cookie means nothing to us, but must not be null.
  return library.required.virgl_renderer_init(address, flags, address) === 0;
}

/** Those that may render, in the order in which they are tried. */
const findRenderNodes = (): string[] => renderNodes().filter((path) => !isPassedOver(path));

function isPassedOver(path: string): boolean {
  try {
    const node = DrmNode.open(path);
    node.close();
    return node.isPassedOver;
  } catch {
    // The renderer is to say what is wrong with it.
    return false;
  }
}

/** The native address of a function of a symbol table, which Bun's types do not know. */
function functionPointer(call: unknown): Pointer {
  return asPointer((call as { ptr: number }).ptr);
}
