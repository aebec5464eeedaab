// CREATE_OBJECT for every kind of object, and BIND, DESTROY. Handles are the guest's own numbers, 1 and above, one
// space for all kinds in a sub-context. Every function appends one command to `stream`.

import { Ccmd, Face, Filter, Mask, MipFilter, ObjectType, Wrap } from "./protocol.ts";
import type { CommandStream } from "./stream.ts";

type ObjectKind = (typeof ObjectType)[keyof typeof ObjectType];

const colourBuffersMax = 8;

/** Layers and level of a texture that can be drawn to. */
export interface Surface {
  resourceId: number;
  format: number;
  level?: number;
  firstLayer?: number;
  lastLayer?: number;
}

export function createSurface(stream: CommandStream, handle: number, surface: Surface): void {
  const { resourceId, format, level = 0, firstLayer = 0, lastLayer = firstLayer } = surface;
  beginObject(stream, ObjectType.SURFACE, handle);
  stream.word(resourceId);
  stream.word(format);
  stream.word(level);
  stream.word(firstLayer | (lastLayer << 16));
  stream.end();
}

export interface Blend {
  /** Factors of what is drawn and of what is there, added; without them, what is drawn replaces what is there. */
  source?: number;
  destination?: number;
  /** Bits 1, 2, 4, 8: whether red, green, blue, alpha are written. */
  colourMask?: number;
}

/** The same for all colour buffers. */
export function createBlend(stream: CommandStream, handle: number, blend: Blend = {}): void {
  const { source, destination, colourMask = Mask.RGBA } = blend;
  let target = colourMask << 27;
  if (source !== undefined && destination !== undefined) {
    target |= 1 | (source << 4) | (destination << 9) | (source << 17) | (destination << 22);
  }
  beginObject(stream, ObjectType.BLEND, handle);
  stream.word(0);
  stream.word(0);
  for (let buffer = 0; buffer < colourBuffersMax; buffer++) stream.word(target);
  stream.end();
}

export interface Rasterizer {
  /** Which faces to leave out; a front face goes clockwise unless `frontCcw`. */
  cullFace?: number;
  frontCcw?: boolean;
  scissor?: boolean;
  /** Takes colours from one vertex instead of interpolating them. */
  flatShade?: boolean;
  /** Needed for more than one sample a pixel. */
  multisample?: boolean;
}

export function createRasterizer(stream: CommandStream, handle: number, rasterizer: Rasterizer = {}): void {
  const { cullFace = Face.NONE, frontCcw, scissor, flatShade, multisample } = rasterizer;
  const depthClip = 1 << 1;
  const halfPixelCentre = 1 << 29;
  beginObject(stream, ObjectType.RASTERIZER, handle);
  stream.word(
    (flatShade ? 1 : 0) |
      depthClip |
      (cullFace << 8) |
      (scissor ? 1 << 14 : 0) |
      (frontCcw ? 1 << 15 : 0) |
      (multisample ? 1 << 25 : 0) |
      halfPixelCentre,
  );
  stream.float(1); // point size
  stream.word(0); // sprite coordinates
  stream.word(0); // line stipple, clip planes
  stream.float(1); // line width
  stream.float(0); // polygon offset: units, scale, clamp
  stream.float(0);
  stream.float(0);
  stream.end();
}

export interface DepthStencilAlpha {
  /** Without it, everything is drawn and no depth is written. */
  depthFunc?: number;
  depthWrite?: boolean;
  /** Compares with reference value 0; `passOp` is done where stencil and depth let a pixel through. */
  stencil?: { func: number; passOp: number };
}

export function createDsa(stream: CommandStream, handle: number, dsa: DepthStencilAlpha = {}): void {
  const { depthFunc, depthWrite = true, stencil } = dsa;
  const bothMasks = (0xff << 13) | (0xff << 21);
  beginObject(stream, ObjectType.DSA, handle);
  stream.word(depthFunc === undefined ? 0 : 1 | (Number(depthWrite) << 1) | (depthFunc << 2));
  stream.word(stencil === undefined ? 0 : 1 | (stencil.func << 1) | (stencil.passOp << 7) | bothMasks);
  stream.word(0); // back faces' stencil: the same
  stream.float(0); // alpha reference
  stream.end();
}

