// What fails around a guest that draws: actors that stand still, a server that is suspended, clocks that jump, a VMM that is killed,
// display sockets that end anywhere, memory that is shorter than it says. docs/reliability.md lists these and all others.

import { dlopen } from "bun:ffi";
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as commands from "../../lab/driver/commands.ts";
import type { CommandQueue } from "../../lab/driver/command-queue.ts";
import type { GuestRegion } from "../../lab/driver/guest-memory.ts";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { bound } from "../../lab/bound-child.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { workerNames } from "../../src/actors/registry.ts";
import { cString, libc, MFD_CLOEXEC } from "../../src/ffi/libc.ts";
import { closeFd } from "../../src/transport/os/fds.ts";
import { socketPair } from "../../src/transport/os/unix-socket.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { FaultyServer } from "../support/faulty-server/faulty-server.ts";
import { draw } from "../support/faulty-server/scenes.ts";
import { holdThreads } from "../support/held-threads.ts";
import { driverPatienceMs } from "../support/patience.ts";
import { expectOk, expectShown, expectWorking, pattern, serveTests, untilSo } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "fencepost-faults-"));
afterAll(() => rmSync(folder, { recursive: true }));

const { withDevice, server, expectServing } = serveTests(
  ...["--inspect", "--renderer", "software", "--isolation", "thread"],
  ...["--record", join(folder, "recording"), "--resource-bridge", join(folder, "bridge")],
  ...["--log-lines-max", "1000"],
);
const [width, height] = [320, 200];

const until = (what: string, holds: () => boolean): Promise<void> =>
  untilSo(what, holds, () => server().log());

/** Offers a command; what is returned waits for its answer. */
function waiting(queue: CommandQueue, request: DataView): () => void {
  const one = queue.submit(request);
  return () => expectOk(queue.wait(one));
}

describe("an actor that stands still under load", () => {
  for (const actor of workerNames) {
    test(`${actor}: others go on, and all is shown when it does`, () =>
      withDevice({}, (guest) => {
        const { gpu, control, cursor } = guest;
        const image = gpu.createImage(1, Format.B8G8R8X8, width, height);
        gpu.show(0, image);
        const pointer = gpu.createImage(2, Format.B8G8R8A8, 64, 64);
        pointer.pixels.fill(0xff12_3456);
        gpu.present(pointer);
        expectOk(gpu.updateCursor({ scanoutId: 0, x: 0, y: 0 }, 2));
        // What waits for it, and must not be waited for.
        const late: (() => void)[] = [];
        const letGo = holdThreads(server().pid, actor.slice(0, 15));
        try {
          for (let frame = 0; frame < 50; frame++) {
            image.pixels.set(pattern(width, height, frame));
            const moved = commands.moveCursor({ scanoutId: 0, x: frame, y: frame }, 2);
            const drawn = [
              commands.transferToHost2d(1, areaOf(image), 0),
              commands.flushResource(1, areaOf(image)),
            ];
            // Its own commands wait, and there is room for a few.
            const isFew = frame < 3;
            if (actor !== "cursor-queue") expectOk(cursor.call(moved));
            else if (isFew) late.push(waiting(cursor, moved));
            if (actor !== "ctrl-queue") for (const one of drawn) expectOk(control.call(one));
            else if (isFew) for (const one of drawn) late.push(waiting(control, one));
          }
        } finally {
          letGo();
        }
        for (const done of late) done();
        image.pixels.set(pattern(width, height, 99));
        gpu.present(image);
        expectShown(guest, 0, width, height, pattern(width, height, 99));
        expectOk(gpu.moveCursor({ scanoutId: 0, x: 77, y: 7 }));
        guest.pump.until(() => guest.display!.cursors[0]!.x === 77, "the cursor");
        expectWorking(guest);
      }));
  }
});

test("a server that is suspended under load goes on where it was, with every command answered", () =>
  withDevice({}, async (guest) => {
    const { gpu, control } = guest;
    const image = gpu.createImage(1, Format.B8G8R8X8, width, height);
    gpu.show(0, image);
    for (let round = 0; round < 3; round++) {
      image.pixels.set(pattern(width, height, round));
      const sent = [commands.transferToHost2d(1, areaOf(image), 0), commands.flushResource(1, areaOf(image))];
      const before = control.submit(sent[0]!);
      process.kill(server().pid, "SIGSTOP");
      const meanwhile = control.submit(sent[1]!);
      // Longer than what the display and the fences are given at once.
      await Bun.sleep(200);
      process.kill(server().pid, "SIGCONT");
      expectOk(control.wait(before));
      expectOk(control.wait(meanwhile));
      expectShown(guest, 0, width, height, pattern(width, height, round));
    }
    expectWorking(guest);
  }));

test("a VMM that is killed amid its commands leaves nothing behind, and the next one is served", async () => {
  expectServing();
  await until("the session has ended", () => server().log().includes("the front-end has disconnected"));
  const { fds } = server().usage();
  const script = join(import.meta.dir, "../support/doomed-vmm.ts");
  for (let life = 0; life < 4; life++) {
    const vmm = Bun.spawn(bound([process.execPath, script, server().socketPath]), { stdout: "pipe" });
    const reader = vmm.stdout.getReader();
    await reader.read();
    await Bun.sleep(life * 7);
    vmm.kill("SIGKILL");
    await vmm.exited;
    expect(vmm.signalCode).toBe("SIGKILL");
    await reader.cancel();
    expectServing();
  }
  await until("descriptors are as before", () => server().usage().fds <= fds);
});

