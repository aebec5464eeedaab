// A renderer that takes its time: commands wait for it in order, nothing else does, and what takes too long is told.

import { expect, test } from "bun:test";
import type { Submission } from "../../lab/driver/command-queue.ts";
import * as commands3d from "../../lab/driver/commands-3d.ts";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import * as virgl from "../../lab/driver/virgl/index.ts";
import { Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { makeContext, makeTexture, patient, virglServer } from "./3d-support.ts";
import { slowDraws } from "./slow-draws.ts";
import { expectOk, expectType, serveTests } from "./support.ts";

const { withDevice, server } = serveTests(...virglServer, "--fence-alarm-ms", "20");
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
        .match(/SUBMIT_3D of context 1 is stuck/g),
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
