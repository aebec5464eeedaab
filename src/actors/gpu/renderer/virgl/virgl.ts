// The renderer that is libvirglrenderer, on the ctrl queue's thread, which is the only one that calls it.

import { asPointer, EFAULT, EINVAL, ENOMEM } from "../../../../ffi/libc.ts";
import { createArgsWords, FENCE_MERGEABLE, type Virglrenderer } from "../../../../ffi/virglrenderer.ts";
import { NativeMemory } from "../../../../transport/os/native-memory.ts";
import type { GuestSpan } from "../../../../transport/virtio/memory-map.ts";
import { bytesPerPixel, Capset, CtxCreate, Feature } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import type { Arena } from "../arena.ts";
import type { Backing } from "../backing.ts";
import type { BlobShape, ExportedBlob } from "../blob.ts";
import type { DmabufPicture } from "../dmabuf.ts";
import type { CapsetDescription, OnWritten, Renderer, RendererDescription } from "../renderer.ts";
import { Lack } from "../lack.ts";
import { PixelMappings, type SharedPixels } from "../shared-pixels.ts";
import { type Direction, isEmpty, isInside, layerStep, logWritten, type Transfer } from "../transfer.ts";
import { Backings } from "./backings.ts";
import { Blobs } from "./blobs.ts";
import type { RendererCallbacks } from "./callbacks.ts";
import { describeGl, hideMappedBuffers, listCapsets } from "./capsets.ts";
import { Tally } from "./census.ts";
import { VirglContexts } from "./contexts.ts";
import { Exporter } from "./exporter.ts";
import { Mover } from "./mover.ts";
import { VirglResource } from "./resource.ts";
import { StreamEffects } from "./stream-effects.ts";
import { type ContextLimits, StreamGuard } from "./stream-guard.ts";
import { StreamRunner } from "./stream-runner.ts";
import { StreamTargets } from "./stream-targets.ts";
import type { Venus } from "./venus/venus.ts";

export interface VirglSetup {
  /** What commands and answers lie in. */
  arena: Arena;
  /** Pieces of host memory that the backings of all resources may have together; 16 bytes each. */
  backingPiecesMax: number;
  /** What contexts may have. */
  limits: ContextLimits;
}

export class VirglRenderer implements Renderer {
  readonly description: RendererDescription;
  readonly features: number;
  readonly capsets: readonly CapsetDescription[];
  readonly pollFd: number;
  epoch = 0;
  readonly lack = new Lack();
  onFence: (fence: number) => void = () => {};
  onContextFence: (context: number, ring: number, fence: number) => void = () => {};
  onWritten: OnWritten | null = null;
  readonly processOf = (context: number): number => this.venus?.contexts.processOf(context) ?? 0;
  readonly exportBlob = (id: number): ExportedBlob | null => this.blobs.exported(id);
  readonly exportFence = (fence: number): number => this.exporter.fence(fence);
  readonly exportDmabuf = (id: number): DmabufPicture | null => this.exporter.dmabuf(id);
  readonly flush = (): void => this.exporter.flush();
  onContextLost: (context: number, reason: string) => void = () => {};
  onTrouble: (text: string) => void = () => {};

  private readonly symbols: Virglrenderer["required"];
  private readonly arena: NativeMemory;
  private readonly words: Uint32Array;
  private readonly scratch = NativeMemory.allocate(4096);
  private readonly create = new Uint32Array(this.scratch.view(0, createArgsWords * 4));
  private readonly name = new Uint8Array(this.scratch.view(64, CtxCreate.nameBytesMax + 1));
  private readonly resources = new Map<number, VirglResource>();
  private readonly contexts: VirglContexts;
  private readonly blobs: Blobs;
  private readonly tally = new Tally();
  private readonly pixels = new PixelMappings();
  private readonly backings: Backings;
  private readonly mover: Mover;
  private readonly exporter: Exporter;
  private readonly guard: StreamGuard;
  private readonly runner: StreamRunner;
  private readonly effects = new StreamEffects(this.resources);
  private readonly targets = new StreamTargets(this.resources);
  private readonly isVenus = (context: number): boolean => this.venus?.contexts.has(context) === true;
  private hasRetired = false;

