// What the draws of one sub-context go to: the surfaces of its framebuffer, and what viewport and scissor leave of them.

import {
  FramebufferField,
  rasterizerObject,
  RasterizerField,
  ScissorField,
  surfaceObject,
  SurfaceField,
  ViewportField,
} from "./protocol.ts";

/** Beyond every texture. */
export const endless = 0x7fff_ffff;

/** A surface as one number: its resource, and whether it is that one's first level and layer. */
const surfaceFor = (resource: number, isFirst: boolean): number => resource * 2 + (isFirst ? 1 : 0);
/** 0 where there is no surface. */
export const resourceOf = (surface: number): number => Math.floor(surface / 2);
export const isFirstOf = (surface: number): boolean => surface % 2 === 1;

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

export class DrawTargets {
  /** Resources of the framebuffer, 0 where there is none. */
  readonly colours = new Uint32Array(FramebufferField.coloursMax);
  colourCount = 0;
  depth = 0;
  /** Whether that is the resource's first level and layer. */
  readonly isFirst = new Uint8Array(FramebufferField.coloursMax);
  isDepthFirst = false;
  /** What a draw can reach. */
  left = 0;
  top = 0;
  right = endless;
  bottom = endless;

  /** As many as the guard lets a context have objects. */
  private readonly surfaces = new Map<number, number>();
  /** Rasterizers that heed the scissor. */
  private readonly scissoring = new Set<number>();
  private readonly viewport = Int32Array.of(0, 0, endless, endless);
  private readonly scissor = Int32Array.of(0, 0, endless, endless);
  private isScissored = false;

  create(object: number, words: Uint32Array, header: number, length: number): void {
    if (length === 0) return;
    const handle = words[header + 1]!;
    this.destroy(handle);
    if (object === surfaceObject && length >= SurfaceField.words) {
      const isFirst =
        words[header + SurfaceField.level] === 0 && (words[header + SurfaceField.layers]! & 0xffff) === 0;
      this.surfaces.set(handle, surfaceFor(words[header + SurfaceField.resource]!, isFirst));
    } else if (object === rasterizerObject && length >= RasterizerField.words) {
      if ((words[header + RasterizerField.flags]! & RasterizerField.scissor) !== 0)
        this.scissoring.add(handle);
    }
  }

  /** What is bound stays bound. */
  destroy(handle: number): void {
    if (!this.surfaces.delete(handle)) this.scissoring.delete(handle);
  }

  use(object: number, handle: number): void {
    if (object !== rasterizerObject) return;
    this.isScissored = this.scissoring.has(handle);
    this.clip();
  }

  /** 0 where there is none. */
  surfaceOf(handle: number): number {
    return this.surfaces.get(handle) ?? 0;
  }

  setFramebuffer(words: Uint32Array, header: number, length: number): void {
    const count = length < FramebufferField.depth ? 0 : words[header + FramebufferField.colours]!;
    this.colourCount = 0;
    this.depth = 0;
    if (count > FramebufferField.coloursMax || length < FramebufferField.depth + count) return;
    for (let index = 0; index < count; index++) {
      const surface = this.surfaceOf(words[header + FramebufferField.first + index]!);
      this.colours[index] = resourceOf(surface);
      this.isFirst[index] = isFirstOf(surface) ? 1 : 0;
    }
    this.colourCount = count;
    const depth = this.surfaceOf(words[header + FramebufferField.depth]!);
    this.depth = resourceOf(depth);
    this.isDepthFirst = isFirstOf(depth);
  }

  setViewport(words: Uint32Array, header: number, length: number): void {
    if (length < ViewportField.words || words[header + ViewportField.slot] !== 0) return;
    const { viewport } = this;
    const halfX = Math.abs(floatOf(words[header + ViewportField.scaleX]!));
    const halfY = Math.abs(floatOf(words[header + ViewportField.scaleY]!));
    const x = floatOf(words[header + ViewportField.translateX]!);
    const y = floatOf(words[header + ViewportField.translateY]!);
    viewport[0] = edge(Math.floor(x - halfX), 0);
    viewport[1] = edge(Math.floor(y - halfY), 0);
    viewport[2] = edge(Math.ceil(x + halfX), endless);
    viewport[3] = edge(Math.ceil(y + halfY), endless);
    this.clip();
  }

  setScissor(words: Uint32Array, header: number, length: number): void {
    if (length < ScissorField.words || words[header + ScissorField.slot] !== 0) return;
    const { scissor } = this;
    const least = words[header + ScissorField.least]!;
    const most = words[header + ScissorField.most]!;
    scissor[0] = least & 0xffff;
    scissor[1] = least >>> 16;
    scissor[2] = most & 0xffff;
    scissor[3] = most >>> 16;
    this.clip();
  }

  private clip(): void {
    const { viewport, scissor, isScissored } = this;
    this.left = isScissored ? Math.max(viewport[0]!, scissor[0]!) : viewport[0]!;
    this.top = isScissored ? Math.max(viewport[1]!, scissor[1]!) : viewport[1]!;
    this.right = isScissored ? Math.min(viewport[2]!, scissor[2]!) : viewport[2]!;
    this.bottom = isScissored ? Math.min(viewport[3]!, scissor[3]!) : viewport[3]!;
  }
}

function floatOf(word: number): number {
  bits[0] = word;
  return float[0]!;
}

/** Within what a word can say; `otherwise` where it is no number. */
const edge = (value: number, otherwise: number): number =>
  Number.isNaN(value) ? otherwise : Math.min(endless, Math.max(0, value));
