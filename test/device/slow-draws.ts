// A stream that keeps a renderer busy for as long as one likes.

import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import * as virgl from "../../lab/driver/virgl/index.ts";
import { bindPipeline, vertexBuffer, type Vertex } from "./3d-pipeline.ts";
import { makeContext, makeTexture } from "./3d-support.ts";

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

/** Makes context 1 ready to draw slowly into texture 1; returns a stream of `count` draws. */
export function slowDraws(guest: SyntheticGuest, count: number): Uint8Array {
  makeContext(guest);
  const texture = makeTexture(guest, 1, 256, 256);
  const corner = (x: number, y: number): Vertex => [
    [x, y, 0, 1],
    [0, 0, 0, 0],
  ];
  vertexBuffer(guest, 50, [corner(-1, -1), corner(-1, 3), corner(3, -1)]);
  const stream = new virgl.CommandStream();
  bindPipeline(stream, texture, { fragments: slowFragments });
  for (let draw = 0; draw < count; draw++) {
    virgl.drawVbo(stream, { mode: virgl.Primitive.TRIANGLES, count: 3 });
  }
  return stream.bytes;
}