  /** `node`: the render node in use, or null for EGL surfaceless. `venus`: Vulkan, where the host has that. */
  constructor(
    private readonly library: Virglrenderer,
    node: string | null,
    private readonly callbacks: RendererCallbacks,
    { arena, backingPiecesMax, limits }: VirglSetup,
    private readonly venus: Venus | null,
  ) {
    const symbols = library.required;
    this.symbols = symbols;
    this.arena = arena.memory;
    this.words = new Uint32Array(this.arena.view());
    this.contexts = new VirglContexts(library, this.tally);
    this.blobs = new Blobs(venus);
    this.backings = new Backings(symbols, backingPiecesMax, this.lack);
    this.mover = new Mover(symbols);
    this.runner = new StreamRunner(symbols);
    this.exporter = new Exporter(library, node !== null);
    this.guard = new StreamGuard(this.resources, limits, this.tally, this.lack);
    this.pollFd = venus?.contexts.pollFd ?? symbols.virgl_renderer_get_poll_fd();
    const ofGl = listCapsets(symbols);
    this.capsets = venus === null ? ofGl : [...ofGl, venus.capset];
    const gl = describeGl(symbols, ofGl);
    this.description = { renderer: "virgl", gl, node, ...venus?.description, capsets: this.capsets };
    const hasContextInit = library.contextFlags !== null && library.contextFences !== null;
    this.features = (1 << Feature.VIRGL) | (hasContextInit ? 1 << Feature.CONTEXT_INIT : 0);
    callbacks.onFence = (fence) => {
      this.followRetired();
      this.onFence(fence);
    };
    callbacks.onContextFence = (context, ring, fence) => {
      if (venus?.contexts.fenceRetired(context, ring, fence) === true) return;
      this.followRetired();
      this.onContextFence(context, ring, fence);
    };
    venus?.listen(this);
  }

  fillCapset(id: number, version: number, at: number): void {
    this.symbols.virgl_renderer_fill_caps(id, version, asPointer(this.arena.address + at));
    if (id === Capset.VIRGL2) hideMappedBuffers(this.words, at);
  }

  createContext(id: number, capset: number, name: number, length: number): number {
    // The library would put the new one in the old one's place, whoever uses that.
    if (this.contexts.has(id) || this.isVenus(id)) return EINVAL;
    if (capset !== Capset.VENUS && !this.guard.hasContext) return this.lack.of("glContextsMax");
    const bytes = Math.min(length, CtxCreate.nameBytesMax);
    this.name.fill(0);
    this.name.set(new Uint8Array(this.words.buffer, name, bytes));
    const text = this.scratch.address + 64;
    if (capset !== Capset.VENUS) return this.contexts.create(id, capset, text, bytes);
    return this.venus?.contexts.create(id, text, bytes) ?? EINVAL;
  }

  destroyContext(id: number): void {
    if (this.isVenus(id)) return this.venus!.contexts.destroy(id);
    this.targets.forget(id);
    this.contexts.destroy(id);
  }

  attachResource(context: number, resource: number): void {
    if (this.mayShare(context, resource)) {
      this.symbols.virgl_renderer_ctx_attach_resource(context, resource);
    }
  }

  detachResource(context: number, resource: number): void {
    if (this.mayShare(context, resource)) {
      this.symbols.virgl_renderer_ctx_detach_resource(context, resource);
    }
  }

  submit(context: number, at: number, bytes: number): number {
    const { guard, words } = this;
    const census = this.contexts.censusOf(context);
    if (census === undefined) return this.submitVulkan(context, at, bytes);
    const from = at >>> 2;
    const count = bytes >>> 2;
    const refused = guard.check(census, words, from, count);
    if (refused !== 0) return refused;
    this.epoch++;
    const { layered } = guard;
    const { address } = this.arena;
    const error =
      layered.length === 0
        ? this.symbols.virgl_renderer_submit_cmd(asPointer(address + at), context, count)
        : this.runner.run(context, words, address, from, count, layered);
    if (this.onWritten !== null) this.targets.follow(context, words, from, count, this.onWritten);
    if (guard.hasEffects) this.effects.follow(census, words, from, count, error !== 0);
    return Math.abs(error);
  }

  createResource(id: number, shape: ArrayLike<number>): number {
    const { create } = this;
    // As with contexts; and the old one's iovecs would never come back.
    if (this.resources.has(id)) return EINVAL;
    create[0] = id;
    create.set(shape, 1);
    const error = this.symbols.virgl_renderer_resource_create(asPointer(this.scratch.address), null, 0);
    if (error === 0) this.resources.set(id, new VirglResource(id, shape));
    return Math.abs(error);
  }

