// The vhost-user session as QEMU and crosvm hold it, and what becomes of one that breaks the protocol.

import { describe, expect, test } from "bun:test";
import { openSync } from "node:fs";
import { logDirtyPages } from "../../lab/driver/dirty-log.ts";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import { type GuestOptions, SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { libc } from "../../src/ffi/libc.ts";
import { closeFd, createEventfd, createMemfd, duplicateFd } from "../../src/transport/os/fds.ts";
import { socketPair } from "../../src/transport/os/unix-socket.ts";
import { Flags, ProtocolFeature, RequestType } from "../../src/transport/wire/vhost-user/protocol.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { expectOk, expectShown, expectType, expectWorking, serveTests } from "./support.ts";
import { Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";

const { withDevice, withConnection, expectServing, server } = serveTests("--display-timeout-ms", "100");

/** The two ends of a pipe. */
function pipe(): number[] {
  const ends = new Int32Array(2);
  libc.pipe2(ends, 0);
  return [...ends];
}

/** Shows 16 × 16 pixels of one colour on scanout 0. */
function showColour(guest: SyntheticGuest, id: number, colour: number): void {
  const image = guest.gpu.createImage(id, Format.B8G8R8X8, 16, 16);
  image.pixels.fill(colour);
  guest.gpu.show(0, image);
  guest.gpu.present(image);
  expectShown(guest, 0, 16, 16, new Uint32Array(256).fill(colour));
}

describe("the order of requests", () => {
  const fronts: [string, GuestOptions][] = [
    ["QEMU's, with memory slots", {}],
    ["QEMU's, with a memory table", { memorySlots: false }],
    ["QEMU's, without REPLY_ACK", { withoutProtocolFeatures: [ProtocolFeature.REPLY_ACK] }],
    ["QEMU's, acknowledging RING_RESET that was never offered", { extraFeatures: 1n << 40n }],
    ["crosvm's", { frontend: "crosvm" }],
  ];
  for (const [name, options] of fronts) {
    test(`${name} leads to a device that works`, () => withDevice(options, expectWorking));
  }
});

describe("stopping and starting", () => {
  test("rings that were stopped go on at their base with every resource, as a paused VM does", () =>
    withDevice({}, (guest) => {
      showColour(guest, 1, 0x123456);
      guest.stop();
      guest.start();
      // The picture is replayed to the new display socket by itself.
      expectShown(guest, 0, 16, 16, new Uint32Array(256).fill(0x123456));
      expectOk(guest.gpu.unrefResource(1));
    }));

  test("a ring that starts at index 0 is a new driver's: its ids are free", () =>
    withDevice({}, (guest) => {
      showColour(guest, 1, 0x123456);
      guest.stop();
      guest.queues.forEach((queue) => queue.reset(0));
      guest.start();
      showColour(guest, 1, 0x654321);
    }));

  test("RESET_DEVICE forgets the driver", () =>
    withDevice({}, (guest) => {
      showColour(guest, 1, 0x123456);
      guest.frontend.resetDevice();
      guest.queues.forEach((queue) => queue.reset(0));
      guest.start();
      showColour(guest, 1, 0x00ff00);
    }));

  test("a front-end that resets by disabling the rings, and sets them up anew, has a new device", () =>
    withDevice({}, (guest) => {
      showColour(guest, 1, 0x123456);
      guest.queues.forEach((_, index) => guest.frontend.setVringEnable(index, false));
      guest.queues.forEach((queue) => queue.reset(0));
      guest.start();
      showColour(guest, 1, 0x654321);
    }));

  test("a second display socket replaces the first and is shown everything", () =>
    withDevice({}, (guest) => {
      showColour(guest, 1, 0x0000ff);
      const first = guest.display!;
      guest.openDisplay();
      expectShown(guest, 0, 16, 16, new Uint32Array(256).fill(0x0000ff));
      first.free();
    }));

  test("front-ends come and go, and each finds an empty device", async () => {
    for (let turn = 0; turn < 20; turn++) {
      await withDevice({}, (guest) => showColour(guest, 7, turn));
    }
  });

  test("a front-end that hangs up with commands under way leaves nothing behind", async () => {
    for (let turn = 0; turn < 20; turn++) {
      const guest = SyntheticGuest.boot(server().socketPath);
      guest.gpu.createImage(1, Format.B8G8R8X8, 64, 64);
      guest.close();
    }
    // The next front-end is served once everything of the last is released.
    await withConnection({}, (guest) => guest.initialise());
    const { actors } = (await server().control({ command: "status" })) as unknown as {
      actors: { "ctrl-queue": { counters: { resources: number } } };
    };
    expect(actors["ctrl-queue"].counters.resources).toBe(0);
  });
});

describe("what a guest makes its VMM do again and again", () => {
  test("new display sockets are taken no faster than the display takes them", () =>
    withDevice({ display: null }, (guest) => {
      const before = server().usage().fds;
      for (let count = 0; count < 150; count++) {
        const [ours, theirs] = socketPair("stream");
        guest.frontend.gpuSetSocket(theirs);
        closeFd(ours);
        closeFd(theirs);
        if (count % 50 === 49) expect(server().usage().fds - before).toBeLessThan(60);
      }
      guest.frontend.getFeatures();
      expect(server().usage().fds - before).toBeLessThan(60);
    }));

  test("drivers that start, rings that break and memory that goes are ten lines a second", () =>
    withDevice({ display: null }, (guest) => {
      const lines = (): number => server().log().split("\n").length;
      const [before, from] = [lines(), performance.now()];
      const { ring } = guest.control;
      for (let count = 0; count < 100; count++) {
        guest.stop();
        for (const queue of guest.queues) queue.reset(0);
        guest.start();
        ring.raw.availIndex(ring.raw.publishedAvailIndex() + ring.size + 1);
        guest.frontend.setVringKick(0, ring.kickFd);
      }
      guest.frontend.setMemTable([]);
      const seconds = Math.ceil((performance.now() - from) / 1000);
      // Of the supervisor, the session and two queues.
      expect(lines() - before).toBeLessThan((seconds + 1) * 11 * 4);
    }));
});

describe("descriptors that would block", () => {
  /** An eventfd that a write waits at: crosvm's are of this kind, though not full. */
  function fullEventfd(): number {
    const fd = libc.eventfd(0, 0);
    libc.write(fd, new BigUint64Array([0xffff_ffff_ffff_fffen]), 8);
    return fd;
  }

  test("a call descriptor that nobody reads does not stop the queue", () =>
    withDevice({}, (guest) => {
      const fd = fullEventfd();
      guest.frontend.setVringCall(0, fd);
      guest.frontend.getVringBase(0);
      closeFd(fd);
    }));

  test("nor does an err descriptor when the ring breaks", () =>
    withDevice({}, (guest) => {
      const fd = fullEventfd();
      guest.frontend.setVringErr(0, fd);
      const { ring } = guest.control;
      ring.raw.availIndex(ring.raw.publishedAvailIndex() + ring.size + 1);
      guest.frontend.getVringBase(0);
      closeFd(fd);
    }));
});

describe("memory", () => {
  const extra = { guestAddress: 0x10_0000_0000, size: 1 << 20 };

  test("a region that is plugged in while rings run can back a resource", () =>
    withDevice({}, (guest) => {
      const region = guest.hotAdd(extra);
      const { gpu, memory } = guest;
      const buffer = memory.allocateIn(region, 64 * 64 * 4);
      buffer.words.fill(0x00ab_cdef);
      expectOk(gpu.createResource2d(1, Format.B8G8R8X8, 64, 64));
      expectOk(gpu.attachBacking(1, [buffer]));
      const area = { x: 0, y: 0, width: 64, height: 64 };
      expectOk(gpu.setScanout(0, 1, area));
      expectOk(gpu.transferToHost2d(1, area));
      expectOk(gpu.flushResource(1, area));
      expectShown(guest, 0, 64, 64, new Uint32Array(4096).fill(0xabcdef));
    }));

  test("a backing in a region that was unplugged is refused, and the rest goes on", () =>
    withDevice({}, (guest) => {
      const region = guest.hotAdd(extra);
      const { gpu, memory } = guest;
      const buffer = memory.allocateIn(region, 4096);
      expectOk(gpu.createResource2d(1, Format.B8G8R8X8, 32, 32));
      expectOk(gpu.attachBacking(1, [buffer]));
      guest.hotRemove(region);
      const area = { x: 0, y: 0, width: 32, height: 32 };
      expectType(gpu.transferToHost2d(1, area), Response.ERR_UNSPEC);
      expectWorking(guest);
    }));

  test("a whole new table keeps backings valid", () =>
    withDevice({ memorySlots: false }, (guest) => {
      const image = guest.gpu.createImage(1, Format.B8G8R8X8, 16, 16);
      guest.gpu.show(0, image);
      guest.frontend.setMemTable(guest.memory.regions);
      image.pixels.fill(0x777777);
      expectOk(guest.gpu.transferToHost2d(1, areaOf(image)));
      expectOk(guest.gpu.flushResource(1, areaOf(image)));
      expectShown(guest, 0, 16, 16, new Uint32Array(256).fill(0x777777));
    }));

  test("pages that the device writes are marked in the dirty log, others are not", () =>
    withDevice({}, (guest) => {
      const log = logDirtyPages(guest);
      // SET_FEATURES has no answer: one that comes after it says that it was done.
      guest.frontend.getFeatures();
      const room = guest.memory.allocate(4096);
      const other = guest.memory.allocate(4096);
      const dirty = ({ address }: { address: number }): boolean => {
        const page = Math.floor(address / 4096);
        return ((log.bits[page >>> 3]! >> (page & 7)) & 1) === 1;
      };
      const request = guest.memory.allocate(4096);
      request.words[0] = 0xffff;
      const { ring } = guest.control;
      const head = ring.add([request.slice(0, 24)], [room.slice(0, 24)]);
      ring.offer(head);
      ring.commit();
      guest.pump.until(() => ring.hasUsed(), "the answer");
      expect([dirty(room), dirty(other), dirty(request)]).toEqual([true, false, false]);
      log.stop();
    }));

  test("chains that were under way are taken again from the inflight record", async () => {
    const guest = SyntheticGuest.connect(server().socketPath);
    guest.initialise();
    const { fd, size, offset } = guest.frontend.getInflightFd(2, 256);
    guest.frontend.setInflightFd(fd, size, offset, 2, 256);
    // GET_EDID stays unanswered while the display says nothing: it is what is under way.
    guest.start();
    expectWorking(guest);
    expect(size).toBeGreaterThanOrEqual(2 * 256 * 16);
    closeFd(fd);
    guest.close();
    expectServing();
  });
});

describe("a session that breaks the protocol ends, and the next one works", () => {
  const u32s = (...values: number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);
  const wrong: [string, number, Uint8Array, number][] = [
    ["an unknown request", 200, u32s(), 0],
    ["SET_FEATURES of 4 bytes", RequestType.SET_FEATURES, u32s(1), 0],
    ["SET_VRING_NUM of vring 2", RequestType.SET_VRING_NUM, u32s(2, 64), 0],
    ["SET_VRING_NUM of 0 entries", RequestType.SET_VRING_NUM, u32s(0, 0), 0],
    ["SET_VRING_NUM of 100 entries", RequestType.SET_VRING_NUM, u32s(0, 100), 0],
    ["SET_VRING_NUM of 65536 entries", RequestType.SET_VRING_NUM, u32s(0, 65536), 0],
    ["SET_VRING_BASE beyond 16 bits", RequestType.SET_VRING_BASE, u32s(0, 65536), 0],
    ["SET_VRING_ADDR of 8 bytes", RequestType.SET_VRING_ADDR, u32s(0, 0), 0],
    ["SET_VRING_KICK before addresses", RequestType.SET_VRING_KICK, u32s(0, 0), 1],
    ["SET_VRING_KICK without a descriptor", RequestType.SET_VRING_KICK, u32s(0, 0), 0],
    ["SET_VRING_CALL with two descriptors", RequestType.SET_VRING_CALL, u32s(0, 0), 2],
    ["SET_VRING_ENABLE of vring 255", RequestType.SET_VRING_ENABLE, u32s(255, 1), 0],
    ["SET_MEM_TABLE of 2^32-1 regions", RequestType.SET_MEM_TABLE, u32s(0xffff_ffff, 0), 0],
    [
      "SET_MEM_TABLE without its descriptor",
      RequestType.SET_MEM_TABLE,
      u32s(1, 0, 0, 0, 4096, 0, 0, 0, 0, 0),
      0,
    ],
    ["ADD_MEM_REG without a descriptor", RequestType.ADD_MEM_REG, u32s(0, 0, 0, 0, 4096, 0, 0, 0, 0, 0), 0],
    ["ADD_MEM_REG beyond its file", RequestType.ADD_MEM_REG, u32s(0, 0, 0, 0, 0, 1, 0, 0, 0, 0), 1],
    ["ADD_MEM_REG of 0 bytes", RequestType.ADD_MEM_REG, u32s(0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 1],
    [
      "ADD_MEM_REG that wraps",
      RequestType.ADD_MEM_REG,
      u32s(0, 0, 0, 0, 4096, 0, 0, 0, ~0 >>> 0, ~0 >>> 0),
      1,
    ],
    ["REM_MEM_REG of no region", RequestType.REM_MEM_REG, u32s(0, 0, 1, 0, 2, 0, 3, 0, 0, 0), 0],
    ["GET_CONFIG of 8 bytes", RequestType.GET_CONFIG, u32s(0, 16), 0],
    ["GET_INFLIGHT_FD of 9 queues", RequestType.GET_INFLIGHT_FD, u32s(0, 0, 0, 0, (256 << 16) | 9), 0],
    ["SET_INFLIGHT_FD that is too small", RequestType.SET_INFLIGHT_FD, u32s(8, 0, 0, 0, (256 << 16) | 2), 1],
    ["SET_LOG_BASE beyond its file", RequestType.SET_LOG_BASE, u32s(0, 1, 0, 0), 1],
    ["GPU_SET_SOCKET without a socket", RequestType.GPU_SET_SOCKET, u32s(), 0],
    ["GPU_SET_SOCKET with what is no socket", RequestType.GPU_SET_SOCKET, u32s(), 1],
  ];
  for (const [name, request, payload, fdCount] of wrong) {
    test(name, async () => {
      const memfd = createMemfd("small", 4096);
      await withConnection({}, (guest) => {
        guest.initialise();
        // Only a log that is asked for is mapped.
        if (request === RequestType.SET_LOG_BASE) guest.frontend.setFeatures(guest.features | (1n << 26n));
        const fds = Array.from({ length: fdCount }, () => duplicateFd(memfd));
        guest.frontend.send(request, payload, fds);
        fds.forEach(closeFd);
        guest.frontend.untilClosed();
      });
      closeFd(memfd);
      expectServing();
    });
  }

  /** Descriptors that can be no memory, whatever they are said to hold; the first of each is sent. */
  const others: [string, () => number[]][] = [
    ["an eventfd", () => [createEventfd()]],
    ["a pipe", () => pipe()],
    ["a socket", () => socketPair("stream")],
    ["a folder", () => [openSync("/tmp", "r")]],
    ["an endless file", () => [openSync("/dev/zero", "r+")]],
    ["a file that may only be read", () => [openSync(import.meta.path, "r")]],
  ];
  for (const [what, make] of others) {
    for (const [name, request, payload] of [
      ["memory", RequestType.ADD_MEM_REG, u32s(0, 0, 0, 0, 4096, 0, 0, 0, 0, 0)],
      ["a log", RequestType.SET_LOG_BASE, u32s(64, 0, 0, 0)],
    ] as const) {
      test(`${what} as ${name}`, async () => {
        const fds = make();
        await withConnection({}, (guest) => {
          guest.initialise();
          guest.frontend.setFeatures(guest.features | (1n << 26n));
          guest.frontend.send(request, payload, [fds[0]!]);
          guest.frontend.untilClosed();
        });
        fds.forEach(closeFd);
        expectServing();
      });
    }
  }

  const headers: [string, Uint8Array][] = [
    ["a header of version 0", u32s(RequestType.GET_FEATURES, 0, 0)],
    ["a payload of 4 GiB", u32s(RequestType.GET_CONFIG, Flags.version, 0xffff_ffff)],
  ];
  for (const [name, bytes] of headers) {
    test(name, async () => {
      await withConnection({}, (guest) => {
        guest.frontend.sendBytes(bytes);
        guest.frontend.untilClosed();
      });
      expectServing();
    });
  }

  test("half a message and then nothing", async () => {
    await withConnection({}, (guest) => guest.frontend.sendBytes(u32s(RequestType.GET_FEATURES)));
    expectServing();
  });
});
