// Which resources a stream writes to, and where, for whoever looks: followed beside the library, and never asked of it.
//
// A rectangle is where a command may have written: a draw's is its viewport and scissor. What shaders write to images and
// buffers, and what vertices stream out, is not followed.

import type { OnWritten } from "../renderer.ts";
import { DrawTargets, endless, isFirstOf, resourceOf } from "./draw-targets.ts";
import { Ccmd, ClearField, ClearSurfaceField, CopyTransfer3d, Transfer3d, WriteField } from "./protocol.ts";
import type { VirglResource } from "./resource.ts";
import { type StreamVisitor, walkStream, wantedOf } from "./stream-walk.ts";

/** Resources that one stream is told to have written to; others are told of as resource 0, once. */
const targetsMax = 16;

const wanted = wantedOf([
  ...[Ccmd.CREATE_OBJECT, Ccmd.BIND_OBJECT, Ccmd.DESTROY_OBJECT],
  ...[Ccmd.CREATE_SUB_CTX, Ccmd.SET_SUB_CTX, Ccmd.DESTROY_SUB_CTX],
  ...[Ccmd.SET_FRAMEBUFFER_STATE, Ccmd.SET_VIEWPORT_STATE, Ccmd.SET_SCISSOR_STATE],
  ...[
    Ccmd.CLEAR,
    Ccmd.DRAW_VBO,
    Ccmd.BLIT,
    Ccmd.RESOURCE_COPY_REGION,
    Ccmd.CLEAR_TEXTURE,
    Ccmd.CLEAR_SURFACE,
  ],
  ...[Ccmd.RESOURCE_INLINE_WRITE, Ccmd.TRANSFER3D, Ccmd.COPY_TRANSFER3D],
]);

/** What one context draws to, in each of its sub-contexts. */
class ContextTargets {
  readonly subContexts = new Map([[0, new DrawTargets()]]);
  current = this.subContexts.get(0)!;
}

export class StreamTargets implements StreamVisitor {
  private readonly contexts = new Map<number, ContextTargets>();
  private context!: ContextTargets;
  /** What the stream has written to so far: ids, and left, top, right, bottom of each. */
  private readonly ids = new Uint32Array(targetsMax);
  private readonly edges = new Int32Array(targetsMax * 4);
  private count = 0;
  private hasMore = false;

  constructor(private readonly resources: ReadonlyMap<number, VirglResource>) {}

  /** Follows a stream that the context of that id was given, and tells what it wrote to. */
  follow(id: number, words: Uint32Array, from: number, count: number, tell: OnWritten): void {
    let context = this.contexts.get(id);
    if (context === undefined) this.contexts.set(id, (context = new ContextTargets()));
    this.context = context;
    this.count = 0;
    this.hasMore = false;
    walkStream(words, from, count, this, wanted);
    for (let target = 0; target < this.count; target++) this.tell(target, tell);
    if (this.hasMore) tell(0, 0, 0, 0, 0);
  }

  /** The context is gone. */
  forget(id: number): void {
    this.contexts.delete(id);
  }

  visit(command: number, object: number, words: Uint32Array, header: number, length: number): number {
    const { current } = this.context;
    switch (command) {
      case Ccmd.CREATE_OBJECT:
        current.create(object, words, header, length);
        return 0;
      case Ccmd.BIND_OBJECT:
        if (length > 0) current.use(object, words[header + 1]!);
        return 0;
      case Ccmd.DESTROY_OBJECT:
        if (length > 0) current.destroy(words[header + 1]!);
        return 0;
      case Ccmd.SET_FRAMEBUFFER_STATE:
        current.setFramebuffer(words, header, length);
        return 0;
      case Ccmd.SET_VIEWPORT_STATE:
        current.setViewport(words, header, length);
        return 0;
      case Ccmd.SET_SCISSOR_STATE:
        current.setScissor(words, header, length);
        return 0;
      case Ccmd.DRAW_VBO:
        this.draw();
        return 0;
      case Ccmd.CLEAR:
        if (length > 0) this.clear(words[header + ClearField.buffers]!);
        return 0;
      default:
        if (length > 0) this.other(command, words, header, length);
        return 0;
    }
  }

  /** What does not exist was not written to, nor what lies outside of it. */
  private tell(target: number, tell: OnWritten): void {
    const { ids, edges } = this;
    const resource = this.resources.get(ids[target]!);
    if (resource === undefined) return;
    const at = target * 4;
    const left = edges[at]!;
    const top = edges[at + 1]!;
    const width = Math.min(edges[at + 2]!, resource.width) - left;
    const height = Math.min(edges[at + 3]!, resource.height) - top;
    if (width <= 0 || height <= 0) tell(resource.id, 0, 0, 0, 0);
    else tell(resource.id, left, top, width, height);
  }

