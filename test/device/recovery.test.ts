// The ctrl queue's process dies, as it may by whatever a guest sends to its renderer: another one takes over, and the guest
// loses no more than what was in the renderer.

import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as commands from "../../lab/driver/commands.ts";
import * as commands3d from "../../lab/driver/commands-3d.ts";
import { areaOf, type Image } from "../../lab/driver/gpu-driver.ts";
import { type GuestOptions, SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import * as virgl from "../../lab/driver/virgl/index.ts";
import { Ccmd, queryObject } from "../../src/actors/gpu/renderer/virgl/protocol.ts";
import { BlobMem, Feature, Format, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { filesOf } from "../support/fds.ts";
import { driverPatienceMs } from "../support/patience.ts";
import { readShared } from "../support/gpu-reader.ts";
import { makeBuffer, makeContext, makeTexture } from "./3d-support.ts";
import { slowDraws } from "./slow-draws.ts";
import { expectOk, expectShown, expectType, expectWorking, pattern, untilSo } from "./support.ts";

let server: ServerProcess;
let guest: SyntheticGuest | null = null;
afterEach(async () => {
  guest?.close();
  guest = null;
  const code = await server.stop();
  expect(`${code}\n${server.log()}`).toStartWith("0\n");
});

async function boot(options: GuestOptions, ...args: string[]): Promise<SyntheticGuest> {
  server = await ServerProcess.start({ args: ["--isolation", "process", "--vulkan", "off", ...args] });
  guest = SyntheticGuest.boot(server.socketPath, { patienceMs: driverPatienceMs, ...options });
  return guest;
}

const successors = (): number => server.log().split(" ctrl-queue: restarted").length - 1;

const until = (what: string, isSo: () => boolean): Promise<void> => untilSo(what, isSo, () => server.log());

/** Ends the process, and waits for its successor. */
async function die(signal: "SIGKILL" | "SIGSEGV" | "SIGABRT" = "SIGKILL"): Promise<void> {
  const before = successors();
  process.kill(server.actorProcesses[0]!, signal);
  await until("another one has taken over", () => successors() > before);
}

function draw(image: Image, seed = 0): void {
  const { width, height } = image;
  image.pixels.set(pattern(width, height, seed));
}

describe.each(["software", "virgl"])("with --renderer %s", (renderer) => {
  test("what is shown stays, and what the guest has made is there again", async () => {
    const { gpu } = await boot({ gpuFeatures: [Feature.RESOURCE_UUID] }, "--renderer", renderer);
    const [screen, other] = [1, 2].map((id) => gpu.createImage(id, Format.B8G8R8X8, 320, 200));
    draw(screen!);
    draw(other!, 7);
    gpu.show(0, screen!);
    gpu.present(screen!);
    gpu.present(other!);
    const { uuid } = gpu.assignUuid(2);
    expectShown(guest!, 0, 320, 200, pattern(320, 200));

    for (const signal of ["SIGKILL", "SIGSEGV", "SIGABRT"] as const) {
      await die(signal);
      expectShown(guest!, 0, 320, 200, pattern(320, 200));
      // Nothing of them is transferred again.
      expectOk(gpu.setScanout(0, 2, areaOf(other!)));
      expectShown(guest!, 0, 320, 200, pattern(320, 200, 7));
      expectOk(gpu.setScanout(0, 1, areaOf(screen!)));
      expectShown(guest!, 0, 320, 200, pattern(320, 200));
      expect(gpu.assignUuid(2).uuid).toBe(uuid);
      expectType(gpu.createResource2d(2, Format.B8G8R8X8, 4, 4), Response.ERR_INVALID_RESOURCE_ID);
      expectType(gpu.attachBacking(2, [other!.backing]), Response.ERR_UNSPEC);
    }
    expectOk(gpu.unrefResource(2));
    await die();
    expectType(gpu.unrefResource(2), Response.ERR_INVALID_RESOURCE_ID);
    draw(screen!, 3);
    gpu.present(screen!);
    expectShown(guest!, 0, 320, 200, pattern(320, 200, 3));
    expectWorking(guest!);
  });

  test("commands that are under way are answered once, in their order, and run once", async () => {
    const { gpu } = await boot({}, "--renderer", renderer);
    const { control } = gpu;
    let next = 1;
    for (let round = 0; round < 3; round++) {
      const before = successors();
      const sent = Array.from({ length: 60 }, () =>
        control.submit(commands.createResource2d(next++, Format.B8G8R8X8, 8, 8), { hold: true }),
      );
      control.commit();
      process.kill(server.actorProcesses[0]!, "SIGKILL");
      for (const one of sent) control.wait(one);
      await until("another one has taken over", () => successors() > before);
      // What it died of is one at most: it may have been made or not.
      const refused = sent.filter(({ result }) => result.type !== Response.OK_NODATA);
      expect(refused.length).toBeLessThanOrEqual(1);
      for (const { result } of refused) expectType(result, Response.ERR_UNSPEC);
    }
    let there = 0;
    for (let id = 1; id < next; id++) if (gpu.unrefResource(id).type === Response.OK_NODATA) there++;
    expect(there).toBeGreaterThanOrEqual(next - 1 - 3);
  });

  test("a guest's pages are shown as a blob again", async () => {
    const { gpu, memory } = await boot({ gpuFeatures: [Feature.RESOURCE_BLOB] }, "--renderer", renderer);
    const pages = memory.allocate(64 * 64 * 4, 4096);
    pages.words.set(pattern(64, 64));
    expectOk(gpu.createBlob({ resourceId: 5, mem: BlobMem.GUEST, size: pages.length }, [pages]));
    const layout = { width: 64, height: 64, format: Format.B8G8R8X8, strides: [256] };
    const area = { x: 0, y: 0, width: 64, height: 64 };
    expectOk(gpu.setScanoutBlob(0, 5, area, layout));
    expectOk(gpu.flushResource(5, area));
    expectShown(guest!, 0, 64, 64, pattern(64, 64));
    await die();
    pages.words.set(pattern(64, 64, 9));
    expectOk(gpu.flushResource(5, area));
    expectShown(guest!, 0, 64, 64, pattern(64, 64, 9));
  });

  test("a cursor's image is there again, and one that is asked for meanwhile comes", async () => {
    const { gpu } = await boot({}, "--renderer", renderer);
    const arrow = gpu.createImage(3, Format.B8G8R8A8, 64, 64);
    arrow.pixels.fill(0xff11_2233);
    gpu.present(arrow);
    process.kill(server.actorProcesses[0]!, "SIGKILL");
    expectOk(gpu.updateCursor({ scanoutId: 0, x: 4, y: 5 }, 3, 0, 0));
    const cursor = guest!.display!.cursors[0]!;
    guest!.pump.until(() => cursor.visible, "the cursor");
    expect(cursor.pixels.every((pixel) => pixel === 0xff11_2233)).toBe(true);
  });

  test("a cursor that is asked for meanwhile is what the guest's commands make that wait before it", async () => {
    const { gpu, memory } = await boot({}, "--renderer", renderer);
    gpu.createImage(1, Format.B8G8R8X8, 64, 48);
    const child = server.actorProcesses[0]!;
    process.kill(child, "SIGSTOP");
    const pixels = memory.allocate(64 * 64 * 4);
    pixels.words.fill(0xff44_5566);
    const made = [
      commands.createResource2d(3, Format.B8G8R8A8, 64, 64),
      commands.attachBacking(3, [pixels]),
      commands.transferToHost2d(3, { x: 0, y: 0, width: 64, height: 64 }, 0),
    ].map((request) => gpu.control.submit(request));
    const moved = gpu.cursor.submit(commands.updateCursor({ scanoutId: 0, x: 4, y: 5 }, 3, 0, 0));
    process.kill(child, "SIGKILL");
    expectOk(gpu.cursor.wait(moved));
    for (const one of made) expectOk(gpu.control.wait(one));
    const cursor = guest!.display!.cursors[0]!;
    guest!.pump.until(() => cursor.visible, "the cursor");
    expect(cursor.pixels.every((pixel) => pixel === 0xff44_5566)).toBe(true);
  });

  test("a driver that starts anew meanwhile starts from nothing, and so does another front-end", async () => {
    const { gpu } = await boot({}, "--renderer", renderer);
    const image = gpu.createImage(1, Format.B8G8R8X8, 64, 48);
    gpu.show(0, image);
    process.kill(server.actorProcesses[0]!, "SIGKILL");
    guest!.close();
    guest = SyntheticGuest.boot(server.socketPath, { patienceMs: driverPatienceMs });
    expectType(guest.gpu.unrefResource(1), Response.ERR_INVALID_RESOURCE_ID);
    await die();
    expectType(guest.gpu.unrefResource(1), Response.ERR_INVALID_RESOURCE_ID);
    expectWorking(guest);
  });
});

test("of more pixels than are read at once the rest takes nothing of the host before there is need of it", async () => {
  const { gpu } = await boot({}, "--renderer", "software");
  const image = gpu.createImage(1, Format.B8G8R8X8, 64, 48);
  // 256 MiB, and a page of them.
  for (let id = 2; id < 6; id++) {
    expectOk(gpu.createResource2d(id, Format.B8G8R8X8, 4096, 4096));
    expectOk(gpu.attachBacking(id, [image.backing]));
  }
  const last = gpu.createImage(7, Format.B8G8R8X8, 64, 48);
  draw(last);
  const memories = (): number =>
    filesOf(server.ctrlQueuePid).filter(({ file }) => file.includes("memfd:fencepost-resource")).length;
  await die();
  // What it had is read before it goes.
  expectOk(gpu.detachBacking(7));
  last.pixels.fill(0);
  expect(memories()).toBe(5);
  expectOk(gpu.setScanout(0, 7, areaOf(last)));
  expectOk(gpu.flushResource(7, areaOf(last)));
  expectShown(guest!, 0, 64, 48, pattern(64, 48));
});

test("a process that is suspended, and goes on, dies of nothing", async () => {
  await boot({}, "--renderer", "virgl");
  const stateOf = (pid: number): string | undefined =>
    /^State:\s*(\w)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  const pid = server.actorProcesses[0]!;
  for (let round = 0; round < 20; round++) {
    process.kill(pid, "SIGSTOP");
    await until("it is suspended", () => stateOf(pid) === "T");
    process.kill(pid, "SIGCONT");
    expectWorking(guest!);
  }
  expect(server.actorProcesses).toEqual([pid]);
  expect(server.log()).not.toContain("crashed");
});

test("memory that the VMM takes away meanwhile, and gives back, is there again for the ring and all that was in it", async () => {
  const { gpu, memory, frontend } = await boot({}, "--renderer", "software");
  const image = gpu.createImage(1, Format.B8G8R8X8, 64, 48);
  draw(image);
  gpu.show(0, image);
  const before = successors();
  process.kill(server.actorProcesses[0]!, "SIGKILL");
  const [region] = memory.regions;
  frontend.remMemReg(region!);
  await until("another one is there", () => successors() > before);
  const draws = gpu.control.submit(commands.transferToHost2d(1, areaOf(image), 0));
  frontend.addMemReg(region!);
  expectOk(gpu.control.wait(draws));
  expectOk(gpu.flushResource(1, areaOf(image)));
  expectShown(guest!, 0, 64, 48, pattern(64, 48));
  expectWorking(guest!);
});

test("a process that does not go on is ended, and another one takes its place", async () => {
  const { gpu } = await boot({}, "--renderer", "software", "--stall-ms", "1000");
  const image = gpu.createImage(1, Format.B8G8R8X8, 64, 48);
  draw(image);
  gpu.show(0, image);
  process.kill(server.actorProcesses[0]!, "SIGSTOP");
  gpu.present(image);
  expectShown(guest!, 0, 64, 48, pattern(64, 48));
  expect(server.log()).toContain("crashed: ended, since it was inside of one call for 1000 ms");
});

describe("what was in the renderer", () => {
  const options: GuestOptions = { display: { readDmabuf: readShared } };

  test("contexts are lost, and can be destroyed; new ones work; what they have drawn stays to be seen until they draw", async () => {
    const { gpu } = await boot(options, "--renderer", "virgl");
    makeContext(guest!, 1);
    const texture = makeTexture(guest!, 1, 64, 64);
    texture.pixels.set(pattern(64, 64));
    const box = { x: 0, y: 0, z: 0, width: 64, height: 64, depth: 1 };
    expectOk(gpu.transferToHost3d(0, 1, { box, stride: 256 }));
    expectOk(gpu.setScanout(0, 1, { x: 0, y: 0, width: 64, height: 64 }));
    expectOk(gpu.flushResource(1, { x: 0, y: 0, width: 64, height: 64 }));
    expectShown(guest!, 0, 64, 64, pattern(64, 64));

    await die();

    await until("it has taken over", () => server.log().includes("3D contexts are lost: test-1"));
    expectShown(guest!, 0, 64, 64, pattern(64, 64));
    expectType(gpu.submit3d(1, new Uint8Array(0)), Response.ERR_UNSPEC);
    expectType(gpu.transferToHost3d(1, 1, { box, stride: 256 }), Response.ERR_UNSPEC);
    expectType(gpu.createContext(1, "again"), Response.ERR_INVALID_CONTEXT_ID);
    expectOk(gpu.detachResource(1, 1));
    expectOk(gpu.destroyContext(1));
    makeContext(guest!, 1);
    expectOk(gpu.attachResource(1, 1));
    texture.pixels.set(pattern(64, 64, 5));
    expectOk(gpu.transferToHost3d(1, 1, { box, stride: 256 }));
    expectOk(gpu.flushResource(1, { x: 0, y: 0, width: 64, height: 64 }));
    expectShown(guest!, 0, 64, 64, pattern(64, 64, 5));
  });

  test("the command that it died of earns ERR_UNSPEC, those whose fences were out are done, and those behind them run", async () => {
    const { gpu } = await boot(options, "--renderer", "virgl");
    const { control } = gpu;
    const slow = slowDraws(guest!, 40);
    const box = { x: 0, y: 0, z: 0, width: 256, height: 256, depth: 1 };
    const before = successors();
    const drawn = control.submit(commands3d.submit3d(1, slow, { fenceId: 1n }));
    const read = control.submit(commands3d.transferFromHost3d(1, 1, { box }, { fenceId: 2n }));
    const behind = control.submit(commands.createResource2d(77, Format.B8G8R8X8, 4, 4, { fenceId: 3n }));
    await Bun.sleep(60);
    process.kill(server.actorProcesses[0]!, "SIGKILL");
    for (const one of [drawn, read, behind]) control.wait(one);
    await until("another one has taken over", () => successors() > before);
    expect(server.log()).toMatch(/crashed: ended by SIGKILL amid \w+ of context 1/);
    expect(server.log()).toMatch(
      /took over in \d+ ms: .*; (?:SUBMIT_3D|TRANSFER_FROM_HOST_3D) of context 1 \(.+\) is not run again/,
    );
    for (const { result } of [drawn, read])
      expect([Response.OK_NODATA, Response.ERR_UNSPEC]).toContain(result.type as never);
    expect([drawn, read].map(({ result }) => result.type)).toContain(Response.ERR_UNSPEC);
    expect([drawn, read, behind].map(({ result }) => result.fenceId)).toEqual([1n, 2n, 3n]);
    expectOk(behind.result);
    expectType(gpu.createResource2d(77, Format.B8G8R8X8, 4, 4), Response.ERR_INVALID_RESOURCE_ID);
  });

  test("a context in which it dies again and again is not made any more, and others are", async () => {
    const { gpu } = await boot(options, "--renderer", "virgl");
    const { control } = gpu;
    const box = { x: 0, y: 0, z: 0, width: 256, height: 256, depth: 1 };
    for (let death = 0; death < 3; death++) {
      const slow = slowDraws(guest!, 40);
      const before = successors();
      const sent = [commands3d.submit3d(1, slow), commands3d.transferFromHost3d(1, 1, { box })];
      const under = sent.map((one) => control.submit(one));
      await Bun.sleep(100);
      process.kill(server.actorProcesses[0]!, "SIGKILL");
      for (const one of under) control.wait(one);
      await until("another one has taken over", () => successors() > before);
      expectOk(gpu.destroyContext(1));
      for (const id of [1, 50]) expectOk(gpu.unrefResource(id));
    }
    expectType(gpu.createContext(9, "test-1"), Response.ERR_UNSPEC);
    expectOk(gpu.createContext(9, "other"));
    expect(server.log()).toContain('no more contexts are made for "test-1"');
  });
});

describe("streams that virglrenderer dies of, where nothing keeps them from it", () => {
  const bare = 60;
  const texture = 61;
  const query = 7;
  const buffer = 62;
  const words = (command: number, ...operands: number[]): number[] => [
    (operands.length << 16) | command,
    ...operands,
  ];
  /** Each is what the guard keeps from the library. */
  const deadly: [string, number[]][] = [
    ["an answer to where no backing is", words(Ccmd.GET_MEMORY_INFO, bare)],
    [
      "an image of a format that there is not",
      words(Ccmd.SET_SHADER_IMAGES, 1, 0, 0x7fff_ffff, 3, 0, 0, texture),
    ],
    [
      "a query's result into what is no buffer",
      [
        ...words(Ccmd.CREATE_OBJECT | (queryObject << 8), query, 0, 0, buffer),
        ...words(virgl.Ccmd.BEGIN_QUERY, query),
        ...words(virgl.Ccmd.END_QUERY, query),
        ...words(Ccmd.GET_QUERY_RESULT_QBO, query, texture, 1, 0, 0xffff_0000, 0),
      ],
    ],
  ];

  test.each(deadly)("%s", async (_, stream) => {
    server = await ServerProcess.start({
      command: [process.execPath, join(import.meta.dir, "../support/unguarded-device/server.ts")],
      args: ["--isolation", "process", "--vulkan", "off", "--renderer", "virgl"],
    });
    guest = SyntheticGuest.boot(server.socketPath, { patienceMs: driverPatienceMs });
    const { gpu } = guest;
    const image = gpu.createImage(1, Format.B8G8R8X8, 64, 48);
    draw(image);
    gpu.show(0, image);
    gpu.present(image);
    makeContext(guest, 2);
    const { BUFFER } = virgl.Target;
    const { R8_UNORM } = virgl.VirglFormat;
    expectOk(
      gpu.createResource3d({
        resourceId: bare,
        target: BUFFER,
        format: R8_UNORM,
        bind: virgl.Bind.VERTEX_BUFFER,
        width: 64,
      }),
    );
    expectOk(gpu.attachResource(2, bare));
    makeBuffer(guest, buffer, virgl.Bind.CUSTOM, new Uint8Array(64), [2]);
    makeTexture(guest, texture, 16, 16, {}, [2]);

    const result = gpu.submit3d(2, new Uint8Array(Uint32Array.from(stream).buffer));

    expectType(result, Response.ERR_UNSPEC);
    expect(server.log()).toMatch(/crashed: ended by SIG(?:SEGV|ABRT|BUS) amid SUBMIT_3D of context 2/);
    await until("it has taken over", () =>
      server.log().includes("SUBMIT_3D of context 2 (test-2) is not run again"),
    );
    expectShown(guest, 0, 64, 48, pattern(64, 48));
    draw(image, 4);
    gpu.present(image);
    expectShown(guest, 0, 64, 48, pattern(64, 48, 4));
    makeContext(guest, 3);
  });
});
