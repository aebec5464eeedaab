// Solids that circle a turning ring over a floor, lit from one side, as virgl command streams: a picture that depends on
// the frame number alone. Drawn with four samples a pixel, then resolved into the picture that is shown.

import type { Resource3d } from "../driver/commands-3d.ts";
import * as virgl from "../driver/virgl/index.ts";
import { bodies, floor, meshes, placeOf } from "./bodies.ts";
import {
  identity,
  lookAt,
  type Matrix,
  multiply,
  normalise,
  perspective,
  shadowOn,
  type Vector,
} from "./matrix.ts";
import { normalOffset, vertexBytes } from "./solids.ts";

const background = [0.075, 0.09, 0.14] as const;
const light = normalise([0.5, 1, 0.55]);
const eye: Vector = [0, 4.6, 8.6];
const lookedAt: Vector = [0, 0.85, 0];
const fieldOfView = 0.72;
/** Above the floor, so that shadows win the depth test. */
const shadowHeight = 0.02;
const floorReach = 11;
const samples = 4;

/** Object handles in the context. */
const handle = {
  vertices: 1,
  solidShader: 2,
  litShader: 3,
  floorShader: 4,
  shadowShader: 5,
  opaque: 6,
  translucent: 7,
  rasterizer: 8,
  depthTest: 9,
  shadowTest: 10,
  colourSurface: 11,
  depthSurface: 12,
} as const;

/** Ids of the resources, all of which must be attached to the context. */
export interface StillLifeResources {
  vertices: number;
  indices: number;
  colour: number;
  depth: number;
}

export class StillLife {
  /** Contents of the vertex and the index buffer. */
  readonly vertices: Float32Array<ArrayBuffer>;
  readonly indices: Uint16Array<ArrayBuffer>;
  private readonly ranges: { start: number; count: number; bias: number }[] = [];
  private readonly camera: Matrix;
  private readonly vertexConstants = new Float32Array(32);

  constructor(
    private readonly resources: StillLifeResources,
    readonly width: number,
    readonly height: number,
  ) {
    const vertices: number[] = [];
    const indices: number[] = [];
    for (const mesh of meshes) {
      this.ranges.push({ start: indices.length, count: mesh.indices.length, bias: vertices.length / 6 });
      vertices.push(...mesh.vertices);
      indices.push(...mesh.indices);
    }
    this.vertices = Float32Array.from(vertices);
    this.indices = Uint16Array.from(indices);
    this.camera = multiply(perspective(fieldOfView, width / height, 1, 60), lookAt(eye, lookedAt));
    this.vertexConstants.set(this.camera, 16);
  }

  /** What RESOURCE_CREATE_3D is to make of the resources. */
  descriptions(): Resource3d[] {
    const { resources, width, height } = this;
    const picture = { target: virgl.Target.TEXTURE_2D, width, height, samples };
    return [
      {
        resourceId: resources.vertices,
        target: virgl.Target.BUFFER,
        format: virgl.VirglFormat.R8_UNORM,
        bind: virgl.Bind.VERTEX_BUFFER,
        width: this.vertices.byteLength,
      },
      {
        resourceId: resources.indices,
        target: virgl.Target.BUFFER,
        format: virgl.VirglFormat.R8_UNORM,
        bind: virgl.Bind.INDEX_BUFFER,
        width: this.indices.byteLength,
      },
      {
        ...picture,
        resourceId: resources.colour,
        format: virgl.VirglFormat.B8G8R8A8_UNORM,
        bind: virgl.Bind.RENDER_TARGET,
      },
      {
        ...picture,
        resourceId: resources.depth,
        format: virgl.VirglFormat.S8_UINT_Z24_UNORM,
        bind: virgl.Bind.DEPTH_STENCIL,
      },
    ];
  }

  /** Makes the objects; once, before the first frame. */
  prepare(stream: virgl.CommandStream): void {
    const { resources } = this;
    virgl.createSurface(stream, handle.colourSurface, {
      resourceId: resources.colour,
      format: virgl.VirglFormat.B8G8R8A8_UNORM,
    });
    virgl.createSurface(stream, handle.depthSurface, {
      resourceId: resources.depth,
      format: virgl.VirglFormat.S8_UINT_Z24_UNORM,
    });
    virgl.createVertexElements(stream, handle.vertices, [
      { offset: 0, format: virgl.VirglFormat.R32G32B32_FLOAT },
      { offset: normalOffset, format: virgl.VirglFormat.R32G32B32_FLOAT },
    ]);
    const { VERTEX, FRAGMENT } = virgl.ShaderType;
    virgl.createShader(stream, handle.solidShader, VERTEX, virgl.solidVertices);
    virgl.createShader(stream, handle.litShader, FRAGMENT, virgl.litFragments);
    virgl.createShader(stream, handle.floorShader, FRAGMENT, virgl.floorFragments);
    virgl.createShader(stream, handle.shadowShader, FRAGMENT, virgl.flatFragments);
    virgl.createBlend(stream, handle.opaque);
    virgl.createBlend(stream, handle.translucent, {
      source: virgl.BlendFactor.SRC_ALPHA,
      destination: virgl.BlendFactor.INV_SRC_ALPHA,
    });
    virgl.createRasterizer(stream, handle.rasterizer, {
      cullFace: virgl.Face.BACK,
      frontCcw: true,
      multisample: true,
    });
    virgl.createDsa(stream, handle.depthTest, { depthFunc: virgl.CompareFunc.LESS });
    // Where shadows overlap, no pixel is darkened twice.
    virgl.createDsa(stream, handle.shadowTest, {
      depthFunc: virgl.CompareFunc.LESS,
      depthWrite: false,
      stencil: { func: virgl.CompareFunc.EQUAL, passOp: virgl.StencilOp.INCR },
    });
  }

