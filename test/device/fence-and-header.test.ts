// What every command has in common: fences, the echoed header, lengths, and room for the answer (virtio 1.3 §5.7.6.7).

import { describe, expect, test } from "bun:test";
import { untouched } from "../../lab/driver/command-queue.ts";
import * as commands from "../../lab/driver/commands.ts";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import {
  Command,
  Cursor,
  DisplayInfo,
  Edid,
  Response,
} from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { expectOk, expectType, expectWorking, serveTests } from "./support.ts";

const { withDevice } = serveTests();
const { ERR_INVALID_PARAMETER, ERR_INVALID_RESOURCE_ID, ERR_UNSPEC, OK_DISPLAY_INFO, OK_EDID } = Response;
const fenceIds = [0n, 1n, 2n ** 32n + 5n, 2n ** 63n, 2n ** 64n - 1n];
const place = { scanoutId: 0, x: 3, y: 4 };

describe("fences", () => {
  for (const fenceId of fenceIds) {
    test(`fenced command with id 0x${fenceId.toString(16)} echoes flag id and context`, () =>
      withDevice({}, ({ gpu }) => {
        const result = gpu.createResource2d(1, 1, 4, 4, { fenceId, contextId: 77 });
        expectOk(result);
        expect(result).toMatchObject({ flags: 1, fenceId, contextId: 77 });
      }));

    test(`fenced cursor command with id 0x${fenceId.toString(16)} echoes flag id and context`, () =>
      withDevice({}, ({ gpu }) => {
        const result = gpu.moveCursor(place, { fenceId, contextId: 9 });
        expectOk(result);
        expect(result).toMatchObject({ flags: 1, fenceId, contextId: 9 });
      }));

    test(`fenced refused command with id 0x${fenceId.toString(16)} echoes too`, () =>
      withDevice({}, ({ gpu }) => {
        const result = gpu.unrefResource(5, { fenceId, contextId: 3 });
        expectType(result, ERR_INVALID_RESOURCE_ID);
        expect(result).toMatchObject({ flags: 1, fenceId, contextId: 3 });
      }));
  }

  test("fenced unknown command returns ERR_UNSPEC and echoes", () =>
    withDevice({}, ({ gpu }) => {
      for (const queue of [gpu.control, gpu.cursor]) {
        const result = queue.call(commands.request(0x0999, 24, { fenceId: 42n, contextId: 1 }));
        expectType(result, ERR_UNSPEC);
        expect(result).toMatchObject({ flags: 1, fenceId: 42n, contextId: 1 });
      }
    }));

  test("fenced parked commands echo", () =>
    withDevice({}, ({ gpu }) => {
      const info = gpu.getDisplayInfo({ fenceId: 2n ** 40n, contextId: 5 });
      expectType(info, OK_DISPLAY_INFO);
      expect(info).toMatchObject({ flags: 1, fenceId: 2n ** 40n, contextId: 5 });
      const edid = gpu.getEdid(0, { fenceId: 2n ** 41n, contextId: 6 });
      expectType(edid, OK_EDID);
      expect(edid).toMatchObject({ flags: 1, fenceId: 2n ** 41n, contextId: 6 });
      const image = gpu.createImage(1, 1, 64, 64);
      const cursor = gpu.updateCursor(place, image.resourceId, 0, 0, { fenceId: 2n ** 42n, contextId: 7 });
      expectOk(cursor);
      expect(cursor).toMatchObject({ flags: 1, fenceId: 2n ** 42n, contextId: 7 });
    }));

  test("unfenced command has no fence flag", () =>
    withDevice({}, ({ gpu }) => {
      expect(gpu.createResource2d(1, 1, 4, 4).flags & 1).toBe(0);
    }));

  test("a thousand fenced commands in flight complete with their own ids", () =>
    withDevice({}, ({ gpu }) => {
      const sent = Array.from({ length: 1000 }, (_, at) =>
        gpu.control.submit(commands.createResource2d(at + 1, 1, 4, 4, { fenceId: BigInt(at) << 30n })),
      );
      gpu.control.waitAll();
      sent.forEach(({ result }, at) => {
        expectOk(result);
        expect(result.fenceId).toBe(BigInt(at) << 30n);
      });
    }));

  for (const ringIndex of [0, 63, 64, 255]) {
    test(`ring index ${ringIndex} without context init is no reason to fail`, () =>
      withDevice({}, ({ gpu }) => {
        const result = gpu.createResource2d(1, 1, 4, 4, { fenceId: 8n, ringIndex });
        expect(result.length).toBe(24);
        expect(result.fenceId).toBe(8n);
        expect([Response.OK_NODATA, ERR_UNSPEC, ERR_INVALID_PARAMETER] as number[]).toContain(result.type);
      }));
  }
});

