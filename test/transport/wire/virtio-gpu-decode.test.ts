// Every command's bytes, decoded.

import { describe, expect, test } from "bun:test";
import * as commands from "../../../lab/driver/commands.ts";
import { decodeRequest, responseName } from "../../../src/transport/wire/virtio-gpu/decode.ts";
import { Command } from "../../../src/transport/wire/virtio-gpu/protocol.ts";

const bytesOf = (request: DataView): Uint8Array => new Uint8Array(request.buffer);

/** A request of `bytes` bytes whose words behind the header are 1, 2, 3 and so on. */
function counted(type: number, bytes: number): Uint8Array {
  const request = commands.request(type, bytes, {});
  for (let at = 24; at + 4 <= bytes; at += 4) request.setUint32(at, (at - 20) / 4, true);
  return bytesOf(request);
}

/** The fields of each command, in order, with the word at which each lies. */
const expected: Record<keyof typeof Command, Record<string, number | string>> = {
  GET_DISPLAY_INFO: {},
  RESOURCE_CREATE_2D: { resourceId: 1, format: "B8G8R8X8", width: 3, height: 4 },
  RESOURCE_UNREF: { resourceId: 1 },
  SET_SCANOUT: { x: 1, y: 2, width: 3, height: 4, scanoutId: 5, resourceId: 6 },
  RESOURCE_FLUSH: { x: 1, y: 2, width: 3, height: 4, resourceId: 5 },
  TRANSFER_TO_HOST_2D: { x: 1, y: 2, width: 3, height: 4, offset: 6 * 2 ** 32 + 5, resourceId: 7 },
  RESOURCE_ATTACH_BACKING: {
    resourceId: 1,
    entryCount: 2,
    ...{ address0: 4 * 2 ** 32 + 3, length0: 5, address1: 8 * 2 ** 32 + 7, length1: 9 },
  },
  RESOURCE_DETACH_BACKING: { resourceId: 1 },
  GET_CAPSET_INFO: { capsetIndex: 1 },
  GET_CAPSET: { capsetId: 1, capsetVersion: 2 },
  GET_EDID: { scanoutId: 1 },
  RESOURCE_ASSIGN_UUID: { resourceId: 1 },
  RESOURCE_CREATE_BLOB: {
    ...{ resourceId: 1, blobMem: 2, blobFlags: 3, entryCount: 4 },
    ...{ blobId: 6 * 2 ** 32 + 5, size: 8 * 2 ** 32 + 7 },
  },
  SET_SCANOUT_BLOB: {
    ...{
      x: 1,
      y: 2,
      width: 3,
      height: 4,
      scanoutId: 5,
      resourceId: 6,
      blobWidth: 7,
      blobHeight: 8,
      format: 9,
    },
    ...{
      stride0: 11,
      offset0: 15,
      stride1: 12,
      offset1: 16,
      stride2: 13,
      offset2: 17,
      stride3: 14,
      offset3: 18,
    },
  },
  CTX_CREATE: { nameLength: 1, contextInit: 2, name: "\u0003" },
  CTX_DESTROY: {},
  CTX_ATTACH_RESOURCE: { resourceId: 1 },
  CTX_DETACH_RESOURCE: { resourceId: 1 },
  RESOURCE_CREATE_3D: {
    ...{ resourceId: 1, target: 2, format: "A8R8G8B8", bind: 4, width: 5, height: 6, depth: 7 },
    ...{ arraySize: 8, lastLevel: 9, samples: 10, flags: 11 },
  },
  TRANSFER_TO_HOST_3D: {
    ...{ x: 1, y: 2, z: 3, width: 4, height: 5, depth: 6 },
    ...{ offset: 8 * 2 ** 32 + 7, resourceId: 9, level: 10, stride: 11, layerStride: 12 },
  },
  TRANSFER_FROM_HOST_3D: {
    ...{ x: 1, y: 2, z: 3, width: 4, height: 5, depth: 6 },
    ...{ offset: 8 * 2 ** 32 + 7, resourceId: 9, level: 10, stride: 11, layerStride: 12 },
  },
  SUBMIT_3D: { size: 1 },
  RESOURCE_MAP_BLOB: { resourceId: 1, offset: 4 * 2 ** 32 + 3 },
  RESOURCE_UNMAP_BLOB: { resourceId: 1 },
  UPDATE_CURSOR: { scanoutId: 1, x: 2, y: 3, resourceId: 5, hotX: 6, hotY: 7 },
  MOVE_CURSOR: { scanoutId: 1, x: 2, y: 3, resourceId: 5, hotX: 6, hotY: 7 },
};
const lengths: Partial<Record<keyof typeof Command, number>> = {
  RESOURCE_ATTACH_BACKING: 64,
  CTX_CREATE: 96,
};

test.each(Object.keys(expected) as (keyof typeof Command)[])("each field of %s has its name", (name) => {
  const { fields, missing, ...rest } = decodeRequest(counted(Command[name], lengths[name] ?? 96));
  expect(rest).toEqual({ name, flags: [] });
  const wanted = expected[name];
  expect(fields).toMatchObject({ contextId: 0, ...wanted });
  const more = name === "RESOURCE_CREATE_BLOB" ? 4 : 0;
  expect(Object.keys(fields).length).toBe(1 + Object.keys(wanted).length + more);
  expect(missing).toEqual(more > 0 ? ["entries from 2 on"] : []);
});

describe("a header", () => {
  test("shows its fence and ring where its flags say that it has them", () => {
    const request = bytesOf(commands.request(Command.SUBMIT_3D, 32, {}));
    const view = new DataView(request.buffer);
    view.setUint32(4, 3, true);
    view.setBigUint64(8, 0xffff_ffff_0000_0001n, true);
    view.setUint32(16, 5, true);
    view.setUint8(20, 9);
    const { flags, fields } = decodeRequest(request);
    expect(flags).toEqual(["FENCE", "INFO_RING_IDX"]);
    expect(fields).toEqual({ fenceId: "0xffffffff00000001", contextId: 5, ringIndex: 9, size: 0 });
  });

  test("says flags that nobody knows as a number", () => {
    const request = commands.request(Command.CTX_DESTROY, 24, {});
    request.setUint32(4, 0x8000_0001, true);
    expect(decodeRequest(bytesOf(request)).flags).toEqual(["FENCE", "0x80000000"]);
  });
});

test("what is too short names what is missing, and what is unknown its number", () => {
  expect(decodeRequest(counted(Command.RESOURCE_FLUSH, 36)).missing).toEqual(["height", "resourceId"]);
  expect(decodeRequest(new Uint8Array(0))).toEqual({
    ...{ name: "nothing", flags: [], fields: {}, missing: ["contextId"] },
  });
  expect(decodeRequest(counted(0x999, 24)).name).toBe("command 0x999");
  expect([responseName(0x1203), responseName(7)]).toEqual(["ERR_INVALID_RESOURCE_ID", "response 0x7"]);
});