  private other(command: number, words: Uint32Array, header: number, length: number): void {
    switch (command) {
      case Ccmd.BLIT:
        return this.box(WriteField.blit, words, header, length);
      case Ccmd.RESOURCE_COPY_REGION:
        return this.box(WriteField.copy, words, header, length);
      case Ccmd.CLEAR_TEXTURE:
        return this.box(WriteField.clearTexture, words, header, length);
      case Ccmd.RESOURCE_INLINE_WRITE:
        return this.box(WriteField.transfer, words, header, length);
      case Ccmd.TRANSFER3D: {
        const isOut =
          length >= Transfer3d.words && words[header + Transfer3d.direction] === Transfer3d.fromHost;
        return isOut ? undefined : this.box(WriteField.transfer, words, header, length);
      }
      case Ccmd.COPY_TRANSFER3D: {
        const flags = length >= CopyTransfer3d.words ? words[header + CopyTransfer3d.flags]! : 0;
        const isOut = (flags & CopyTransfer3d.readFromHost) !== 0;
        return isOut ? undefined : this.box(WriteField.transfer, words, header, length);
      }
      case Ccmd.CLEAR_SURFACE:
        return this.clearSurface(words, header, length);
      default:
        return this.subContext(command, words[header + 1]!);
    }
  }

  private subContext(command: number, id: number): void {
    const { context } = this;
    const { subContexts } = context;
    const known = subContexts.get(id);
    if (command === Ccmd.SET_SUB_CTX) context.current = known ?? context.current;
    else if (command === Ccmd.CREATE_SUB_CTX && known === undefined) {
      context.current = new DrawTargets();
      subContexts.set(id, context.current);
    } else if (command === Ccmd.DESTROY_SUB_CTX && known !== undefined && id !== 0) {
      subContexts.delete(id);
      if (context.current === known) context.current = subContexts.get(0)!;
    }
  }

  private draw(): void {
    const { current } = this.context;
    for (let index = 0; index <= current.colourCount; index++) {
      // The depth surface is the last.
      const resource = index === current.colourCount ? current.depth : current.colours[index]!;
      const isFirst = index === current.colourCount ? current.isDepthFirst : current.isFirst[index] === 1;
      if (resource === 0) continue;
      if (isFirst) this.note(resource, current.left, current.top, current.right, current.bottom);
      else this.note(resource, 0, 0, 0, 0);
    }
  }

  private clear(buffers: number): void {
    const { current } = this.context;
    for (let index = 0; index < current.colourCount; index++) {
      const resource = current.colours[index]!;
      if (resource === 0 || (buffers & (1 << (ClearField.firstColour + index))) === 0) continue;
      const end = current.isFirst[index] === 1 ? endless : 0;
      this.note(resource, 0, 0, end, end);
    }
    if (current.depth === 0 || (buffers & ClearField.depthStencil) === 0) return;
    const end = current.isDepthFirst ? endless : 0;
    this.note(current.depth, 0, 0, end, end);
  }

  private clearSurface(words: Uint32Array, header: number, length: number): void {
    if (length < ClearSurfaceField.words) return;
    const { current } = this.context;
    const surface = current.surfaceOf(words[header + ClearSurfaceField.surface]!);
    const resource = resourceOf(surface);
    if (resource === 0) return;
    const at = header + ClearSurfaceField.at;
    if (!isFirstOf(surface)) this.note(resource, 0, 0, 0, 0);
    else this.rectangle(resource, words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!);
  }

  private box(
    field: { resource: number; level: number; at: number; size: number; words: number },
    words: Uint32Array,
    header: number,
    length: number,
  ): void {
    if (length < field.words) return;
    const at = header + field.at;
    const size = header + field.size;
    const resource = words[header + field.resource]!;
    if (resource === 0) return;
    // The other levels and layers are no part of the picture.
    if (words[header + field.level] !== 0 || words[at + 2] !== 0) this.note(resource, 0, 0, 0, 0);
    else this.rectangle(resource, words[at]!, words[at + 1]!, words[size]!, words[size + 1]!);
  }

  /** Sides may be negative: a blit that flips. */
  private rectangle(resource: number, x: number, y: number, width: number, height: number): void {
    const left = x | 0;
    const top = y | 0;
    const right = left + (width | 0);
    const bottom = top + (height | 0);
    const least = Math.min(left, right);
    this.note(resource, least, Math.min(top, bottom), Math.max(left, right), Math.max(top, bottom));
  }

  /** Joins a rectangle to what the stream has written of a resource. */
  private note(resource: number, left: number, top: number, right: number, bottom: number): void {
    const { ids, edges, count } = this;
    let target = 0;
    while (target < count && ids[target] !== resource) target++;
    if (target === targetsMax) {
      this.hasMore = true;
      return;
    }
    const at = target * 4;
    if (target === count) {
      this.count++;
      ids[target] = resource;
      edges.fill(0, at, at + 4);
    }
    if (right <= left || bottom <= top || right <= 0 || bottom <= 0) return;
    const isEmpty = edges[at + 2] === 0;
    edges[at] = Math.max(0, isEmpty ? left : Math.min(edges[at]!, left));
    edges[at + 1] = Math.max(0, isEmpty ? top : Math.min(edges[at + 1]!, top));
    edges[at + 2] = Math.min(endless, Math.max(edges[at + 2]!, right));
    edges[at + 3] = Math.min(endless, Math.max(edges[at + 3]!, bottom));
  }
}