  createBlob(id: number, context: number, shape: BlobShape): number {
    return this.resources.has(id) ? EINVAL : this.blobs.create(id, context, shape);
  }

  unrefResource(id: number): void {
    const resource = this.resources.get(id);
    if (resource === undefined) return this.blobs.unref(id);
    // The library must still know the number.
    this.backings.detach(resource);
    this.effects.forget(resource);
    this.resources.delete(id);
    this.symbols.virgl_renderer_resource_unref(id);
  }

  attachBacking(id: number, backing: Backing): number {
    const resource = this.resources.get(id);
    if (resource === undefined) return this.blobs.isOfGuest(id) ? 0 : EINVAL;
    return this.backings.attach(resource, backing);
  }

  detachBacking(id: number): void {
    const resource = this.resources.get(id);
    if (resource !== undefined) this.backings.detach(resource);
  }

  memoryChanging(vanishing: readonly GuestSpan[]): void {
    this.backings.letGo(this.resources.values(), vanishing);
  }

  memoryChanged(): void {
    this.backings.giveAgain(this.resources.values());
  }

  /** Layer by layer: of several the library would read back the first, and give the guest its own heap in place of the others. */
  transfer(direction: Direction, id: number, context: number, what: Transfer): number {
    const resource = this.resources.get(id);
    if (resource === undefined || !isInside(resource, what, resource.backing?.length ?? 0)) return EINVAL;
    if (isEmpty(what)) return 0;
    if (!resource.hasBacking) return EFAULT;
    const { words, at } = what;
    const layers = words[at + 5]!;
    const step = layers === 1 ? 0 : layerStep(resource, what);
    if (direction === "to-host") this.epoch++;
    let error = 0;
    for (let layer = 0; layer < layers && error === 0; layer++) {
      error = this.mover.layer(direction, id, context, what, layer, what.offset + layer * step);
    }
    // Only now: a page that was marked before it was written may have been fetched between the two.
    if (direction === "from-host") logWritten(resource.backing!, resource, what);
    else if (resource.isBackingOnly) resource.backing!.wrote(words[at]!, words[at + 3]!);
    return error;
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
    const start = this.pixels.addressOf(pixels);
    if (start === 0) return ENOMEM;
    const { stride } = pixels;
    const address = start + y * stride + x * bytesPerPixel;
    const bytes = stride * (height - 1) + width * bytesPerPixel;
    if (direction === "to-host") this.epoch++;
    return this.mover.rectangle(direction, id, x, y, width, height, address, bytes, stride);
  }

  createFence(fence: number): number {
    return this.symbols.virgl_renderer_create_fence(fence | 0, 0);
  }

  createContextFence(context: number, ring: number, fence: number): number {
    if (this.isVenus(context)) return this.venus!.contexts.createFence(context, ring, fence);
    const { contextFences } = this.library;
    if (contextFences === null) return EINVAL;
    return contextFences.virgl_renderer_context_create_fence(context, FENCE_MERGEABLE, ring, fence);
  }

  poll(): void {
    this.hasRetired = false;
    this.symbols.virgl_renderer_poll();
    this.venus?.contexts.poll();
  }

  close(): void {
    for (const resource of this.resources.values()) this.backings.detach(resource);
    this.venus?.close();
    this.symbols.virgl_renderer_cleanup(null);
    this.venus?.ended();
    this.backings.close();
    this.mover.close();
    this.runner.close();
    this.exporter.close();
    this.callbacks.close();
    this.pixels.close();
    this.scratch.unmap();
  }

  private submitVulkan(context: number, at: number, bytes: number): number {
    this.epoch++;
    return this.venus?.contexts.submit(context, this.arena.address + at, bytes) ?? EINVAL;
  }

  /** Whether the library may hear that a context has a resource. */
  private mayShare(context: number, resource: number): boolean {
    return this.isVenus(context) ? this.blobs.mayEnter(context, resource) : this.resources.has(resource);
  }

  /** Before the first fence of a poll is reported, the library has written the queries that were waiting. */
  private followRetired(): void {
    if (!this.hasRetired) this.effects.fencesRetired();
    this.hasRetired = true;
  }
}
