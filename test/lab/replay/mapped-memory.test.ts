// A recorded guest that had memory of the host mapped is played with a VMM that maps it, too.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { frontEnds } from "../../../src/transport/wire/front-ends.ts";
import {
  BlobFlag,
  BlobMem,
  Capset,
  Feature,
  Response,
} from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { expectOk, expectType } from "../../device/support.ts";
import { record } from "../../support/recorded.ts";
import { runProgram } from "../../support/run-program.ts";

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), "fencepost-test-"))));
afterAll(() => rmSync(folder, { recursive: true }));

test("what was mapped and unmapped is so again, and after a reboot", async () => {
  const file = join(folder, "mapped.fpr");
  const args = ["--renderer", "virgl", "--vulkan", "on"];
  const page = 4096;
  const options = {
    sharedMemoryBit: frontEnds.current.sharedMemoryBit,
    gpuFeatures: [Feature.VIRGL, Feature.CONTEXT_INIT, Feature.RESOURCE_BLOB],
    display: null,
  };
  await record(
    file,
    args,
    (guest) => {
      const { gpu, frontend, queues } = guest;
      for (let boot = 0; boot < 2; boot++) {
        expectOk(gpu.createContext(1, "vulkan", Capset.VENUS));
        for (const resourceId of [1, 2]) {
          const blob = { resourceId, mem: BlobMem.HOST3D, flags: BlobFlag.MAPPABLE, size: page };
          expectOk(gpu.createBlob(blob, [], { contextId: 1 }));
          expectType(gpu.mapBlob(resourceId, resourceId * page), Response.OK_MAP_INFO);
        }
        expectType(gpu.mapBlob(1, 8 * page), Response.ERR_UNSPEC);
        expectOk(gpu.unmapBlob(1));
        if (boot > 0) continue;
        guest.stop();
        frontend.window!.reset();
        for (const queue of queues) queue.reset(0);
        guest.start();
      }
      expect(frontend.window!.violations).toEqual([]);
    },
    0,
    options,
  );
  const { code, out, error } = runProgram("replay", file, "--server", args.slice(1).join(" "), "--compare");
  expect(error).toBe("");
  expect(out).toContain("nothing else differs");
  expect(code).toBe(0);
});