  /** Draws frame `frame` and leaves it in resource `target`, a picture of `format` of the scene's size. */
  draw(stream: virgl.CommandStream, frame: number, target: { resourceId: number; format: number }): void {
    const { resources, width, height } = this;
    virgl.setFramebufferState(stream, [handle.colourSurface], handle.depthSurface);
    virgl.setViewport(stream, { x: 0, y: 0, width, height });
    virgl.setVertexBuffers(stream, [{ resourceId: resources.vertices, stride: vertexBytes }]);
    virgl.bindObject(stream, virgl.ObjectType.VERTEX_ELEMENTS, handle.vertices);
    virgl.bindObject(stream, virgl.ObjectType.RASTERIZER, handle.rasterizer);
    virgl.bindShader(stream, handle.solidShader, virgl.ShaderType.VERTEX);
    const { COLOR0, DEPTH, STENCIL } = virgl.ClearBuffers;
    virgl.clear(stream, COLOR0 | DEPTH | STENCIL, [...background, 1]);

    const places = bodies.map((body) => placeOf(body, frame));
    this.drawFloor(stream);
    this.drawShadows(stream, places);
    this.drawBodies(stream, places);

    const area = { x: 0, y: 0, z: 0, width, height, depth: 1 };
    const drawn = { resourceId: resources.colour, format: virgl.VirglFormat.B8G8R8A8_UNORM, box: area };
    virgl.blit(stream, { ...target, box: area }, drawn);
  }

  private drawFloor(stream: virgl.CommandStream): void {
    this.use(stream, handle.translucent, handle.depthTest, handle.floorShader);
    virgl.setConstantBuffer(stream, virgl.ShaderType.FRAGMENT, [
      0.42,
      0.45,
      0.52,
      floorReach,
      0.34,
      0.37,
      0.44,
      0,
    ]);
    this.drawMesh(stream, floor, identity);
  }

  private drawShadows(stream: virgl.CommandStream, places: readonly Matrix[]): void {
    const cast = shadowOn(shadowHeight, light);
    this.use(stream, handle.translucent, handle.shadowTest, handle.shadowShader);
    virgl.setConstantBuffer(stream, virgl.ShaderType.FRAGMENT, [0.02, 0.025, 0.045, 0.62]);
    bodies.forEach(({ mesh }, at) => this.drawMesh(stream, mesh, multiply(cast, places[at]!)));
  }

  private drawBodies(stream: virgl.CommandStream, places: readonly Matrix[]): void {
    this.use(stream, handle.opaque, handle.depthTest, handle.litShader);
    bodies.forEach(({ mesh, colour, shine }, at) => {
      virgl.setConstantBuffer(stream, virgl.ShaderType.FRAGMENT, [...colour, shine, ...light, 0, ...eye, 0]);
      this.drawMesh(stream, mesh, places[at]!);
    });
  }

  private use(stream: virgl.CommandStream, blend: number, dsa: number, fragmentShader: number): void {
    virgl.bindObject(stream, virgl.ObjectType.BLEND, blend);
    virgl.bindObject(stream, virgl.ObjectType.DSA, dsa);
    virgl.bindShader(stream, fragmentShader, virgl.ShaderType.FRAGMENT);
  }

  private drawMesh(stream: virgl.CommandStream, mesh: number, model: Matrix): void {
    const { start, count, bias } = this.ranges[mesh]!;
    const indexBytes = Uint16Array.BYTES_PER_ELEMENT;
    this.vertexConstants.set(model);
    virgl.setIndexBuffer(stream, this.resources.indices, indexBytes, start * indexBytes);
    virgl.setConstantBuffer(stream, virgl.ShaderType.VERTEX, this.vertexConstants);
    virgl.drawVbo(stream, {
      mode: virgl.Primitive.TRIANGLES,
      count,
      indexed: true,
      indexBias: bias,
    });
  }
}
