// A stream that keeps a renderer busy for as long as one likes.

import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import * as virgl from "../../lab/driver/virgl/index.ts";
import { makeBuffer, makeContext, makeTexture } from "./3d-support.ts";

const { R32G32B32A32_FLOAT } = virgl.VirglFormat;
const { VERTEX, FRAGMENT } = virgl.ShaderType;

/** Every pixel counts to ten thousand. */
const slowFragments = `FRAG
DCL IN[0], GENERIC[0], PERSPECTIVE
DCL OUT[0], COLOR
DCL TEMP[0..1]
IMM[0] FLT32 { 0.0, 1.0, 10000.0, 0.0001 }
  0: MOV TEMP[0], IMM[0].xxxx
  1: BGNLOOP
  2: SGE TEMP[1].x, TEMP[0].xxxx, IMM[0].zzzz
  3: IF TEMP[1].xxxx
  4: BRK
  5: ENDIF
  6: ADD TEMP[0].x, TEMP[0].xxxx, IMM[0].yyyy
  7: ENDLOOP
  8: MUL TEMP[0], TEMP[0].xxxx, IMM[0].wwww
  9: MOV OUT[0], TEMP[0]
 10: END
`;

/** Makes context 1 ready to draw slowly into texture 1; answers a stream of `count` draws. */
export function slowDraws(guest: SyntheticGuest, count: number): Uint8Array {
  makeContext(guest);
  const texture = makeTexture(guest, 1, 256, 256);
  const corners = [-1, -1, -1, 3, 3, -1].map((value, at) => (at % 2 === 0 ? [value] : [value, 0, 1])).flat();
  const vertices = Float32Array.from({ length: 24 }, (_, at) => {
    const [vertex, component] = [Math.floor(at / 8), at % 8];
    return component < 4 ? corners[vertex * 4 + component]! : 0;
  });
  makeBuffer(guest, 50, virgl.Bind.VERTEX_BUFFER, new Uint8Array(vertices.buffer));
  const stream = new virgl.CommandStream();
  virgl.createSurface(stream, 1, texture);
  virgl.setFramebufferState(stream, [1]);
  virgl.setViewport(stream, { x: 0, y: 0, width: 256, height: 256 });
  virgl.createBlend(stream, 2);
  virgl.bindObject(stream, virgl.ObjectType.BLEND, 2);
  virgl.createRasterizer(stream, 3);
  virgl.bindObject(stream, virgl.ObjectType.RASTERIZER, 3);
  virgl.createDsa(stream, 4);
  virgl.bindObject(stream, virgl.ObjectType.DSA, 4);
  virgl.createVertexElements(stream, 5, [
    { offset: 0, format: R32G32B32A32_FLOAT },
    { offset: 16, format: R32G32B32A32_FLOAT },
  ]);
  virgl.bindObject(stream, virgl.ObjectType.VERTEX_ELEMENTS, 5);
  virgl.createShader(stream, 6, VERTEX, virgl.passVertices);
  virgl.bindShader(stream, 6, VERTEX);
  virgl.createShader(stream, 7, FRAGMENT, slowFragments);
  virgl.bindShader(stream, 7, FRAGMENT);
  virgl.setVertexBuffers(stream, [{ resourceId: 50, stride: 32 }]);
  for (let draw = 0; draw < count; draw++) {
    virgl.drawVbo(stream, { mode: virgl.Primitive.TRIANGLES, count: 3 });
  }
  return stream.bytes;
}
