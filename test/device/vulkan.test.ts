// Vulkan for guests: contexts of capset 4, each a process of the render server's, through the real socket.

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { until } from "../../lab/qemu/deadline.ts";
import * as commands3d from "../../lab/driver/commands-3d.ts";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { frontEnds } from "../../src/transport/wire/front-ends.ts";
import { Reply, VenusCommand } from "../../src/transport/wire/venus/protocol.ts";
import { VenusStream } from "../../src/transport/wire/venus/stream.ts";
import {
  BlobFlag,
  BlobMem,
  Capset,
  Feature,
  MapCache,
  Response,
} from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { limitsAreTold, limitTest } from "../support/limit-test.ts";
import { driverPatienceMs } from "../support/patience.ts";
import { patient } from "./3d-support.ts";
import { expectOk, expectType, expectWorking, serveTests } from "./support.ts";

const { ERR_INVALID_PARAMETER, ERR_OUT_OF_MEMORY, ERR_UNSPEC } = Response;
const contextsMax = 3;
const { server, withDevice } = serveTests(
  ...["--renderer", "virgl", "--vulkan", "on", "--vulkan-contexts-max", String(contextsMax)],
  // Long for a process that is only slow, short for a test of one that is not.
  ...["--vulkan-stall-ms", "3000"],
);
const options = {
  ...patient,
  gpuFeatures: [Feature.VIRGL, Feature.EDID, Feature.CONTEXT_INIT, Feature.RESOURCE_BLOB],
};

/** Processes that any thread of a process has started, the oldest first of each thread. */
const childrenOf = (pid: number): number[] =>
  [...new Bun.Glob("task/*/children").scanSync({ cwd: `/proc/${pid}` })].flatMap((path) =>
    readFileSync(`/proc/${pid}/${path}`, "latin1").split(" ").filter(Boolean).map(Number),
  );

const isRenderServer = (pid: number): boolean =>
  readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("--socket-fd");

/** Render servers, wherever the ctrl queue runs. */
const renderServers = (of = server().pid): number[] =>
  childrenOf(of).flatMap((pid) => (isRenderServer(pid) ? [pid] : renderServers(pid)));

/** The processes of Vulkan contexts, those of guests before included, until they have ended. */
const contextProcesses = (): number[] => renderServers().flatMap((pid) => childrenOf(pid));

/** Those of this guest's contexts, the oldest first. */
const processesOf = (count: number): Promise<number[]> =>
  until(
    `${count} processes of contexts`,
    () => {
      const all = contextProcesses();
      return all.length === count ? all : undefined;
    },
    driverPatienceMs,
  );

const bytesOf = (stream: VenusStream): Uint8Array => new Uint8Array(stream.finish().buffer);
/** Answered in the blob that {@link makeContext} has made. */
const version = (context = 1) => bytesOf(new VenusStream().replyTo(context, 4096).enumerateInstanceVersion());

/** Makes a Vulkan context, with a blob to answer to whose id is the same. */
function makeContext({ gpu }: SyntheticGuest, id = 1): void {
  expectOk(gpu.createContext(id, `vulkan-${id}`, Capset.VENUS));
  const blob = { resourceId: id, mem: BlobMem.HOST3D, flags: BlobFlag.MAPPABLE, size: 4096 };
  expectOk(gpu.createBlob(blob, [], { contextId: id }));
}

/** Waits until a context is lost: until then one takes streams of nothing. */
const untilLost = ({ gpu }: SyntheticGuest, id: number) =>
  until(
    `context ${id} to be lost`,
    () => gpu.submit3d(id, new Uint8Array(0)).type === ERR_UNSPEC || undefined,
    driverPatienceMs,
  );

/** Waits until the log has a line with all of `words` that was not there after `start` characters. */
const untilLogged = (start: number, ...words: string[]) =>
  until(
    `a line with ${words.join(" and ")}`,
    () =>
      server()
        .log()
        .slice(start)
        .split("\n")
        .find((line) => words.every((word) => line.includes(word))),
    driverPatienceMs,
  );

/** A new window of the log's, which has ten lines a second for what guests do: where it begins. */
async function freshLog(): Promise<number> {
  await Bun.sleep(1_100);
  return server().log().length;
}

limitsAreTold(() => server().log());

