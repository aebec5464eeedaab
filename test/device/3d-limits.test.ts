// What a guest may ask of the renderer, with limits that a test can reach.

import { describe, expect, test } from "bun:test";
import * as virgl from "../../lab/driver/virgl/index.ts";
import { Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { limitsAreTold, limitTest } from "../support/limit-test.ts";
import {
  bgra,
  clearTo,
  download,
  draw,
  makeContext,
  makeTexture,
  patient,
  run,
  virglServer,
} from "./3d-support.ts";
import { expectOk, expectType, expectWorking, serveTests } from "./support.ts";

const { withDevice, server } = serveTests(
  ...virglServer,
  ...[
    "--backing-entries-max",
    "1",
    "--backing-pieces-max",
    "256",
    "--attachments-max",
    "5",
    "--sub-contexts-max",
    "3",
    "--objects-max",
    "10",
  ],
  ...["--gl-contexts-max", "9", "--total-objects-max", "25", "--object-bytes-max", "65536"],
);
limitsAreTold(() => server().log());
const { ERR_OUT_OF_MEMORY } = Response;

describe("a command stream", () => {
  const create = (ids: readonly number[]) => (stream: virgl.CommandStream) => {
    for (const id of ids) virgl.createSubContext(stream, id);
  };
  const blends = (handles: readonly number[]) => (stream: virgl.CommandStream) => {
    for (const handle of handles) virgl.createBlend(stream, handle);
  };
  const destroyBlends = (handles: readonly number[]) => (stream: virgl.CommandStream) => {
    for (const handle of handles) virgl.destroyObject(stream, virgl.ObjectType.BLEND, handle);
  };
  const handles = (from: number, count: number) => Array.from({ length: count }, (_, at) => from + at);

  limitTest("subContextsMax", "makes no more sub-contexts than a context may have", () =>
    withDevice(patient, (guest) => {
      makeContext(guest);
      expectType(run(guest, create([1, 2, 3, 4])), ERR_OUT_OF_MEMORY);
      draw(guest, create([1, 2, 3]));
      expectType(run(guest, create([4])), ERR_OUT_OF_MEMORY);
      draw(guest, (stream) => virgl.destroySubContext(stream, 2));
      draw(guest, create([4]));
      expectType(run(guest, create([5])), ERR_OUT_OF_MEMORY);
      // Each context counts for itself, and a new one begins with none.
      makeContext(guest, 2);
      draw(guest, create([1, 2, 3]), 2);
      expectOk(guest.gpu.destroyContext(1));
      makeContext(guest, 1);
      draw(guest, create([1, 2, 3]));
    }),
  );

  limitTest(
    "objectsMax",
    "makes no more objects than a context may have, in whatever sub-context, shaders included",
    () =>
      withDevice(patient, (guest) => {
        makeContext(guest);
        expectType(run(guest, blends(handles(1, 11))), ERR_OUT_OF_MEMORY);
        draw(guest, blends(handles(1, 9)));
        draw(guest, (stream) => {
          virgl.createShader(stream, 10, virgl.ShaderType.FRAGMENT, virgl.flatFragments);
        });
        expectType(run(guest, blends([11])), ERR_OUT_OF_MEMORY);
        expectType(
          run(guest, (stream) => {
            virgl.createSubContext(stream, 1);
            virgl.createBlend(stream, 1);
          }),
          ERR_OUT_OF_MEMORY,
        );
        draw(guest, destroyBlends([3, 4, 4, 77]));
        draw(guest, blends([11, 12]));
        expectType(run(guest, blends([13])), ERR_OUT_OF_MEMORY);
      }),
  );

  test("does nothing where it would make too much, and its context goes on", () =>
    withDevice(patient, (guest) => {
      makeContext(guest);
      const texture = makeTexture(guest, 1, 8, 8);
      draw(guest, (stream) => clearTo(stream, texture, [1, 2, 3, 4]));
      const refused = run(guest, (stream) => {
        clearTo(stream, texture, [9, 9, 9, 9]);
        blends(handles(1, 10))(stream);
      });
      expectType(refused, ERR_OUT_OF_MEMORY);
      expect(download(guest, texture)).toEqual(new Uint32Array(64).fill(bgra(1, 2, 3, 4)));
      draw(guest, blends(handles(1, 10)));
    }));

  test("gives back the objects of a sub-context that it destroys", () =>
    withDevice(patient, (guest) => {
      makeContext(guest);
      for (let round = 0; round < 5; round++) {
        draw(guest, (stream) => {
          virgl.createSubContext(stream, 1);
          virgl.setSubContext(stream, 1);
          blends(handles(1, 10))(stream);
        });
        expectType(run(guest, blends([11])), ERR_OUT_OF_MEMORY);
        draw(guest, (stream) => virgl.destroySubContext(stream, 1));
      }
      // What follows is made in the first sub-context again.
      draw(guest, blends(handles(1, 10)));
    }));

  test("counts an object that takes the handle of another once", () =>
    withDevice(patient, (guest) => {
      makeContext(guest);
      for (let round = 0; round < 12; round++) draw(guest, blends([5]));
      draw(guest, blends(handles(6, 9)));
      expectType(run(guest, blends([15])), ERR_OUT_OF_MEMORY);
    }));
});

describe("all contexts together", () => {
  const subContexts = (ids: readonly number[]) => (stream: virgl.CommandStream) => {
    for (const id of ids) virgl.createSubContext(stream, id);
  };
  const blends = (count: number) => (stream: virgl.CommandStream) => {
    for (let handle = 1; handle <= count; handle++) virgl.createBlend(stream, handle);
  };

  limitTest("glContextsMax", "have no more GL contexts than a guest may have", () =>
    withDevice(patient, (guest) => {
      for (const id of [1, 2]) {
        makeContext(guest, id);
        draw(guest, subContexts([1, 2, 3]), id);
      }
      makeContext(guest, 3);
      expectType(run(guest, subContexts([1]), 3), ERR_OUT_OF_MEMORY);
      expectType(guest.gpu.createContext(4), ERR_OUT_OF_MEMORY);
      draw(guest, (stream) => virgl.destroySubContext(stream, 2), 1);
      draw(guest, subContexts([1]), 3);
      expectType(guest.gpu.createContext(4), ERR_OUT_OF_MEMORY);
      expectOk(guest.gpu.destroyContext(1));
      for (const id of [1, 4, 5]) makeContext(guest, id);
      expectType(guest.gpu.createContext(6), ERR_OUT_OF_MEMORY);
    }),
  );

  limitTest("totalObjectsMax", "have no more objects than a guest may have", () =>
    withDevice(patient, (guest) => {
      for (const id of [1, 2, 3]) makeContext(guest, id);
      for (const id of [1, 2]) draw(guest, blends(10), id);
      expectType(run(guest, blends(6), 3), ERR_OUT_OF_MEMORY);
      draw(guest, blends(5), 3);
      expectType(run(guest, blends(1), 3), ERR_OUT_OF_MEMORY);
      expectOk(guest.gpu.destroyContext(2));
      draw(guest, blends(5), 3);
    }),
  );

  limitTest("objectBytesMax", "have no longer objects than a guest may have, in pieces or whole", () =>
    withDevice(patient, (guest) => {
      const text = `${virgl.flatFragments}${" ".repeat(30_000)}`;
      const shader = (handle: number) => (stream: virgl.CommandStream) =>
        virgl.createShader(stream, handle, virgl.ShaderType.FRAGMENT, text);
      makeContext(guest, 1);
      makeContext(guest, 2);
      draw(guest, shader(1), 1);
      draw(guest, shader(1), 2);
      expectType(run(guest, shader(2), 1), ERR_OUT_OF_MEMORY);
      draw(guest, (stream) => virgl.destroyObject(stream, virgl.ObjectType.SHADER, 1), 2);
      draw(guest, shader(2), 1);
      expectOk(guest.gpu.destroyContext(1));
      draw(guest, shader(1), 2);
    }),
  );

  limitTest("attachmentsMax", "hold no more resources than a guest may have held", () =>
    withDevice(patient, (guest) => {
      const { gpu } = guest;
      for (const id of [1, 2]) makeContext(guest, id);
      for (const id of [1, 2, 3]) makeTexture(guest, id, 8, 8, {}, []);
      for (const id of [1, 2, 3]) expectOk(gpu.attachResource(1, id));
      for (const id of [1, 2]) expectOk(gpu.attachResource(2, id));
      expectType(gpu.attachResource(2, 3), ERR_OUT_OF_MEMORY);
      // What is attached already takes no more room.
      expectOk(gpu.attachResource(1, 3));
      draw(guest, (stream) => virgl.createBlend(stream, 1), 2);
      expectOk(gpu.detachResource(1, 1));
      expectOk(gpu.attachResource(2, 3));
      expectType(gpu.attachResource(1, 1), ERR_OUT_OF_MEMORY);
      expectOk(gpu.unrefResource(2));
      expectOk(gpu.attachResource(1, 1));
      expectOk(gpu.destroyContext(2));
      makeContext(guest, 2);
      for (const id of [1, 3]) expectOk(gpu.attachResource(2, id));
    }),
  );

  test("have nothing any more when the guest has gone", async () => {
    for (let round = 0; round < 3; round++) {
      await withDevice(patient, (guest) => {
        for (const id of [1, 2]) {
          makeContext(guest, id);
          draw(guest, subContexts([1, 2, 3]), id);
          draw(guest, blends(10), id);
        }
      });
    }
  });
});

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
