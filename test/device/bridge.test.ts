// Resources of a guest, lent to other devices over the real sockets of the resource bridge while the guest goes on drawing.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createResource2d } from "../../lab/driver/commands.ts";
import * as commands3d from "../../lab/driver/commands-3d.ts";
import { areaOf, type Image } from "../../lab/driver/gpu-driver.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import * as virgl from "../../lab/driver/virgl/index.ts";
import {
  BridgeClient,
  type BridgeClientOptions,
  BridgeFailure,
  type Lent,
} from "../../src/transport/wire/bridge/client.ts";
import { Epoll, EPOLLIN } from "../../src/transport/os/epoll.ts";
import type { Plane } from "../../src/transport/wire/bridge/protocol.ts";
import { Fourcc } from "../../src/picture/drm-formats.ts";
import { closeFd } from "../../src/transport/os/fds.ts";
import { Feature, Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { decodePng } from "../support/png.ts";
import { takeTimeoutMs } from "../../src/actors/bridge/peer.ts";
import { readShared } from "../support/gpu-reader.ts";
import { BorrowedPicture, storageKind } from "../support/storage.ts";
import {
  bgra,
  clearTo,
  draw,
  expectPixels,
  gradient,
  makeBuffer,
  makeContext,
  makeTexture,
  patient,
  upload,
  virglServer,
} from "./3d-support.ts";
import { expectOk, expectShown, pattern, serveTests } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "fencepost-bridge-"));
afterAll(() => rmSync(folder, { recursive: true }));

const [wl, video] = [join(folder, "wl"), join(folder, "video")];
const [width, height] = [160, 100];

/** Connects for the time of `body`. */
async function withPeer<Result>(
  path: string,
  options: BridgeClientOptions,
  body: (peer: BridgeClient) => Result | Promise<Result>,
): Promise<Result> {
  const peer = new BridgeClient(path, { patienceMs: 20_000, ...options });
  try {
    return await body(peer);
  } finally {
    peer.close();
  }
}

function borrow(peer: BridgeClient, resource: number, path = wl): BorrowedPicture {
  const { kind, fd } = peer.ask({ kind: "buffer", resource });
  expect(kind).toBe("buffer");
  return new BorrowedPicture(fd, strideOf(resource, path), width, height);
}

/** Asks in today's form: that of 2019 does not tell. */
function strideOf(resource: number, path: string): number {
  const peer = new BridgeClient(path, { patienceMs: 20_000 });
  try {
    const lent = peer.ask({ kind: "buffer", resource });
    if (lent.kind !== "buffer") throw new Error(`resource ${resource} is not lent`);
    closeFd(lent.fd);
    const [{ stride }] = lent.planes as [Plane];
    if (storageKind !== "gbm") expect(stride).toBe(width * 4);
    return stride;
  } finally {
    peer.close();
  }
}

/** Asks for a resource and gives it back at once; answers whether it was lent. */
function isLent(peer: BridgeClient, resource: number): boolean {
  const { kind, fd } = peer.ask({ kind: "buffer", resource });
  closeFd(fd);
  return kind === "buffer";
}

function makeImage(guest: SyntheticGuest, id: number, seed: number): Image {
  const image = guest.gpu.createImage(id, Format.B8G8R8X8, width, height);
  image.pixels.set(pattern(width, height, seed));
  guest.gpu.present(image);
  return image;
}

/** Asks until `isDone` says so; the server gets its time in between. */
async function until(what: string, isDone: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await isDone())) {
    if (performance.now() > deadline) throw new Error(`no ${what}`);
    await Bun.sleep(5);
  }
}

async function countersOf(server: ServerProcess): Promise<Record<string, number>> {
  const { actors } = (await server.control({ command: "status" })) as unknown as {
    actors: Record<string, { counters: Record<string, number> }>;
  };
  return actors["resource-bridge"]!.counters;
}

/** The server's open descriptors once nothing is under way: no peer, and no connection that is being closed. */
async function fdsAtRest(server: ServerProcess): Promise<number> {
  await until("rest", async () => (await countersOf(server))["peers"] === 0);
  let fds = -1;
  for (let same = 0; same < 10; same++) {
    await Bun.sleep(20);
    const now = server.usage().fds;
    if (now !== fds) same = 0;
    fds = now;
  }
  return fds;
}

