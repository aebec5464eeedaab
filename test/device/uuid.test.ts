// RESOURCE_ASSIGN_UUID and its mistakes (virtio 1.3 §5.7.6.8).

import { describe, expect, test } from "bun:test";
import * as commands from "../../lab/driver/commands.ts";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import type { GuestOptions } from "../../lab/driver/synthetic-guest.ts";
import {
  BlobFlag,
  BlobMem,
  Feature,
  Format,
  ResourceUuid,
  Response,
} from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { expectOk, expectType, serveTests } from "./support.ts";

const { withDevice } = serveTests();
const { ERR_INVALID_RESOURCE_ID, ERR_UNSPEC, OK_RESOURCE_UUID } = Response;
const withUuids: GuestOptions = { gpuFeatures: [Feature.RESOURCE_UUID] };

describe("ASSIGN_UUID", () => {
  for (const frontend of ["qemu", "crosvm"] as const) {
    test(`ASSIGN_UUID to a guest of ${frontend} is offered and returns a random UUID`, () =>
      withDevice({ ...withUuids, frontend }, ({ gpu, ...guest }) => {
        expect((guest.offered >> BigInt(Feature.RESOURCE_UUID)) & 1n).toBe(1n);
        expectOk(gpu.createResource2d(1, Format.B8G8R8X8, 4, 4));
        const { length, uuid, ...result } = gpu.assignUuid(1, { fenceId: 5n });
        expectType(result as never, OK_RESOURCE_UUID);
        expect(length).toBe(ResourceUuid.bytes);
        expect(result.fenceId).toBe(5n);
        // Version 4, which is random, of the variant that RFC 9562 has.
        expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      }));
  }

  test("ASSIGN_UUID twice returns the same, another resource's is another", () =>
    withDevice(withUuids, ({ gpu }) => {
      for (let id = 1; id <= 100; id++) expectOk(gpu.createResource2d(id, Format.B8G8R8X8, 4, 4));
      const ids = Array.from({ length: 100 }, (_, index) => index + 1);
      const uuids = ids.map((id) => gpu.assignUuid(id).uuid);
      expect(new Set(uuids).size).toBe(100);
      expect(ids.map((id) => gpu.assignUuid(id).uuid)).toEqual(uuids);
    }));

  test("ASSIGN_UUID goes with the resource: the id's next one has another", () =>
    withDevice(withUuids, (guest) => {
      const { gpu } = guest;
      const image = gpu.createImage(1, Format.B8G8R8X8, 4, 4);
      gpu.show(0, image);
      const { uuid } = gpu.assignUuid(1);
      expectOk(gpu.detachBacking(1));
      expectOk(gpu.setScanout(0, 0, areaOf(image)));
      expect(gpu.assignUuid(1).uuid).toBe(uuid);
      expectOk(gpu.unrefResource(1));
      expectType(gpu.assignUuid(1), ERR_INVALID_RESOURCE_ID);
      expectOk(gpu.createResource2d(1, Format.B8G8R8X8, 4, 4));
      expect(gpu.assignUuid(1).uuid).not.toBe(uuid);
    }));

  test("ASSIGN_UUID of a resource from before the driver's restart returns ERR_INVALID_RESOURCE_ID", () =>
    withDevice(withUuids, (guest) => {
      expectOk(guest.gpu.createResource2d(1, Format.B8G8R8X8, 4, 4));
      const { uuid } = guest.gpu.assignUuid(1);
      guest.stop();
      guest.queues.forEach((queue) => queue.reset(0));
      guest.start();
      expectType(guest.gpu.assignUuid(1), ERR_INVALID_RESOURCE_ID);
      expectOk(guest.gpu.createResource2d(1, Format.B8G8R8X8, 4, 4));
      expect(guest.gpu.assignUuid(1).uuid).not.toBe(uuid);
    }));

  test("ASSIGN_UUID of a blob returns one, whatever becomes of its pages", () =>
    withDevice({ gpuFeatures: [Feature.RESOURCE_UUID, Feature.RESOURCE_BLOB] }, ({ gpu, memory }) => {
      const page = memory.allocate(4096);
      const blob = { resourceId: 1, mem: BlobMem.GUEST, flags: BlobFlag.SHAREABLE, size: 4096 };
      expectOk(gpu.createBlob(blob, [page]));
      const { uuid } = gpu.assignUuid(1);
      expect(uuid).not.toBe("");
      expectOk(gpu.detachBacking(1));
      expect(gpu.assignUuid(1).uuid).toBe(uuid);
      expectOk(gpu.unrefResource(1));
      expectOk(gpu.createBlob(blob, [page]));
      expect(gpu.assignUuid(1).uuid).not.toBe(uuid);
    }));

  for (const id of [0, 2, 0xffff_ffff]) {
    test(`ASSIGN_UUID of id ${id}, which is nobody's, returns ERR_INVALID_RESOURCE_ID`, () =>
      withDevice(withUuids, ({ gpu }) => {
        expectOk(gpu.createResource2d(1, Format.B8G8R8X8, 4, 4));
        expectType(gpu.assignUuid(id), ERR_INVALID_RESOURCE_ID);
      }));
  }

  test("ASSIGN_UUID without the feature returns ERR_UNSPEC", () =>
    withDevice({}, ({ gpu }) => {
      expectOk(gpu.createResource2d(1, Format.B8G8R8X8, 4, 4));
      expectType(gpu.assignUuid(1), ERR_UNSPEC);
    }));

  test("ASSIGN_UUID cut short returns ERR_UNSPEC, with no room for the UUID as much as there is", () =>
    withDevice(withUuids, ({ gpu, control }) => {
      expectOk(gpu.createResource2d(1, Format.B8G8R8X8, 4, 4));
      const whole = commands.assignUuid(1);
      expectType(control.call(new DataView(whole.buffer, 0, 28)), ERR_UNSPEC);
      expect(control.call(whole, { responseBytes: 32 }).length).toBe(32);
      expectType(gpu.assignUuid(1), OK_RESOURCE_UUID);
    }));
});
