// All that a draw needs besides its vertices: shaders, state, and where it goes.

import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import * as virgl from "../../lab/driver/virgl/index.ts";
import { makeBuffer, type Texture } from "./3d-support.ts";

const { R32G32B32A32_FLOAT } = virgl.VirglFormat;
const { VERTEX, FRAGMENT } = virgl.ShaderType;

/** Position (clip coordinates) and attribute (colour or place in a texture) of a vertex. */
export type Vertex = readonly [
  position: readonly [number, number, number, number],
  attribute: readonly number[],
];

const positionAndAttribute: virgl.VertexElement[] = [
  { offset: 0, format: R32G32B32A32_FLOAT },
  { offset: 16, format: R32G32B32A32_FLOAT },
];

export function vertexBuffer(guest: SyntheticGuest, resourceId: number, vertices: readonly Vertex[]): void {
  const floats = Float32Array.from(vertices.flatMap(([position, attribute]) => [...position, ...attribute]));
  makeBuffer(guest, resourceId, virgl.Bind.VERTEX_BUFFER, new Uint8Array(floats.buffer));
}

interface PipelineOptions {
  fragments?: string;
  blend?: virgl.Blend;
  rasterizer?: virgl.Rasterizer;
  dsa?: virgl.DepthStencilAlpha;
  depthSurface?: number;
}

/** Everything that a draw into `texture` from vertex buffer 50 needs. */
export function bindPipeline(
  stream: virgl.CommandStream,
  texture: Pick<Texture, "resourceId" | "format" | "width" | "height">,
  { fragments = virgl.colouredFragments, blend, rasterizer, dsa, depthSurface = 0 }: PipelineOptions = {},
): void {
  virgl.createSurface(stream, 1, texture);
  virgl.setFramebufferState(stream, [1], depthSurface);
  virgl.setViewport(stream, { x: 0, y: 0, width: texture.width, height: texture.height });
  virgl.createBlend(stream, 2, blend);
  virgl.bindObject(stream, virgl.ObjectType.BLEND, 2);
  virgl.createRasterizer(stream, 3, rasterizer);
  virgl.bindObject(stream, virgl.ObjectType.RASTERIZER, 3);
  virgl.createDsa(stream, 4, dsa);
  virgl.bindObject(stream, virgl.ObjectType.DSA, 4);
  virgl.createVertexElements(stream, 5, positionAndAttribute);
  virgl.bindObject(stream, virgl.ObjectType.VERTEX_ELEMENTS, 5);
  virgl.createShader(stream, 6, VERTEX, virgl.passVertices);
  virgl.bindShader(stream, 6, VERTEX);
  virgl.createShader(stream, 7, FRAGMENT, fragments);
  virgl.bindShader(stream, 7, FRAGMENT);
  virgl.setVertexBuffers(stream, [{ resourceId: 50, stride: 32 }]);
}