describe("commands that the device does not have", () => {
  const named: number[] = [
    Command.RESOURCE_ASSIGN_UUID,
    Command.RESOURCE_CREATE_BLOB,
    Command.SET_SCANOUT_BLOB,
    Command.CTX_CREATE,
    Command.CTX_DESTROY,
    Command.CTX_ATTACH_RESOURCE,
    Command.CTX_DETACH_RESOURCE,
    Command.RESOURCE_CREATE_3D,
    Command.TRANSFER_TO_HOST_3D,
    Command.TRANSFER_FROM_HOST_3D,
    Command.SUBMIT_3D,
    Command.RESOURCE_MAP_BLOB,
    Command.RESOURCE_UNMAP_BLOB,
  ];
  const unknown = [
    0,
    1,
    0xff,
    0x0100 - 1,
    0x010e,
    0x01ff,
    0x020a,
    0x02ff,
    0x0300,
    0x0302,
    0x1100,
    0x1200,
    0xffff_ffff,
  ];
  for (const type of [...named, ...unknown]) {
    test(`control command 0x${type.toString(16)} returns ERR_UNSPEC`, () =>
      withDevice({}, (guest) => {
        expectType(guest.control.call(commands.request(type, 128)), ERR_UNSPEC);
        expectWorking(guest);
      }));
  }

  for (const type of [Command.GET_DISPLAY_INFO, Command.RESOURCE_CREATE_2D, 0, 0x0302, 0xffff_ffff]) {
    test(`cursor queue command 0x${type.toString(16)} returns ERR_UNSPEC`, () =>
      withDevice({}, (guest) => {
        expectType(guest.cursor.call(commands.request(type, 128), { responseBytes: 24 }), ERR_UNSPEC);
        expectWorking(guest);
      }));
  }

  for (const index of [0, 1, 2, 99, 0xffff_ffff]) {
    test(`get capset info index ${index} returns ERR_INVALID_PARAMETER`, () =>
      withDevice({}, ({ gpu }) => {
        const result = gpu.getCapsetInfo(index);
        expectType(result, ERR_INVALID_PARAMETER);
        expect(result.bytes.slice(result.length).every((byte) => byte === untouched)).toBe(true);
      }));
  }

  for (const id of [0, 1, 2, 3, 63, 64, 2 ** 31, 0xffff_ffff]) {
    test(`get capset id ${id} returns ERR_INVALID_PARAMETER`, () =>
      withDevice({}, ({ gpu }) => {
        for (const version of [0, 1, 0xffff_ffff]) {
          const result = gpu.getCapset(id, version);
          expectType(result, ERR_INVALID_PARAMETER);
          expect(result.length).toBe(24);
          expect(result.bytes.slice(24).every((byte) => byte === untouched)).toBe(true);
        }
      }));
  }
});

describe("short requests", () => {
  for (let length = 0; length < 24; length += 1) {
    test(`control request of ${length} bytes returns ERR_UNSPEC`, () =>
      withDevice({}, (guest) => {
        const bytes = new Uint8Array(commands.getDisplayInfo().buffer as ArrayBuffer).slice(0, length);
        expectType(guest.control.call(bytes, { responseBytes: 24 }), ERR_UNSPEC);
        expectWorking(guest);
      }));
  }

  const whole: [string, DataView][] = [
    ["CREATE_2D", commands.createResource2d(1, 1, 4, 4)],
    ["unref", commands.unrefResource(1)],
    ["SET_SCANOUT", commands.setScanout(0, 0, areaOf({ width: 4, height: 4 }))],
    ["flush", commands.flushResource(1, areaOf({ width: 4, height: 4 }))],
    ["transfer", commands.transferToHost2d(1, areaOf({ width: 4, height: 4 }), 0)],
    ["ATTACH_BACKING", commands.attachBacking(1, [])],
    ["DETACH_BACKING", commands.detachBacking(1)],
    ["GET_EDID", commands.getEdid(0)],
    ["get capset info", commands.getCapsetInfo(0)],
    ["get capset", commands.getCapset(1, 1)],
  ];
  for (const [name, request] of whole) {
    test(`${name} one byte short returns ERR_UNSPEC`, () =>
      withDevice({}, ({ control }) => {
        const bytes = new Uint8Array(request.buffer as ArrayBuffer).slice(0, -1);
        expectType(control.call(bytes, { responseBytes: 24 }), ERR_UNSPEC);
        expectType(control.call(bytes.slice(0, 24), { responseBytes: 24 }), ERR_UNSPEC);
      }));

    test(`${name} with bytes to spare is answered as without`, () =>
      withDevice({}, ({ control }) => {
        const bytes = new Uint8Array(request.byteLength + 100);
        bytes.set(new Uint8Array(request.buffer as ArrayBuffer));
        const plain = control.call(request);
        control.call(commands.unrefResource(1));
        expect(control.call(bytes).type).toBe(plain.type);
      }));
  }

  test("cursor commands one byte short return ERR_UNSPEC", () =>
    withDevice({}, ({ cursor }) => {
      for (const request of [commands.moveCursor(place, 1), commands.updateCursor(place, 0)]) {
        const bytes = new Uint8Array(request.buffer as ArrayBuffer).slice(0, Cursor.bytes - 1);
        expectType(cursor.call(bytes, { responseBytes: 24 }), ERR_UNSPEC);
      }
    }));
});