describe("Vulkan contexts", () => {
  test("have a capset of their own behind GL's", () =>
    withDevice(options, ({ gpu, config }) => {
      expect(new DataView(config.buffer, config.byteOffset).getUint32(12, true)).toBe(3);
      const { capset } = gpu.getCapsetInfo(2);
      expect(capset).toMatchObject({ id: Capset.VENUS, maxVersion: 0 });
      expect(capset.maxSize).toBeGreaterThanOrEqual(156);
      const content = gpu.getCapset(Capset.VENUS, 0, capset.maxSize);
      expectType(content, Response.OK_CAPSET);
      expect(content.bytes.slice(24, 24 + capset.maxSize).some((byte) => byte !== 0)).toBe(true);
    }));

  test("run beside GL's in one guest", () =>
    withDevice(options, (guest) => {
      const { gpu } = guest;
      expectOk(gpu.createContext(7, "gl", Capset.VIRGL2));
      makeContext(guest);
      expectOk(gpu.submit3d(7, Uint8Array.of(0, 0, 0, 0), { fenceId: 1n, ringIndex: 0 }));
      expectOk(gpu.submit3d(1, version(), { fenceId: 2n, ringIndex: 0 }));
      expectOk(gpu.submit3d(1, version(), { fenceId: 3n }));
      expectOk(gpu.destroyContext(7));
      expectOk(gpu.submit3d(1, version(), { fenceId: 4n, ringIndex: 0 }));
    }));

  test("finish fences of ring 0, and of a ring that they bind to a queue", () =>
    withDevice(options, (guest) => {
      const { gpu } = guest;
      makeContext(guest);
      const stream = new VenusStream().replyTo(1, 4096).createInstance(11).enumeratePhysicalDevices(11, 12);
      expectOk(gpu.submit3d(1, bytesOf(stream.createDevice(12, 13).getDeviceQueue(13, 14, 1))));
      for (let fence = 1n; fence <= 50n; fence++) {
        expectOk(gpu.submit3d(1, new Uint8Array(0), { fenceId: fence, ringIndex: Number(fence % 2n) }));
      }
    }));

  limitTest("vulkanContextsMax", "may be so many as the settings say", () =>
    withDevice(options, ({ gpu }) => {
      for (let id = 1; id <= contextsMax; id++) expectOk(gpu.createContext(id, "", Capset.VENUS));
      expectType(gpu.createContext(9, "", Capset.VENUS), ERR_OUT_OF_MEMORY);
      expectOk(gpu.createContext(9, "", Capset.VIRGL2));
      expectOk(gpu.destroyContext(2));
      expectOk(gpu.createContext(10, "", Capset.VENUS));
    }),
  );

  test("leave no process and no descriptor when their guest goes", async () => {
    const cycle = () =>
      withDevice(options, (guest) => {
        for (let id = 1; id <= contextsMax; id++) makeContext(guest, id);
        expect(contextProcesses().length).toBeGreaterThanOrEqual(contextsMax);
      });
    await cycle();
    const isSettled = () => contextProcesses().length === 0 || undefined;
    await until("the processes of contexts to end", isSettled, driverPatienceMs);
    const { fds } = server().usage();
    for (let round = 0; round < 5; round++) await cycle();
    await until("the processes of contexts to end", isSettled, driverPatienceMs);
    await until("descriptors to be closed", () => server().usage().fds <= fds || undefined, driverPatienceMs);
  });

  test("are in a sandbox of their own, inside of that of who starts them", () =>
    withDevice(options, async (guest) => {
      makeContext(guest);
      await processesOf(1);
      const filters = (pid: number): number =>
        Number(/^Seccomp_filters:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]);
      const outer = filters(server().ctrlQueuePid);
      expect([...renderServers(), ...contextProcesses()].map(filters)).toEqual([outer + 1, outer + 1]);
      const { renderer } = (await server().control({ command: "status" })) as unknown as {
        renderer: { vulkanSandbox: unknown };
      };
      expect(renderer.vulkanSandbox).toEqual({
        privileges: "no new privileges",
        capabilities: "no capabilities",
        limits: "limits",
        files: expect.stringMatching(/^Landlock \d+$/),
        calls: expect.stringMatching(/^\d+ system calls$/),
      });
    }));
});

