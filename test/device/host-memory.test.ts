// Host-visible memory through the real socket: what a guest maps is one memory with the host's, and whatever a guest or a front-end
// does wrong costs no more than its own mapping (QEMU's channel, libkrun#790, hostile-input.md 15).
import { describe, expect, test } from "bun:test";
import { closeSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { mapBlob, unmapBlob } from "../../lab/driver/commands-blob.ts";
import type { HeaderFields } from "../../lab/driver/commands.ts";
import { request } from "../../lab/driver/commands.ts";
import type { GuestOptions, SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import type { HostWindow } from "../../lab/vmm/host-window.ts";
import { frontEnds } from "../../src/transport/wire/front-ends.ts";
import { ProtocolFeature, ShmemConfig } from "../../src/transport/wire/vhost-user/protocol.ts";
import {
  BlobFlag,
  BlobMem,
  Command,
  Feature,
  Format,
  MapCache,
  OfResource,
  Response,
} from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { filesOf } from "../support/fds.ts";
import { limitsAreTold, limitTest } from "../support/limit-test.ts";
import { expectOk, expectType, expectWorking, serveScripted } from "./support.ts";

const { OK_MAP_INFO, OK_NODATA, ERR_UNSPEC, ERR_INVALID_PARAMETER, ERR_INVALID_RESOURCE_ID } = Response;
const page = 4096;
const windowBytes = 64 * page;

const { server, withDevice, expectServing } = serveScripted(
  ...["--host-memory", "256K", "--host-memory-timeout-ms", "600000", "--mappings-max", "200"],
);

const features = [
  Feature.VIRGL,
  Feature.EDID,
  Feature.RESOURCE_UUID,
  Feature.RESOURCE_BLOB,
  Feature.CONTEXT_INIT,
];
const generic: GuestOptions = {
  sharedMemoryBit: frontEnds.current.sharedMemoryBit,
  gpuFeatures: features,
  display: null,
};

/** Boots a guest behind a front-end with a window, and a context for its blobs. */
const withWindow = (
  body: (guest: SyntheticGuest, window: HostWindow) => unknown,
  options: GuestOptions = generic,
): Promise<void> =>
  withDevice(options, async (guest) => {
    expectOk(guest.gpu.createContext(1));
    await body(guest, guest.frontend.window!);
    expect(guest.frontend.window!.violations).toEqual([]);
  });

const inContext: HeaderFields = { contextId: 1 };

function create(
  guest: SyntheticGuest,
  resourceId: number,
  size = page,
  flags: number = BlobFlag.MAPPABLE,
): void {
  expectOk(guest.gpu.createBlob({ resourceId, mem: BlobMem.HOST3D, flags, size }, [], inContext));
}

function expectMapped(guest: SyntheticGuest, resourceId: number, offset: number): void {
  const result = guest.gpu.mapBlob(resourceId, offset);
  expectType(result, OK_MAP_INFO);
  expect(result.mapInfo).toBe(MapCache.CACHED);
}

/** The blob's memory as the server has it: that of the only blob there is. */
function onHost<Value>(use: (fd: number) => Value): Value {
  const blob = filesOf(server().ctrlQueuePid).find(({ file }) => file.includes("memfd:scripted-blob"))!;
  const fd = openSync(blob.path, "r+");
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}

describe("a blob that is mapped", () => {
  test("is one memory for guest and host", () =>
    withWindow((guest, window) => {
      create(guest, 7, 3 * page);
      expectMapped(guest, 7, 4 * page);
      const seen = window.view(4 * page, 3 * page);
      seen.fill(0x5a, page, page + 16);
      const read = new Uint8Array(16);
      onHost((fd) => readSync(fd, read, 0, 16, page));
      expect([...read]).toEqual(Array.from({ length: 16 }, () => 0x5a));
      onHost((fd) => writeSync(fd, Uint8Array.of(1, 2, 3), 0, 3, 2 * page + 5));
      expect([...seen.subarray(2 * page + 5, 2 * page + 8)]).toEqual([1, 2, 3]);
      expect(window.mapped).toEqual(new Map([[4 * page, 3 * page]]));

      expectOk(guest.gpu.unmapBlob(7));
      expect(window.mapped.size).toBe(0);
      // It keeps what was written, wherever it is mapped next.
      expectMapped(guest, 7, 0);
      expect(window.view(0, 3 * page)[page]).toBe(0x5a);
    }));

  test("takes whole pages, and may end in the middle of its last", () =>
    withWindow((guest, window) => {
      create(guest, 7, page + 1);
      expectMapped(guest, 7, windowBytes - 2 * page);
      expect(window.mapped).toEqual(new Map([[windowBytes - 2 * page, 2 * page]]));
    }));

  test("goes with its resource, whose id and place are free at once", () =>
    withWindow((guest, window) => {
      for (let round = 0; round < 20; round++) {
        create(guest, 7, 2 * page);
        const map = guest.control.submit(mapBlob(7, page));
        const unref = guest.control.submit(request(Command.RESOURCE_UNREF, 32));
        guest.control.waitAll();
        expectType(map.result, OK_MAP_INFO);
        expectType(unref.result, ERR_INVALID_RESOURCE_ID);
        expectOk(guest.gpu.unrefResource(7));
      }
      guest.pump.until(() => window.mapped.size === 0, "the last of them being unmapped");
    }));

  test("stays while its ring is stopped and goes on", () =>
    withWindow((guest, window) => {
      create(guest, 7);
      expectMapped(guest, 7, 0);
      guest.stop();
      guest.start();
      expect(window.mapped.size).toBe(1);
      expectOk(guest.gpu.unmapBlob(7));
      expect(window.mapped.size).toBe(0);
    }));

  test("is forgotten by a driver that starts anew, and the front-end is not asked", () =>
    withWindow((guest, window) => {
      create(guest, 7, 8 * page);
      expectMapped(guest, 7, 0);
      guest.stop();
      window.reset();
      guest.queues.forEach((queue) => queue.reset(0));
      guest.start();
      expectOk(guest.gpu.createContext(1));
      create(guest, 7);
      expectMapped(guest, 7, page);
      expect(window.mapped).toEqual(new Map([[page, page]]));
    }));

  test("costs the next guest nothing when its front-end goes", async () => {
    await withWindow((guest) => {
      create(guest, 7);
      expectMapped(guest, 7, 0);
    });
    expectServing();
    await withWindow((guest) => {
      create(guest, 7);
      expectMapped(guest, 7, 0);
    });
    expect(server().log()).not.toMatch(/no host memory is mapped/);
  });

  test("leaves nothing behind in ten thousand rounds", () =>
    withWindow((guest, window) => {
      const { gpu, control } = guest;
      create(guest, 7);
      const round = (count: number): void => {
        for (let index = 0; index < count; index++) {
          const map = control.submit(mapBlob(7, (index % 64) * page));
          const unmap = control.submit(unmapBlob(7));
          control.waitAll();
          if (map.result.type !== OK_MAP_INFO) expectType(map.result, OK_MAP_INFO);
          if (unmap.result.type !== OK_NODATA) expectOk(unmap.result);
        }
      };
      const held = (): { fds: number; mappings: number } => ({
        fds: server().usage().fds,
        mappings: readFileSync(`/proc/${server().ctrlQueuePid}/maps`, "utf8").split("scripted-blob").length,
      });
      round(100);
      const before = held();
      round(10_000);
      expect(held()).toEqual(before);
      expect(window.mapped.size).toBe(0);
      expectMapped(guest, 7, 0);
      expectOk(gpu.unrefResource(7));
    }));
});

describe("a map that makes no sense", () => {
  const two53 = 2n ** 53n;
  test.each([
    ["not at a page", 1],
    ["half a page in", page / 2],
    ["past the window", windowBytes],
    ["across its end", windowBytes - page],
    ["far past it", 2 ** 40],
    ["at 2^53", two53],
    ["at a page above 2^53", two53 + 4096n],
    ["wrapping around by a page", 2n ** 64n - 4096n],
    ["wrapping around by its size", 2n ** 64n - 8192n],
    ["at the last byte of all", 2n ** 64n - 1n],
    ["by the sign", 2n ** 63n],
  ] as const)("%s returns ERR_INVALID_PARAMETER", (_name, offset) =>
    withWindow((guest, window) => {
      create(guest, 7, 2 * page);
      expectType(guest.gpu.mapBlob(7, offset), ERR_INVALID_PARAMETER);
      expect(window.asked).toBe(0);
      expectMapped(guest, 7, 0);
    }),
  );

  test("over another returns ERR_INVALID_PARAMETER", () =>
    withWindow((guest, window) => {
      create(guest, 1, 4 * page);
      create(guest, 2, 2 * page);
      create(guest, 3, 16 * page);
      expectMapped(guest, 1, 8 * page);
      for (const offset of [7, 8, 9, 10, 11]) {
        expectType(guest.gpu.mapBlob(2, offset * page), ERR_INVALID_PARAMETER);
      }
      for (const offset of [0, 8]) expectType(guest.gpu.mapBlob(3, offset * page), ERR_INVALID_PARAMETER);
      expect(window.asked).toBe(1);
      expectMapped(guest, 2, 6 * page);
      expectMapped(guest, 3, 12 * page);
    }));

  test.each([
    ["unmapped", unmapBlob(2)],
    ["freed", request(Command.RESOURCE_UNREF, 32)],
  ] as const)("over another leaves that where it is, though it is %s before it is answered", (_name, end) =>
    withWindow((guest, window) => {
      const { control } = guest;
      for (const id of [1, 2, 3]) create(guest, id);
      expectMapped(guest, 1, 0);
      window.manner = "stall";
      control.submit(mapBlob(3, 8 * page));
      guest.pump.until(() => !window.isIdle, "the question");
      const map = control.submit(mapBlob(2, 0));
      end.setUint32(OfResource.resourceId, 2, true);
      control.submit(end);
      // The queue has taken all of them.
      expectWorking(guest);
      window.catchUp();
      control.waitAll();
      expectType(map.result, ERR_INVALID_PARAMETER);
      expect([...window.mapped.keys()]).toEqual([0, 8 * page]);
      expectOk(guest.gpu.unmapBlob(1));
    }),
  );

  test("of what is mapped returns ERR_UNSPEC, and so does unmapping what is not", () =>
    withWindow((guest, window) => {
      create(guest, 7);
      expectType(guest.gpu.unmapBlob(7), ERR_UNSPEC);
      expectMapped(guest, 7, 0);
      expectType(guest.gpu.mapBlob(7, page), ERR_UNSPEC);
      expectType(guest.gpu.mapBlob(7, 0), ERR_UNSPEC);
      expectOk(guest.gpu.unmapBlob(7));
      expectType(guest.gpu.unmapBlob(7), ERR_UNSPEC);
      expect(window.asked).toBe(2);
    }));

  test("of anything but a host's mappable blob is refused", () =>
    withWindow((guest, window) => {
      const { gpu, memory } = guest;
      expectOk(gpu.createResource2d(1, Format.B8G8R8X8, 64, 64));
      const entries = [memory.allocate(page)];
      const flags = BlobFlag.MAPPABLE;
      expectOk(gpu.createBlob({ resourceId: 2, mem: BlobMem.GUEST, flags, size: page }, entries));
      create(guest, 3, page, BlobFlag.SHAREABLE);
      for (const id of [1, 2, 3]) expectType(gpu.mapBlob(id, 0), ERR_INVALID_PARAMETER);
      for (const id of [1, 2]) expectType(gpu.unmapBlob(id), ERR_INVALID_PARAMETER);
      for (const id of [0, 99, 0xffff_ffff]) {
        expectType(gpu.mapBlob(id, 0), ERR_INVALID_RESOURCE_ID);
        expectType(gpu.unmapBlob(id), ERR_INVALID_RESOURCE_ID);
      }
      // Larger than the window, whatever it costs.
      create(guest, 4, 2 * windowBytes);
      expectType(gpu.mapBlob(4, 0), ERR_INVALID_PARAMETER);
      expect(window.asked).toBe(0);
    }));

  test("beside a shared blob of both kinds of memory that is mapped is its own affair", () =>
    withWindow((guest) => {
      const { gpu, memory } = guest;
      const shared = { resourceId: 5, mem: BlobMem.HOST3D_GUEST, flags: BlobFlag.MAPPABLE, size: page };
      expectOk(gpu.createBlob(shared, [memory.allocate(page)], inContext));
      expectMapped(guest, 5, 0);
      expectOk(gpu.detachBacking(5));
      expectOk(gpu.unmapBlob(5));
      expectOk(gpu.unrefResource(5));
    }));
});

describe("without a window", () => {
  const expectNone = (options: GuestOptions): Promise<void> =>
    withDevice(options, (guest) => {
      expectOk(guest.gpu.createContext(1));
      create(guest, 7);
      expectType(guest.gpu.mapBlob(7, 0), ERR_UNSPEC);
      expectType(guest.gpu.unmapBlob(7), ERR_UNSPEC);
      expectWorking(guest);
    });
  const { sharedMemoryBit: _, ...none } = generic;

  test("a front-end that knows none is asked for nothing", () => expectNone(none));

  test("one that answers nothing is asked for nothing", () =>
    expectNone({ ...none, withoutProtocolFeatures: [ProtocolFeature.REPLY_ACK] }));

  test("a driver without blobs has no such commands", () =>
    withDevice({ ...generic, gpuFeatures: [Feature.VIRGL] }, (guest) => {
      expectType(guest.gpu.mapBlob(7, 0), ERR_UNSPEC);
      expectType(guest.gpu.unmapBlob(7), ERR_UNSPEC);
    }));
});

describe("a command that is fenced", () => {
  const fenced = (fenceId: bigint, more: HeaderFields = {}): HeaderFields => ({ fenceId, ...more });

  test.each([
    ["on the device's timeline", {}],
    ["on a context's ring", { contextId: 1, ringIndex: 2 }],
  ] as const)("%s is answered when it is done, and in order", (_name, more) =>
    withWindow((guest, window) => {
      const { control, gpu } = guest;
      create(guest, 7);
      window.manner = "stall";
      const map = control.submit(mapBlob(7, page, fenced(1n, more)));
      const first = control.submit(request(Command.RESOURCE_UNREF, 32, fenced(2n, more)));
      const unmap = control.submit(unmapBlob(7, fenced(3n, more)));
      const last = control.submit(request(Command.RESOURCE_UNREF, 32, fenced(4n, more)));
      const done = (): boolean[] => {
        // Others are answered meanwhile, behind whatever is done by then.
        expectOk(gpu.createResource2d(9, Format.B8G8R8X8, 4, 4));
        expectOk(gpu.unrefResource(9));
        return [map, first, unmap, last].map((one) => one.done);
      };
      guest.pump.until(() => !window.isIdle, "the question");
      expect(done()).toEqual([false, false, false, false]);
      window.doOne();
      control.wait(first);
      expect(done()).toEqual([true, true, false, false]);
      guest.pump.until(() => !window.isIdle, "the next question");
      window.catchUp();
      control.waitAll();
      expectType(map.result, OK_MAP_INFO);
      expect(map.result.length).toBe(32);
      expect(new DataView(map.result.bytes.buffer as ArrayBuffer).getUint32(24, true)).toBe(MapCache.CACHED);
      expectOk(unmap.result);
    }),
  );

  test("is answered when its context goes before, or its resource", () =>
    withWindow((guest, window) => {
      const { control, gpu } = guest;
      create(guest, 7);
      window.manner = "stall";
      const map = control.submit(mapBlob(7, page, fenced(1n, { contextId: 1, ringIndex: 2 })));
      expectOk(gpu.destroyContext(1));
      expectOk(gpu.unrefResource(7));
      expect(map.done).toBe(false);
      window.catchUp();
      expectType(control.wait(map), OK_MAP_INFO);
      guest.pump.until(() => window.mapped.size === 0, "its end");
    }));
});

describe("a front-end", () => {
  const lies = {
    refuses: "refuse",
    "hangs up": "hang-up",
    "answers to something else": () => ({ request: 10 }),
    "answers with other flags": () => ({ flags: 1 }),
    "answers too much": () => ({ payload: new Uint8Array(64) }),
    "answers nothing of value": () => ({ payload: new Uint8Array(0) }),
  } as const satisfies Record<string, HostWindow["manner"]>;

  test.each(Object.entries(lies))("that %s costs the mappings, not the device", (_name, manner) =>
    withWindow((guest, window) => {
      const { gpu } = guest;
      create(guest, 7);
      create(guest, 8);
      expectMapped(guest, 8, 0);
      window.manner = manner;
      expectType(gpu.mapBlob(7, page), ERR_UNSPEC);
      // Its mapping is gone, as far as anybody can say.
      expectType(gpu.unmapBlob(8), ERR_UNSPEC);
      for (const id of [7, 8]) expectType(gpu.mapBlob(id, 8 * page), ERR_UNSPEC);
      expectWorking(guest);
      expectOk(gpu.unrefResource(8));
      // Another channel is another chance, but not where it may still have something.
      window.manner = "serve";
      window.violations.length = 0;
      guest.frontend.setBackendRequestFd();
      expectType(gpu.mapBlob(7, 0), ERR_UNSPEC);
      expectMapped(guest, 7, 8 * page);
    }),
  );

  test("that stops the ring while it is asked has the command answered", () =>
    withWindow((guest, window) => {
      create(guest, 7);
      window.manner = "stall";
      const map = guest.control.submit(mapBlob(7, page, { fenceId: 1n }));
      const unfenced = guest.control.submit(unmapBlob(7));
      // The queue has taken both.
      expectWorking(guest);
      guest.pump.until(() => !window.isIdle, "the question");
      guest.stop();
      expectType(map.result, ERR_UNSPEC);
      expectType(unfenced.result, ERR_UNSPEC);
      guest.start();
      window.catchUp();
      guest.pump.until(() => window.mapped.size === 0 && window.asked === 2, "its end");
      guest.pump.until(() => guest.gpu.mapBlob(7, page).type === OK_MAP_INFO, "another map");
    }));

  test("that goes while it is asked costs the next guest nothing", async () => {
    await withWindow((guest, window) => {
      create(guest, 7);
      window.manner = "stall";
      guest.control.submit(mapBlob(7, page));
      guest.pump.until(() => !window.isIdle, "the question");
    });
    await withWindow((guest) => {
      create(guest, 7);
      expectMapped(guest, 7, page);
    });
  });
});

limitsAreTold(() => server().log());

limitTest("mappingsMax", "more maps than may be under way are refused", () =>
  withWindow(
    (guest, window) => {
      const { control } = guest;
      const ids = Array.from({ length: 300 }, (_, index) => index + 1);
      for (const id of ids) create(guest, id);
      window.manner = "stall";
      const maps = ids.map((id) => control.submit(mapBlob(id, ((id - 1) % 64) * page)));
      expectWorking(guest);
      for (const [index, { done, result }] of maps.entries()) {
        expect(done).toBe(index >= 200);
        if (done) expectType(result, Response.ERR_OUT_OF_MEMORY);
      }
      window.catchUp();
      control.waitAll();
      for (const { result } of maps.slice(0, 64)) expectType(result, OK_MAP_INFO);
      for (const { result } of maps.slice(64, 200)) expectType(result, ERR_INVALID_PARAMETER);
      expect(window.mapped.size).toBe(64);
    },
    { ...generic, queueSizes: [1024, 16] },
  ),
);

test("the status tells of the window", () =>
  withWindow(async (guest) => {
    create(guest, 7, 3 * page);
    expectMapped(guest, 7, 0);
    const status = await server().control({ command: "status" });
    const text = JSON.stringify(status);
    expect(text).toContain(`"hostMemory":{"bytes":${windowBytes},"mappings":1,"mappedBytes":${3 * page}`);
  }));

test("the region is told in the specification's form", () =>
  withDevice(generic, ({ frontend }) => {
    const { regions, sizes, bytes } = frontend.getShmemConfig();
    expect([regions, bytes]).toEqual([1, ShmemConfig.bytes]);
    expect(sizes.flatMap((size, id) => (size > 0 ? [[id, size]] : []))).toEqual([[1, windowBytes]]);
  }));