describe("room for the answer", () => {
  test("no room returns length 0 and the command is done", () =>
    withDevice({}, ({ gpu }) => {
      const result = gpu.control.call(commands.createResource2d(1, 1, 4, 4), { responseBytes: 0 });
      expect(result.length).toBe(0);
      expectOk(gpu.unrefResource(1));
    }));

  for (const room of [1, 4, 23]) {
    test(`room of ${room} bytes is never overrun`, () =>
      withDevice({}, (guest) => {
        const { control } = guest;
        const result = control.call(commands.createResource2d(1, 1, 4, 4), { responseBytes: room });
        expect(result.length).toBeLessThanOrEqual(room);
        expect(result.bytes.slice(result.length).every((byte) => byte === untouched)).toBe(true);
        expectWorking(guest);
      }));
  }

  test("room to spare is left untouched", () =>
    withDevice({}, ({ control }) => {
      const result = control.call(commands.createResource2d(1, 1, 4, 4), { responseBytes: 1000 });
      expectOk(result);
      expect(result.bytes.slice(24).every((byte) => byte === untouched)).toBe(true);
    }));

  test("answer is split over any descriptors", () =>
    withDevice({}, ({ control }) => {
      const splits = [[1, 23], [8, 0, 8, 0, 8], Array.from({ length: 24 }, () => 1), [0, 0, 24], [5, 100]];
      splits.forEach((responsePieces, at) => {
        const request = commands.createResource2d(at + 1, 1, 4, 4, { fenceId: 2n ** 60n });
        const result = control.call(request, { responsePieces });
        expectOk(result);
        expect(result.fenceId).toBe(2n ** 60n);
      });
    }));

  test("display info split over 16 descriptors is whole", () =>
    withDevice({}, ({ control, gpu }) => {
      const whole = gpu.getDisplayInfo();
      const responsePieces = Array.from({ length: 16 }, (_, at) =>
        at < 15 ? 25 : DisplayInfo.bytes - 15 * 25,
      );
      const result = control.call(commands.getDisplayInfo(), { responsePieces });
      expectType(result, OK_DISPLAY_INFO);
      expect(result.bytes).toEqual(whole.bytes);
    }));

  for (const [name, request, bytes] of [
    ["display info", commands.getDisplayInfo(), DisplayInfo.bytes],
    ["edid", commands.getEdid(0), Edid.bytes],
  ] as const) {
    for (const room of [0, 23, 24, 100, bytes - 1]) {
      test(`${name} into ${room} bytes is never overrun`, () =>
        withDevice({}, (guest) => {
          const result = guest.control.call(request, { responseBytes: room });
          expect(result.length).toBeLessThanOrEqual(room);
          expect(result.bytes.slice(result.length).every((byte) => byte === untouched)).toBe(true);
          expectWorking(guest);
        }));
    }
  }

  test("cursor commands are answered where there is room", () =>
    withDevice({}, ({ gpu }) => {
      expectOk(gpu.cursor.call(commands.moveCursor(place, 1), { responseBytes: 24 }));
      expect(gpu.cursor.call(commands.moveCursor(place, 1), { responseBytes: 0 }).length).toBe(0);
      gpu.createImage(1, 1, 64, 64);
      expectOk(gpu.cursor.call(commands.updateCursor(place, 1), { responsePieces: [3, 21] }));
      expect(gpu.cursor.call(commands.updateCursor(place, 1), { responseBytes: 0 }).length).toBe(0);
      expectOk(gpu.cursor.call(commands.updateCursor(place, 0), { responseBytes: 24 }));
    }));
});
