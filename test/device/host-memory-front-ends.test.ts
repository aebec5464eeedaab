// crosvm's order of requests and its numbers for shared memory, over the time in which they have moved, and QEMU's.
import { describe, expect, test } from "bun:test";
import { frontEnds } from "../../src/transport/wire/front-ends.ts";
import { ProtocolFeature } from "../../src/transport/wire/vhost-user/protocol.ts";
import { BlobFlag, BlobMem, Feature, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { expectOk, expectType, serveScripted } from "./support.ts";

const page = 4096;
/** QEMU has 20 to 23, of which one is SHMEM. */
const moved = [20, 21, 22, 23];
const gpuFeatures = [Feature.VIRGL, Feature.RESOURCE_BLOB];

describe.each(Object.entries(frontEnds))("as %s has it", (name, { sharedMemoryBit }) => {
  const { withDevice } = serveScripted("--front-end", name);

  test.each(["crosvm", "qemu"] as const)("%s has blobs mapped", (frontend) =>
    withDevice({ frontend, sharedMemoryBit, gpuFeatures, display: null }, (guest) => {
      const { gpu } = guest;
      const window = guest.frontend.window!;
      expect(window.bytes).toBe(256 * 2 ** 20);
      expect(guest.frontend.has(ProtocolFeature.BACKEND_SEND_FD)).toBe(frontend === "qemu");
      expectOk(gpu.createContext(1));
      const blob = { resourceId: 7, mem: BlobMem.HOST3D, flags: BlobFlag.MAPPABLE, size: 2 * page };
      expectOk(gpu.createBlob(blob, [], { contextId: 1 }));
      expectType(gpu.mapBlob(7, window.bytes - 2 * page), Response.OK_MAP_INFO);
      expect(window.mapped).toEqual(new Map([[window.bytes - 2 * page, 2 * page]]));
      expectOk(gpu.unmapBlob(7));
      expect(window.violations).toEqual([]);
    }),
  );

  test("no other bit is offered that means something else to another", () =>
    withDevice({ sharedMemoryBit }, ({ frontend }) => {
      const offered = frontend.getProtocolFeatures();
      expect(moved.filter((bit) => (offered & (1n << BigInt(bit))) !== 0n)).toEqual([sharedMemoryBit]);
    }));
});

describe("with --host-memory 0", () => {
  const { withDevice } = serveScripted("--host-memory", "0");

  test("there is none, and no bit for it", () =>
    withDevice({ sharedMemoryBit: 22, gpuFeatures }, ({ frontend, gpu }) => {
      const bits = [...moved, ProtocolFeature.BACKEND_SEND_FD];
      const offered = frontend.getProtocolFeatures();
      expect(bits.filter((bit) => (offered & (1n << BigInt(bit))) !== 0n)).toEqual([]);
      expect(frontend.window).toBeNull();
      expectType(gpu.mapBlob(1, 0), Response.ERR_INVALID_RESOURCE_ID);
    }));
});
