// What a guest does before it draws a still life: a context, its resources, and the scene's objects.

import { expectOk } from "../driver/gpu-driver.ts";
import type { SyntheticGuest } from "../driver/synthetic-guest.ts";
import * as virgl from "../driver/virgl/index.ts";
import type { StillLife, StillLifeResources } from "./still-life.ts";

/** Ids of the scene's resources; those of the pictures that it is drawn to begin with {@link firstPicture}. */
export const stillLifeIds: StillLifeResources = { vertices: 1, indices: 2, colour: 3, depth: 4 };
export const firstPicture = 5;

/** Makes context `contextId`, the scene with {@link stillLifeIds}, and `pictures` of its size, which a scanout may show. */
export function prepareStillLife(
  { gpu, memory }: SyntheticGuest,
  contextId: number,
  scene: StillLife,
  pictures: readonly { resourceId: number; format: number }[],
): void {
  expectOk(gpu.createContext(contextId, "still-life"), "CTX_CREATE");
  const shown = pictures.map(({ resourceId, format }) => ({
    resourceId,
    format,
    target: virgl.Target.TEXTURE_2D,
    bind: virgl.Bind.RENDER_TARGET | virgl.Bind.SCANOUT,
    width: scene.width,
    height: scene.height,
  }));
  for (const resource of [...scene.descriptions(), ...shown]) {
    expectOk(gpu.createResource3d(resource), "RESOURCE_CREATE_3D");
    expectOk(gpu.attachResource(contextId, resource.resourceId), "CTX_ATTACH_RESOURCE");
  }
  for (const [resourceId, data] of [
    [stillLifeIds.vertices, scene.vertices],
    [stillLifeIds.indices, scene.indices],
  ] as const) {
    const backing = memory.allocate(data.byteLength);
    backing.bytes.set(new Uint8Array(data.buffer));
    expectOk(gpu.attachBacking(resourceId, [backing]), "RESOURCE_ATTACH_BACKING");
    const box = { x: 0, y: 0, z: 0, width: data.byteLength, height: 1, depth: 1 };
    expectOk(gpu.transferToHost3d(contextId, resourceId, { box }), "TRANSFER_TO_HOST_3D");
  }
  const stream = new virgl.CommandStream();
  scene.prepare(stream);
  expectOk(gpu.submit3d(contextId, stream.bytes), "SUBMIT_3D");
}