const { symbols } = dlopen("libc.so.6", { shutdown: { args: ["i32", "i32"], returns: "i32" } });
const [SHUT_RD, SHUT_WR] = [0, 1];

describe("a display's socket", () => {
  test.each([
    ["ends in the middle of a reply's header", (fd: number) => send(fd, 5)],
    ["ends in the middle of a reply", (fd: number) => send(fd, 20)],
    ["is closed for what the VMM says", (fd: number) => void symbols.shutdown(fd, SHUT_WR)],
    ["is closed for what the VMM hears", (fd: number) => void symbols.shutdown(fd, SHUT_RD)],
  ])("that %s costs the picture, which the next one shows", (_, end) =>
    withDevice({}, (guest) => {
      const { gpu, frontend } = guest;
      const image = gpu.createImage(1, Format.B8G8R8X8, width, height);
      image.pixels.set(pattern(width, height, 5));
      const [ours, theirs] = socketPair("stream");
      guest.display!.close();
      frontend.gpuSetSocket(theirs);
      closeFd(theirs);
      gpu.show(0, image);
      end(ours);
      closeFd(ours);
      for (let frame = 0; frame < 20; frame++) gpu.present(image);
      expectWorking(guest);
      guest.openDisplay();
      expectShown(guest, 0, width, height, pattern(width, height, 5));
    }),
  );

  /** The first bytes of an answer to GET_PROTOCOL_FEATURES, which is asked first. */
  function send(fd: number, bytes: number): void {
    const whole = new Uint32Array([1, 4, 8, 0, 0]);
    libc.write(fd, new Uint8Array(whole.buffer), bytes);
  }
});

test("wall clocks that jump, back and forth, are nothing to a guest", async () => {
  const faults = new FaultyServer();
  const year = 365 * 86_400_000;
  try {
    const own = await faults.start(["--renderer", "software", "--inspect"]);
    const guest = SyntheticGuest.boot(own.socketPath, { patienceMs: driverPatienceMs, gpuFeatures: [1, 3] });
    const path = join(folder, "jumping");
    expect(await own.control({ command: "record-start", path })).toMatchObject({ ok: true });
    for (const [seed, jump] of [year, -year, 1, -86_400_000, 0].entries()) {
      faults.setClock(jump);
      draw(guest, seed);
      for (const id of [1, 2, 3]) expectOk(guest.gpu.unrefResource(id));
    }
    expect(await own.control({ command: "record-stop" })).toMatchObject({ ok: true });
    guest.close();
  } finally {
    expect(await faults.stop()).toBe(0);
  }
});

describe("guest memory", () => {
  test("whose file is shorter than it says ends its session, and the next one is served", async () => {
    await withDevice({}, async ({ memory, frontend }) => {
      const { fd, size, userAddress } = memory.regions[0]!;
      const longer = { fd, guestAddress: 2 ** 40, size: size + 4096, userAddress };
      expect(() => frontend.addMemReg(longer as GuestRegion)).toThrow();
      await until("a line on it", () => server().log().includes("lies outside of its file"));
    });
    expectServing();
  });
});

test("guest memory that its VMM cuts off costs that session, where commands have a process of their own, and the next one is served", async () => {
  const own = await ServerProcess.start({ args: ["--renderer", "software", "--isolation", "process"] });
  // One that allows no seals, as a file does.
  const fd = libc.memfd_create(cString("cut-off"), MFD_CLOEXEC);
  libc.ftruncate(fd, 1 << 20);
  const layout = [
    { guestAddress: 0, size: 16 << 20 },
    { guestAddress: 1 << 30, size: 1 << 20, fd },
  ];
  const guest = SyntheticGuest.boot(own.socketPath, { memory: layout, patienceMs: driverPatienceMs });
  try {
    expectOk(guest.gpu.createResource2d(1, Format.B8G8R8X8, 64, 64));
    expectOk(guest.gpu.attachBacking(1, [{ address: 1 << 30, length: 64 * 64 * 4 }]));
    libc.ftruncate(fd, 0);
    const cut = { x: 0, y: 0, width: 64, height: 64 };
    guest.control.submit(commands.transferToHost2d(1, cut, 0));
    const isOver = (): boolean => own.log().includes("lies outside of its file");
    for (const deadline = performance.now() + driverPatienceMs; !isOver() && performance.now() < deadline;)
      await Bun.sleep(5);
    expect(own.log()).toContain("ended by SIGBUS amid TRANSFER_TO_HOST_2D");
    expect(isOver()).toBe(true);
    guest.close();
    const next = SyntheticGuest.boot(own.socketPath, { patienceMs: driverPatienceMs });
    try {
      const image = next.gpu.createImage(2, Format.B8G8R8X8, width, height);
      image.pixels.set(pattern(width, height, 3));
      next.gpu.show(0, image);
      next.gpu.present(image);
      expectShown(next, 0, width, height, pattern(width, height, 3));
    } finally {
      next.close();
    }
    expect(own.exitCode).toBeNull();
  } finally {
    await own.stop();
  }
});
