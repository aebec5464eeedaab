// What a guest may ask of the renderer, with limits that a test can reach.

import { expect, test } from "bun:test";
import * as virgl from "../../lab/driver/virgl/index.ts";
import { Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { patient, virglServer } from "./3d-support.ts";
import { expectOk, expectType, expectWorking, serveTests } from "./support.ts";

const { withDevice } = serveTests(...virglServer, "--backing-entries-max", "1");
const { ERR_OUT_OF_MEMORY } = Response;

test("pieces of host memory count, where one entry of a backing lies in many regions", () => {
  const last = { guestAddress: 16 << 20, size: 4096 };
  const regions = Array.from({ length: 8 }, (_, at) => ({
    ...last,
    guestAddress: last.guestAddress + at * 4096,
  }));
  const memory = [{ guestAddress: 0, size: 16 << 20 }, ...regions];
  return withDevice({ ...patient, memory }, (guest) => {
    const { gpu } = guest;
    const entry = { address: last.guestAddress, length: 8 * 4096 };
    const attach = (resourceId: number) => {
      const { BUFFER } = virgl.Target;
      const { R8_UNORM } = virgl.VirglFormat;
      const bind = virgl.Bind.STAGING;
      expectOk(
        gpu.createResource3d({ resourceId, target: BUFFER, format: R8_UNORM, bind, width: entry.length }),
      );
      return gpu.attachBacking(resourceId, [entry]);
    };
    // 256 backings of one entry each may exist.
    for (let id = 1; id <= 32; id++) expectOk(attach(id));
    expectType(attach(33), ERR_OUT_OF_MEMORY);
    expectOk(gpu.detachBacking(7));
    expectOk(gpu.attachBacking(33, [entry]));
    expectWorking(guest);
    expect(guest.memory.regions.length).toBe(9);
  });
});