describe("of a guest that draws in 2D", () => {
  const { withDevice, server } = serveTests("--resource-bridge", wl, "--resource-bridge", video);

  test("two peers in both wire forms see every frame of a resource", () =>
    withDevice({}, (guest) =>
      withPeer(wl, { form: "json" }, (today) =>
        withPeer(video, { form: "2019" }, (legacy) => {
          const image = makeImage(guest, 1, 0);
          guest.gpu.show(0, image);
          const lent = [borrow(today, 1), borrow(legacy, 1)];
          for (let frame = 1; frame <= 50; frame++) {
            const picture = pattern(width, height, frame);
            image.pixels.set(picture);
            guest.gpu.present(image);
            for (const { pixels } of lent) expect(pixels).toEqual(picture);
            // One that comes only now sees the same.
            if (frame % 10 !== 0) continue;
            const late = borrow(frame % 20 === 0 ? today : legacy, 1);
            expect(late.pixels).toEqual(picture);
            late.return();
          }
          for (const each of lent) each.return();
        }),
      ),
    ));

  test("today's form tells one linear plane", () =>
    withDevice({}, (guest) =>
      withPeer(wl, {}, (peer) => {
        makeImage(guest, 1, 0);
        const { fd, ...lent } = peer.ask({ kind: "buffer", resource: 1 });
        closeFd(fd);
        const planes = [{ offset: 0, stride: strideOf(1, wl) }];
        expect(lent).toEqual({ kind: "buffer", planes, modifier: 0n });
      }),
    ));

  test("peers ask while the guest's commands are under way, and get whole resources", () =>
    withDevice({}, (guest) =>
      withPeer(wl, {}, (peer) => {
        const { control } = guest.gpu;
        // Each is asked for as soon as its creation is in the ring.
        for (let id = 1; id <= 200; id++) {
          const creation = control.submit(createResource2d(id, Format.R8G8B8A8, width, height));
          expect(isLent(peer, id)).toBe(true);
          expectOk(control.wait(creation));
        }
      }),
    ));

  test("unknown, freed and created anew", () =>
    withDevice({}, (guest) =>
      withPeer(wl, {}, (today) =>
        withPeer(wl, { form: "2019" }, (legacy) => {
          for (const peer of [today, legacy]) {
            for (const id of [0, 1, 0xffff_ffff]) expect(isLent(peer, id)).toBe(false);
          }
          makeImage(guest, 1, 1);
          const old = borrow(today, 1);
          expectOk(guest.gpu.unrefResource(1));
          for (const peer of [today, legacy]) expect(isLent(peer, 1)).toBe(false);
          makeImage(guest, 1, 2);
          const anew = borrow(legacy, 1);
          expect(anew.pixels).toEqual(pattern(width, height, 2));
          expect(old.pixels).toEqual(pattern(width, height, 1));
          old.return();
          anew.return();
        }),
      ),
    ));

  test("a fence is Invalid in software, whichever it is", () =>
    withDevice({}, (guest) =>
      withPeer(wl, {}, (peer) => {
        expectOk(guest.gpu.createResource2d(1, Format.B8G8R8X8, 4, 4, { fenceId: 9n }));
        for (const seqno of [0n, 9n, 2n ** 53n + 1n, 2n ** 64n - 1n]) {
          expect(peer.ask({ kind: "fence", seqno })).toEqual({ kind: "invalid", fd: -1 });
        }
      }),
    ));

  test("what was lent outlives the guest, whose resources are gone", async () => {
    let lent: BorrowedPicture | null = null;
    await withDevice({}, async (guest) => {
      makeImage(guest, 1, 5);
      lent = await withPeer(wl, {}, (peer) => borrow(peer, 1));
    });
    await withDevice({}, () => withPeer(wl, {}, (peer) => expect(isLent(peer, 1)).toBe(false)));
    expect(lent!.pixels).toEqual(pattern(width, height, 5));
    lent!.return();
  });

  test("a hundred peers, of which many never read or hang up, cost the guest nothing", () =>
    withDevice({}, async (guest) => {
      const image = makeImage(guest, 1, 0);
      guest.gpu.show(0, image);
      // A dma-buf may be made for the first borrower.
      await withPeer(wl, {}, (peer) => expect(isLent(peer, 1)).toBe(true));
      const before = await fdsAtRest(server());
      const request = new TextEncoder().encode('{"GetBuffer":{"id":1}}');
      const peers = Array.from({ length: 100 }, (_, at) => new BridgeClient(at % 2 === 0 ? wl : video));
      const began = performance.now();
      // Requests without end, whose answers nobody reads; and hang-ups with answers under way.
      for (const peer of peers) for (let count = 0; count < 10; count++) peer.send(request);
      for (const peer of peers.slice(50)) peer.close();
      for (let frame = 1; frame <= 20; frame++) {
        image.pixels.set(pattern(width, height, frame));
        guest.gpu.present(image);
        await withPeer(video, { form: "2019" }, (peer) => {
          const lent = borrow(peer, 1);
          expect(lent.pixels).toEqual(pattern(width, height, frame));
          lent.return();
        });
      }
      for (const peer of peers.slice(0, 50)) peer.close();
      const tookMs = performance.now() - began;
      expect(await fdsAtRest(server())).toBe(before);
      const { peersRefused, peersDropped } = await countersOf(server());
      expect(peersRefused).toBe(0);
      // Who has not read for so long is dropped, which takes longer than this test, but not where the CPU is emulated.
      if (tookMs < takeTimeoutMs) expect(peersDropped).toBe(0);
    }));

  test("a bridge that is killed comes back on its paths, and its peers with it", () =>
    withDevice({}, async (guest) => {
      const image = makeImage(guest, 1, 0);
      await withPeer(wl, {}, (peer) => expect(isLent(peer, 1)).toBe(true));
      const before = await fdsAtRest(server());
      for (let round = 1; round <= 3; round++) {
        const peers = [wl, video].map((path) => new BridgeClient(path));
        const lent = peers.map((peer) => borrow(peer, 1));
        // It shall have its hands full.
        const request = new TextEncoder().encode('{"GetBuffer":{"id":1}}');
        for (let count = 0; count < 200; count++) peers[count % 2]!.send(request);
        const restarts = server().log().split("resource-bridge: restarted").length;
        expect(await server().control({ command: "kill", actor: "resource-bridge" })).toEqual({ ok: true });
        for (const peer of peers) {
          expect(() => {
            for (;;) closeFd(peer.receive().fd);
          }).toThrow(BridgeFailure);
          peer.close();
        }
        await until("restart", () => server().log().split("resource-bridge: restarted").length > restarts);
        image.pixels.set(pattern(width, height, round));
        guest.gpu.present(image);
        // What was lent before is still the resource.
        for (const each of lent) expect(each.pixels).toEqual(pattern(width, height, round));
        for (const each of lent) each.return();
        for (const path of [wl, video])
          await withPeer(path, {}, (peer) => expect(isLent(peer, 1)).toBe(true));
      }
      expect(await fdsAtRest(server())).toBe(before);
    }));

  test("a resource is lent by its UUID, until it is freed, and its id's next resource is another", () =>
    withDevice({ gpuFeatures: [Feature.RESOURCE_UUID] }, (guest) =>
      withPeer(wl, {}, (peer) => {
        makeImage(guest, 1, 5);
        makeImage(guest, 2, 6);
        const { uuid } = guest.gpu.assignUuid(2);
        const { kind, fd } = peer.ask({ kind: "buffer", resource: uuid });
        expect(kind).toBe("buffer");
        const lent = new BorrowedPicture(fd, strideOf(2, wl), width, height);
        expect(lent.pixels).toEqual(pattern(width, height, 6));
        lent.return();
        expectOk(guest.gpu.unrefResource(2));
        expect(peer.ask({ kind: "buffer", resource: uuid })).toEqual({ kind: "invalid", fd: -1 });
        makeImage(guest, 2, 7);
        expect(peer.ask({ kind: "buffer", resource: uuid })).toEqual({ kind: "invalid", fd: -1 });
        // Also of a version and a variant that nobody makes: any 128 bits may be asked for.
        for (const unknown of [crypto.randomUUID(), "0f1e2d3c-4b5a-0687-0796-a5b4c3d2e1f0"])
          expect(peer.ask({ kind: "buffer", resource: unknown }).kind).toBe("invalid");
      }),
    ));

  describe("the client", () => {
    const run = (...args: string[]) => {
      const client = join(import.meta.dir, "..", "..", "src", "cli", "bridge-client.ts");
      const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, client, ...args]);
      return { exitCode, out: stdout.toString(), error: stderr.toString() };
    };
    const picture = join(folder, "now.png");
    const size = `${width}x${height}`;

    for (const form of [[], ["--legacy"]]) {
      test(`writes what it borrowed as a PNG ${form.join()}`, () =>
        withDevice({}, (guest) => {
          makeImage(guest, 7, 3);
          const { exitCode, error } = run(
            ...[wl, "--resource", "7", "--output", picture, "--size", size, ...form],
          );
          expect({ exitCode, error }).toEqual({ exitCode: 0, error: "" });
          const png = decodePng(readFileSync(picture));
          const expected = Array.from(pattern(width, height, 3), (pixel) => ((pixel << 8) | 0xff) >>> 0);
          expect(png).toEqual({ width, height, pixels: expected });
        }));
    }

    test("finds a resource by its UUID", () =>
      withDevice({ gpuFeatures: [Feature.RESOURCE_UUID] }, (guest) => {
        makeImage(guest, 7, 4);
        const { uuid } = guest.gpu.assignUuid(7);
        const without = uuid.replaceAll("-", "").toUpperCase();
        for (const written of [uuid, without]) {
          const { exitCode, error } = run(wl, "--uuid", written, "--output", picture, "--size", size);
          expect({ exitCode, error }).toEqual({ exitCode: 0, error: "" });
          const expected = Array.from(pattern(width, height, 4), (pixel) => ((pixel << 8) | 0xff) >>> 0);
          expect(decodePng(readFileSync(picture)).pixels).toEqual(expected);
        }
      }));

    test("prints how the pixels lie, and knows other formats", () =>
      withDevice({}, (guest) => {
        // A whole number of pages, so that nothing lies behind the last row.
        const image = guest.gpu.createImage(8, Format.R8G8B8X8, 64, 32);
        image.pixels.fill(0x0011_2233);
        guest.gpu.present(image);
        const { exitCode, out } = run(
          ...[wl, "--resource", "8", "--output", picture, "--format", "XBGR8888"],
        );
        expect(exitCode).toBe(0);
        expect(JSON.parse(out)).toEqual({
          planes: [{ offset: 0, stride: 256 }],
          modifier: "0x0000000000000000",
          bytes: 8192,
        });
        const png = decodePng(readFileSync(picture));
        expect(png).toEqual({ width: 64, height: 32, pixels: Array(64 * 32).fill(0x3322_11ff) });
      }));

    test("says what is wrong, with its exit code", () =>
      withDevice({}, () => {
        expect(run("--help")).toMatchObject({ exitCode: 0, out: expect.stringContaining("--resource ID") });
        for (const [args, exitCode, error] of [
          [[wl, "--resource", "1"], 1, "resource 1 cannot be borrowed"],
          [[wl, "--resource", "1", "--legacy"], 1, "resource 1 cannot be borrowed"],
          [
            [join(folder, "nobody"), "--resource", "1"],
            1,
            `no bridge is at ${join(folder, "nobody")}: --resource-bridge`,
          ],
          [[server().socketPath, "--resource", "1"], 1, `no bridge is at ${server().socketPath}: `],
          [[], 2, "want one PATH"],
          [[wl, wl, "--resource", "1"], 2, "want one PATH"],
          [[wl], 2, "want either --resource or --uuid"],
          [[wl, "--resource", "1", "--uuid", crypto.randomUUID()], 2, "want either"],
          [[wl, "--uuid", "1"], 2, "--uuid wants"],
          [[wl, "--uuid", crypto.randomUUID(), "--legacy"], 2, "--legacy cannot"],
          [[wl, "--uuid", crypto.randomUUID()], 1, "cannot be borrowed"],
          [[wl, "--resource", "4294967296"], 2, "--resource wants"],
          [[wl, "--resource", "x"], 2, "--resource wants"],
          [[wl, "--resource", "1", "--size", "0x1"], 2, "--size wants"],
          [[wl, "--resource", "1", "--format", "NV12"], 2, "unknown format NV12"],
          [[wl, "--resource", "1", "--legacy", "--output", picture], 2, "wants --size"],
          [[wl, "--colour"], 2, "--colour"],
        ] as [string[], number, string][]) {
          expect(run(...args)).toEqual({ exitCode, out: "", error: expect.stringContaining(error) });
        }
      }));
  });
});