/** `text` is TGSI. */
export function createShader(stream: CommandStream, handle: number, type: number, text: string): void {
  const bytes = new TextEncoder().encode(`${text}\0`);
  beginObject(stream, ObjectType.SHADER, handle);
  stream.word(type);
  stream.word(bytes.length);
  stream.word(tokensOf(text));
  stream.word(0); // stream outputs
  stream.data(bytes);
  stream.end();
}

export interface VertexElement {
  offset: number;
  format: number;
  vertexBufferIndex?: number;
  instanceDivisor?: number;
}

export function createVertexElements(
  stream: CommandStream,
  handle: number,
  elements: readonly VertexElement[],
): void {
  beginObject(stream, ObjectType.VERTEX_ELEMENTS, handle);
  for (const { offset, format, vertexBufferIndex = 0, instanceDivisor = 0 } of elements) {
    stream.word(offset);
    stream.word(instanceDivisor);
    stream.word(vertexBufferIndex);
    stream.word(format);
  }
  stream.end();
}

/** Layers and levels of a texture that a shader can read. */
export interface SamplerView {
  resourceId: number;
  format: number;
  target: number;
  firstLayer?: number;
  lastLayer?: number;
  firstLevel?: number;
  lastLevel?: number;
}

export function createSamplerView(stream: CommandStream, handle: number, view: SamplerView): void {
  const { firstLayer = 0, lastLayer = firstLayer, firstLevel = 0, lastLevel = firstLevel } = view;
  const identitySwizzle = 0 | (1 << 3) | (2 << 6) | (3 << 9);
  beginObject(stream, ObjectType.SAMPLER_VIEW, handle);
  stream.word(view.resourceId);
  stream.word(view.format | (view.target << 24));
  stream.word(firstLayer | (lastLayer << 16));
  stream.word(firstLevel | (lastLevel << 8));
  stream.word(identitySwizzle);
  stream.end();
}

export interface SamplerState {
  wrap?: number;
  filter?: number;
  mipFilter?: number;
}

export function createSamplerState(stream: CommandStream, handle: number, state: SamplerState = {}): void {
  const { wrap = Wrap.CLAMP_TO_EDGE, filter = Filter.NEAREST, mipFilter = MipFilter.NONE } = state;
  const levelMax = 15;
  beginObject(stream, ObjectType.SAMPLER_STATE, handle);
  stream.word(wrap | (wrap << 3) | (wrap << 6) | (filter << 9) | (mipFilter << 11) | (filter << 13));
  stream.float(0); // level of detail: bias, least, most
  stream.float(0);
  stream.float(levelMax);
  for (let channel = 0; channel < 4; channel++) stream.float(0); // border
  stream.end();
}

/** For blend, rasterizer, depth-stencil-alpha and vertex elements. Handle 0 binds none. */
export function bindObject(stream: CommandStream, type: ObjectKind, handle: number): void {
  stream.begin(Ccmd.BIND_OBJECT, type);
  stream.word(handle);
  stream.end();
}

export function bindShader(stream: CommandStream, handle: number, type: number): void {
  stream.begin(Ccmd.BIND_SHADER);
  stream.word(handle);
  stream.word(type);
  stream.end();
}

export function destroyObject(stream: CommandStream, type: ObjectKind, handle: number): void {
  stream.begin(Ccmd.DESTROY_OBJECT, type);
  stream.word(handle);
  stream.end();
}

function beginObject(stream: CommandStream, type: ObjectKind, handle: number): void {
  stream.begin(Ccmd.CREATE_OBJECT, type);
  stream.word(handle);
}

/** Room for the renderer's tokens of a shader: no line needs as many. */
function tokensOf(text: string): number {
  return 32 + 16 * text.split("\n").length;
}