describe("memory", () => {
  const withWindow = { ...options, display: null, sharedMemoryBit: frontEnds.current.sharedMemoryBit };
  const page = 4096;

  test("that a context answers in is the guest's to read", () =>
    withDevice(withWindow, (guest) => {
      const { gpu, frontend } = guest;
      makeContext(guest);
      expect(gpu.mapBlob(1, 16 * page)).toMatchObject({
        type: Response.OK_MAP_INFO,
        mapInfo: MapCache.CACHED,
      });
      expectOk(gpu.submit3d(1, version(), { fenceId: 1n, ringIndex: 0 }));
      const answer = new Uint32Array(frontend.window!.view(16 * page, page).slice().buffer);
      expect(answer[Reply.command]).toBe(VenusCommand.vkEnumerateInstanceVersion);
      expect(answer[Reply.apiVersion]! >>> 22).toBe(1);
      expectOk(gpu.unmapBlob(1));
    }));

  test("of a device is the guest's from its first byte to its last", () =>
    withDevice(withWindow, (guest) => {
      const { gpu, frontend } = guest;
      makeContext(guest);
      const stream = new VenusStream().replyTo(1, page).createInstance(11).enumeratePhysicalDevices(11, 12);
      const bytes = 16 * page;
      stream.createDevice(12, 13).allocateMemory(13, 14, bytes);
      expectOk(gpu.submit3d(1, bytesOf(stream), { fenceId: 1n, ringIndex: 0 }));
      const blob = { resourceId: 5, mem: BlobMem.HOST3D, flags: BlobFlag.MAPPABLE, blobId: 14, size: bytes };
      expectOk(gpu.createBlob(blob, [], { contextId: 1 }));
      expect(gpu.mapBlob(5, 0)).toMatchObject({ type: Response.OK_MAP_INFO });
      const memory = new Uint8Array(frontend.window!.view(0, bytes));
      // What a driver keeps before it must not be there to be written to.
      expect(memory.every((byte) => byte === 0)).toBe(true);
      memory.fill(0xee);
      expect(frontend.window!.violations).toEqual([]);
      expectOk(gpu.unmapBlob(5));
      expectOk(gpu.unrefResource(5));
      expectOk(gpu.submit3d(1, version(), { fenceId: 2n, ringIndex: 0 }));
    }));

  test("that is shorter than its blob is not mapped", () =>
    withDevice(withWindow, (guest) => {
      const { gpu } = guest;
      makeContext(guest);
      const stream = new VenusStream().replyTo(1, page).createInstance(11).enumeratePhysicalDevices(11, 12);
      stream.createDevice(12, 13).allocateMemory(13, 14, page);
      expectOk(gpu.submit3d(1, bytesOf(stream), { fenceId: 1n, ringIndex: 0 }));
      const blob = {
        resourceId: 5,
        mem: BlobMem.HOST3D,
        flags: BlobFlag.MAPPABLE,
        blobId: 14,
        size: 8 * page,
      };
      const made = gpu.createBlob(blob, [], { contextId: 1 });
      if (made.type === Response.OK_NODATA) expectType(gpu.mapBlob(5, 0), ERR_UNSPEC);
      else expectType(made, ERR_INVALID_PARAMETER);
      expectOk(gpu.submit3d(1, version(), { fenceId: 2n, ringIndex: 0 }));
    }));
});

describe("a Vulkan context that is given", () => {
  test("a stream that makes no sense ends alone", async () => {
    await withDevice(options, async (guest) => {
      const { gpu } = guest;
      makeContext(guest, 1);
      makeContext(guest, 2);
      // Refused at once or not: newer servers answer no streams.
      gpu.submit3d(1, Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0), { fenceId: 1n });
      await untilLost(guest, 1);
      expectType(gpu.submit3d(1, version(), { fenceId: 2n, ringIndex: 0 }), ERR_UNSPEC);
      expectOk(gpu.submit3d(2, version(2), { fenceId: 3n, ringIndex: 0 }));
      expectOk(gpu.destroyContext(1));
      makeContext(guest, 3);
      expectWorking(guest);
    });
  });

  test("a fence on a ring that it has not ends alone, and the fence is answered", async () => {
    await withDevice(options, async (guest) => {
      const { gpu } = guest;
      makeContext(guest, 1);
      makeContext(guest, 2);
      gpu.submit3d(1, new Uint8Array(0), { fenceId: 1n, ringIndex: 63 });
      await untilLost(guest, 1);
      expectOk(gpu.submit3d(2, version(2), { fenceId: 2n, ringIndex: 0 }));
    });
  });

  test("more than a socket takes is refused, and goes on", () =>
    withDevice(options, (guest) => {
      const { gpu } = guest;
      makeContext(guest);
      expectType(gpu.submit3d(1, new Uint8Array(256 * 1024)), ERR_OUT_OF_MEMORY);
      expectOk(gpu.submit3d(1, version(), { fenceId: 1n, ringIndex: 0 }));
    }));

  test("what a GL context takes, and GL contexts what it takes", () =>
    withDevice(options, (guest) => {
      const { gpu } = guest;
      makeContext(guest);
      expectOk(gpu.createContext(7, "gl", Capset.VIRGL2));
      const texture = { resourceId: 50, target: 2, format: 1, bind: 2, width: 8, height: 8 };
      expectOk(gpu.createResource3d(texture));
      // Attaching is no more than a hint that a resource may be named.
      for (const context of [1, 7])
        for (const resource of [1, 50]) expectOk(gpu.attachResource(context, resource));
      for (const context of [1, 7])
        for (const resource of [1, 50]) expectOk(gpu.detachResource(context, resource));
      expectOk(gpu.attachResource(1, 1));
      expectOk(gpu.submit3d(1, version(), { fenceId: 1n, ringIndex: 0 }));
      expectType(gpu.submit3d(7, version()), ERR_INVALID_PARAMETER);
      const blob = { resourceId: 60, mem: BlobMem.HOST3D, flags: BlobFlag.MAPPABLE, size: 4096 };
      expectType(gpu.createBlob(blob, [], { contextId: 7 }), ERR_UNSPEC);
    }));
});