describe("at the start", () => {
  test("a path that cannot be listened on ends the server with what is wrong, and code 2", async () => {
    const path = join(folder, "missing", "socket");
    const failure = await ServerProcess.start({ args: ["--resource-bridge", path] }).catch(
      (error: unknown) => error as Error,
    );
    expect((failure as Error).message).toContain("ended with code 2");
    expect((failure as Error).message).toContain(
      `no resource bridge: there is no folder ${join(folder, "missing")} for ${path}`,
    );
  });

  test("a socket that a killed server left is replaced, and removed at the end", async () => {
    const path = join(folder, "left");
    const args = ["--resource-bridge", path];
    const first = await ServerProcess.start({ args });
    process.kill(first.pid, "SIGKILL");
    await first.stop();
    expect(existsSync(path)).toBe(true);
    const second = await ServerProcess.start({ args });
    await withPeer(path, {}, (peer) => expect(isLent(peer, 1)).toBe(false));
    expect(await second.stop()).toBe(0);
    expect(existsSync(path)).toBe(false);
  });
});

/** Readers leave out alpha. */
const opaque = (pixel: number): number => pixel & 0xff_ffff;

describe("of a guest that draws in 3D", () => {
  const path = join(folder, "3d");
  const { withDevice, server } = serveTests(...virglServer, "--resource-bridge", path);
  let onCpu = true;
  beforeAll(async () => {
    const { renderer } = await server().control({ command: "status" });
    onCpu = (renderer as { node: string | null }).node === null;
  });

  const with3d = (body: (guest: SyntheticGuest, peer: BridgeClient) => unknown) =>
    withDevice(patient, async (guest) => {
      makeContext(guest);
      await withPeer(path, {}, (peer) => body(guest, peer));
    });

  /** A copy where the renderer is on the CPU, which is answered. Elsewhere a dma-buf, which its driver can read. */
  function expectLent(peer: BridgeClient, resource: number, picture: Uint32Array): BorrowedPicture | null {
    const lent = peer.ask({ kind: "buffer", resource });
    if (lent.kind !== "buffer") throw new Error(`resource ${resource} is not lent`);
    const [{ offset, stride }] = lent.planes as [Plane];
    if (onCpu) {
      expect({ offset, modifier: lent.modifier }).toEqual({ offset: 0, modifier: 0n });
      if (storageKind !== "gbm") expect(stride).toBe(width * 4);
      const borrowed = new BorrowedPicture(lent.fd, stride, width, height);
      expect(borrowed.pixels).toEqual(picture);
      return borrowed;
    }
    expectShared(lent, picture);
    closeFd(lent.fd);
    return null;
  }

  /** Fails unless a dma-buf is a picture of this fourcc, alpha left out. */
  function expectShared(lent: Lent, picture: Uint32Array, fourcc: number = Fourcc.XRGB8888): void {
    if (lent.kind !== "buffer") throw new Error("nothing is lent");
    const [{ offset, stride }] = lent.planes as [Plane];
    expect(stride).toBeGreaterThanOrEqual(width * 4);
    const image = { fd: lent.fd, width, height, stride, offset, fourcc, flags: 0 };
    const pixels = new Uint32Array(width * height);
    readShared({ ...image, modifierHigh: 0, modifierLow: 0 }, { x: 0, y: 0, width, height }, pixels);
    expectPixels(pixels.map(opaque), width, (x, y) => opaque(picture[y * width + x]!));
  }

  test("a picture is lent as it is when it is asked for", () =>
    with3d((guest, peer) => {
      const texture = makeTexture(guest, 1, width, height);
      const picture = gradient(width, height, 1);
      upload(guest, texture, picture);
      const first = expectLent(peer, 1, picture);
      draw(guest, (stream) => clearTo(stream, texture, [10, 20, 30, 255]));
      // Read back when somebody asks, not before.
      expect(first?.pixels ?? picture).toEqual(picture);
      const cleared = new Uint32Array(width * height).fill(0xff0a_141e);
      const second = expectLent(peer, 1, cleared);
      // Both are one memory.
      expect(first?.pixels ?? cleared).toEqual(cleared);
      first?.return();
      second?.return();
    }));

  test("a picture is lent without a copy where the GPU's driver keeps it as the guest's format says", () =>
    with3d((guest, peer) => {
      const texture = makeTexture(guest, 1, width, height, { format: virgl.VirglFormat.R8G8B8A8_UNORM });
      const lent = peer.ask({ kind: "buffer", resource: 1 });
      for (const blue of [1, 2, 3]) {
        draw(guest, (stream) => clearTo(stream, texture, [10, 20, blue, 255]));
        // On the CPU it is read back when somebody asks; a GPU draws into what was lent, once it is told to begin.
        const again = peer.ask({ kind: "buffer", resource: 1 });
        expectShared(lent, new Uint32Array(width * height).fill(bgra(10, 20, blue)), Fourcc.XBGR8888);
        closeFd(again.fd);
      }
      closeFd(lent.fd);
    }));

  test("a picture that is shown may be lent, and the other way round", () =>
    with3d((guest, peer) => {
      const texture = makeTexture(guest, 1, width, height);
      upload(guest, texture, gradient(width, height, 2));
      expectOk(guest.gpu.setScanout(0, 1, areaOf(texture)));
      expectOk(guest.gpu.flushResource(1, areaOf(texture)));
      expectShown(guest, 0, width, height, gradient(width, height, 2));
      expect(guest.display!.dmabuf(0) === null).toBe(onCpu);
      const lent = expectLent(peer, 1, gradient(width, height, 2));
      upload(guest, texture, gradient(width, height, 3));
      expectOk(guest.gpu.flushResource(1, areaOf(texture)));
      expectShown(guest, 0, width, height, gradient(width, height, 3));
      expectOk(guest.gpu.unrefResource(1));
      expect(lent?.pixels ?? gradient(width, height, 3)).toEqual(gradient(width, height, 3));
      lent?.return();
    }));

  test("a 2D resource that moves into the renderer leaves what was lent, and is lent anew", () =>
    with3d((guest, peer) => {
      const image = makeImage(guest, 1, 4);
      const before = borrow(peer, 1, path);
      expectOk(guest.gpu.attachResource(1, 1));
      expectLent(peer, 1, pattern(width, height, 4))?.return();
      image.pixels.set(pattern(width, height, 6));
      guest.gpu.present(image);
      expectLent(peer, 1, pattern(width, height, 6))?.return();
      expect(before.pixels).toEqual(pattern(width, height, 4));
      before.return();
    }));

  test("what is no picture is Invalid", () =>
    with3d((guest, peer) => {
      makeBuffer(guest, 1, virgl.Bind.VERTEX_BUFFER, new Uint8Array(64));
      const { S8_UINT_Z24_UNORM } = virgl.VirglFormat;
      const bind = virgl.Bind.DEPTH_STENCIL;
      makeTexture(guest, 2, width, height, { format: S8_UINT_Z24_UNORM, bind });
      makeTexture(guest, 3, width, height, { target: virgl.Target.TEXTURE_2D_ARRAY, arraySize: 2 });
      for (const id of [1, 2, 3])
        expect(peer.ask({ kind: "buffer", resource: id })).toMatchObject({ fd: -1 });
    }));

  test("a fence that is out is lent where the host can make it a descriptor", () =>
    with3d((guest, peer) => {
      const texture = makeTexture(guest, 1, 2048, 2048);
      const stream = new virgl.CommandStream();
      for (let count = 0; count < 50; count++) clearTo(stream, texture, [count, 0, 0, 255]);
      const fenceId = 2n ** 63n + 5n;
      const submission = guest.gpu.control.submit(commands3d.submit3d(1, stream.bytes, { fenceId }));
      const { kind, fd } = peer.ask({ kind: "fence", seqno: fenceId });
      expectOk(guest.gpu.control.wait(submission, "the clears"));
      if (onCpu) expect(kind).toBe("invalid");
      if (kind === "fence") {
        const epoll = new Epoll();
        epoll.add(fd, EPOLLIN, () => {});
        expect(epoll.wait(20_000)).toBe(1);
        epoll.close();
        closeFd(fd);
      }
      expect(peer.ask({ kind: "fence", seqno: 5n })).toEqual({ kind: "invalid", fd: -1 });
    }));
});
