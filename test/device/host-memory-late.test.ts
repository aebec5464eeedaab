// A front-end that leaves what it is asked to map unanswered: that costs the mapping, and nothing else waits for it.
import { expect, test } from "bun:test";
import { mapBlob } from "../../lab/driver/commands-blob.ts";
import { frontEnds } from "../../src/transport/wire/front-ends.ts";
import { BlobFlag, BlobMem, Feature, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { expectOk, expectType, expectWorking, serveScripted } from "./support.ts";

const { OK_MAP_INFO, ERR_UNSPEC } = Response;
const page = 4096;
const limitMs = 1_000;

const { withDevice } = serveScripted("--host-memory-timeout-ms", String(limitMs));

test("a front-end that stalls costs the mapping after the limit, and undoes it when it maps after all", () =>
  withDevice(
    {
      sharedMemoryBit: frontEnds.current.sharedMemoryBit,
      gpuFeatures: [Feature.VIRGL, Feature.RESOURCE_BLOB],
      display: null,
    },
    (guest) => {
      const { control, gpu } = guest;
      const window = guest.frontend.window!;
      expectOk(gpu.createContext(1));
      for (const resourceId of [7, 8]) {
        const blob = { resourceId, mem: BlobMem.HOST3D, flags: BlobFlag.MAPPABLE, size: page };
        expectOk(gpu.createBlob(blob, [], { contextId: 1 }));
      }
      expectType(gpu.mapBlob(8, 0), OK_MAP_INFO);
      window.manner = "stall";
      const from = performance.now();
      const map = control.submit(mapBlob(7, page));
      // The queue does not wait.
      expectWorking(guest);
      expectType(control.wait(map), ERR_UNSPEC);
      expect(performance.now() - from).toBeGreaterThanOrEqual(limitMs);
      // Until it has answered nothing else is tried.
      expectType(gpu.mapBlob(7, 2 * page), ERR_UNSPEC);
      expectType(gpu.unmapBlob(8), ERR_UNSPEC);
      window.catchUp();
      // What it did too late is undone, and what could not be asked is done.
      guest.pump.until(() => window.mapped.size === 0 && window.asked === 4, "all being unmapped");
      guest.pump.until(() => gpu.mapBlob(7, page).type === OK_MAP_INFO, "a map that is done");
      expect(window.violations).toEqual([]);
    },
  ));