describe("when the process", () => {
  test("of a Vulkan context dies, its guest's device is lost, and no other", async () => {
    const start = await freshLog();
    await withDevice(options, async (guest) => {
      const { gpu } = guest;
      makeContext(guest, 1);
      makeContext(guest, 2);
      const [first] = await processesOf(2);
      process.kill(first!, "SIGKILL");
      await untilLogged(start, "context 1 (vulkan-1) is lost", String(first));
      expectType(gpu.submit3d(1, version(), { fenceId: 1n, ringIndex: 0 }), ERR_UNSPEC);
      expectOk(gpu.submit3d(2, version(2), { fenceId: 2n, ringIndex: 0 }));
      expectOk(gpu.unrefResource(1));
      expectType(gpu.createContext(1, "", Capset.VENUS), Response.ERR_INVALID_CONTEXT_ID);
      expectOk(gpu.destroyContext(1));
      makeContext(guest, 1);
      expectOk(gpu.submit3d(1, version(), { fenceId: 3n, ringIndex: 0 }));
    });
  });

  test("of a Vulkan context dies while its fence is out, that is answered", () =>
    withDevice(options, async (guest) => {
      const { gpu, control } = guest;
      makeContext(guest);
      const [first] = await processesOf(1);
      process.kill(first!, "SIGSTOP");
      const request = commands3d.submit3d(1, new Uint8Array(0), { fenceId: 1n, ringIndex: 0 });
      const fenced = control.submit(request);
      // Behind the fence's command, and answered before it.
      expectOk(gpu.submit3d(1, new Uint8Array(0)));
      expect(fenced.done).toBe(false);
      process.kill(first!, "SIGKILL");
      expectOk(control.wait(fenced));
    }));

  limitTest(
    "vulkanStallMs",
    "of a Vulkan context stands still, it is ended when it would be waited for",
    async () => {
      const start = server().log().length;
      await withDevice(options, async (guest) => {
        const { gpu } = guest;
        makeContext(guest, 1);
        makeContext(guest, 2);
        const [first] = await processesOf(2);
        process.kill(first!, "SIGSTOP");
        const blob = { resourceId: 9, mem: BlobMem.HOST3D, flags: BlobFlag.MAPPABLE, size: 4096 };
        expectType(gpu.createBlob(blob, [], { contextId: 1 }), ERR_UNSPEC);
        await untilLogged(
          start,
          `context 1 (vulkan-1) is lost: its process (${first}) has not answered for 3000 ms`,
        );
        expectOk(gpu.submit3d(2, version(2), { fenceId: 2n, ringIndex: 0 }));
        expectOk(gpu.createBlob(blob, [], { contextId: 2 }));
      });
    },
  );

  test("of a Vulkan context stands still, fences do not pile up before it without end", async () => {
    await withDevice(options, async (guest) => {
      const { gpu, control } = guest;
      makeContext(guest, 1);
      const [first] = await processesOf(1);
      process.kill(first!, "SIGSTOP");
      const fenced = Array.from({ length: 100 }, (_, at) =>
        control.submit(commands3d.submit3d(1, new Uint8Array(0), { fenceId: BigInt(at + 1), ringIndex: 0 })),
      );
      for (const one of fenced) control.wait(one);
      await untilLost(guest, 1);
      expectWorking(guest);
      expectOk(gpu.destroyContext(1));
    });
  });

  test("of the render server dies, contexts go on, and the next one starts another", async () => {
    const start = await freshLog();
    await withDevice(options, async (guest) => {
      const { gpu } = guest;
      makeContext(guest, 1);
      const [renderServer] = renderServers();
      process.kill(renderServer!, "SIGKILL");
      await untilLogged(start, "the render server has ended");
      expectOk(gpu.submit3d(1, version(), { fenceId: 1n, ringIndex: 0 }));
      await until(
        "another render server",
        () => gpu.createContext(2, "", Capset.VENUS).type === Response.OK_NODATA || undefined,
        driverPatienceMs,
      );
      expect(renderServers()).not.toContain(renderServer!);
      expectOk(gpu.submit3d(2, new Uint8Array(0), { fenceId: 2n, ringIndex: 0 }));
      expectOk(gpu.submit3d(1, version(), { fenceId: 3n, ringIndex: 0 }));
    });
  });
});
