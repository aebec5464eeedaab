// A renderer that takes its time: commands wait for it in order, nothing else does, and what takes too long is told.

import { expect, test } from "bun:test";
import type { Submission } from "../../lab/driver/command-queue.ts";
import * as commands3d from "../../lab/driver/commands-3d.ts";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import * as virgl from "../../lab/driver/virgl/index.ts";
import { Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { makeBuffer, makeContext, makeTexture, patient, virglServer } from "./3d-support.ts";
import { expectOk, expectType, serveTests } from "./support.ts";

const { withDevice, server } = serveTests(...virglServer, "--fence-alarm-ms", "20");
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
function slowDraws(guest: SyntheticGuest, count: number): Uint8Array {
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

function submitFenced(guest: SyntheticGuest, stream: Uint8Array, fenceId: bigint): Submission {
  return guest.gpu.control.submit(commands3d.submit3d(1, stream, { fenceId }));
}

test("a command that takes too long is told once, by its name, and answered when it is done", () =>
  withDevice(patient, (guest) => {
    const submission = submitFenced(guest, slowDraws(guest, 5), 7n);
    const result = guest.gpu.control.wait(submission, "the slow draw");
    expectOk(result);
    expect(result.fenceId).toBe(7n);
    expect(
      server()
        .log()
        .match(/command 0x207 of context 1 is stuck/g),
    ).toHaveLength(1);
  }));

test("commands without a fence overtake one that waits, and later fences do not", () =>
  withDevice(patient, (guest) => {
    const { control } = guest.gpu;
    const slow = submitFenced(guest, slowDraws(guest, 2), 1n);
    const plain = control.submit(commands3d.createResource3d(smallTexture(9)));
    const fenced = control.submit(commands3d.createResource3d(smallTexture(10), { fenceId: 2n }));
    const refused = control.submit(commands3d.createResource3d(smallTexture(10), { fenceId: 3n }));
    expectOk(control.wait(plain));
    expect([slow.done, fenced.done, refused.done]).toEqual([false, false, false]);
    expectOk(control.wait(slow));
    expectOk(control.wait(fenced));
    expectType(control.wait(refused), Response.ERR_INVALID_RESOURCE_ID);
    expect(refused.result.fenceId).toBe(3n);
  }));

test("a fence that is out when the fence poller dies is answered", () =>
  withDevice(patient, async (guest) => {
    const slow = submitFenced(guest, slowDraws(guest, 2), 1n);
    expect(await server().control({ command: "kill", actor: "fence-poller" })).toEqual({ ok: true });
    expectOk(guest.gpu.control.wait(slow));
    const next = submitFenced(guest, slowAgain(), 2n);
    expectOk(guest.gpu.control.wait(next));
  }));

test("a context that is destroyed while its work is under way leaves no command unanswered", () =>
  withDevice(patient, (guest) => {
    const { control: queue } = guest.gpu;
    const slow = submitFenced(guest, slowDraws(guest, 2), 1n);
    const destroyed = queue.submit(commands3d.destroyContext(1, { fenceId: 2n }));
    expectOk(queue.wait(slow));
    expectOk(queue.wait(destroyed));
  }));

test("a ring that stops gives the renderer time to finish", () =>
  withDevice(patient, (guest) => {
    const slow = submitFenced(guest, slowDraws(guest, 1), 1n);
    // Its answer shows that the one before it was taken.
    expectOk(guest.gpu.createResource3d(smallTexture(9)));
    guest.stop();
    expect(slow.done).toBe(true);
    expectOk(slow.result);
    guest.start();
    expectOk(guest.gpu.destroyContext(1));
  }));

test("a driver that starts anew while work is under way begins with nothing", () =>
  withDevice(patient, (guest) => {
    submitFenced(guest, slowDraws(guest, 2), 1n);
    guest.stop();
    guest.queues.forEach((queue) => queue.reset(0));
    guest.start();
    makeContext(guest);
    const texture = makeTexture(guest, 1, 8, 8);
    const box = { x: 0, y: 0, z: 0, width: 8, height: 8, depth: 1 };
    expectOk(guest.gpu.transferToHost3d(1, texture.resourceId, { box }, { fenceId: 1n }));
  }));

const smallTexture = (resourceId: number): commands3d.Resource3d => ({
  resourceId,
  target: virgl.Target.TEXTURE_2D,
  format: virgl.VirglFormat.B8G8R8A8_UNORM,
  bind: virgl.Bind.SAMPLER_VIEW,
  width: 4,
  height: 4,
});

/** One more draw with what is bound. */
function slowAgain(): Uint8Array {
  const stream = new virgl.CommandStream();
  virgl.drawVbo(stream, { mode: virgl.Primitive.TRIANGLES, count: 3 });
  return stream.bytes;
}
