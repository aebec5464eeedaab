// Actors that throw while a guest draws: those that can lose their state come back, and the guest notices nothing.

import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { mayReturn, workerNames } from "../../src/actors/registry.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { expectOk, serveTests } from "./support.ts";

const directory = mkdtempSync(join(tmpdir(), "fencepost-crash-"));
afterAll(() => rmSync(directory, { recursive: true }));

// With all actors that there may be.
const { withDevice, server } = serveTests("--inspect", "--record", join(directory, "recording"));
const isolation = process.env["FENCEPOST_ISOLATION"] === "process" ? "process" : "thread";
const frames = 240;
const killAt = [60, 120, 180];

for (const actor of workerNames.filter((name) => mayReturn(name, { isolation }))) {
  test(`the ${actor} killed three times in an animation costs no command and no frame that stays`, () =>
    withDevice({}, async (guest) => {
      const { gpu } = guest;
      const screen = gpu.createImage(1, Format.B8G8R8X8, 512, 384);
      const pointer = gpu.createImage(2, Format.B8G8R8A8, 64, 64);
      pointer.pixels.fill(0xff80_4020);
      gpu.present(pointer);
      gpu.show(0, screen);
      expectOk(gpu.updateCursor({ scanoutId: 0, x: 0, y: 0 }, 2, 3, 4));
      for (let frame = 0; frame < frames; frame++) {
        screen.pixels.fill(0xff00_0000 | (frame * 257));
        expectOk(gpu.transferToHost2d(1, areaOf(screen)));
        expectOk(gpu.flushResource(1, areaOf(screen)));
        expectOk(gpu.moveCursor({ scanoutId: 0, x: frame, y: 2 * frame }));
        if (killAt.includes(frame)) await kill(actor);
      }
      // Half of the screen only, so that the rest must have come back by itself.
      const half = { x: 0, y: 0, width: 512, height: 192 };
      screen.pixels.fill(0xff12_3456, 0, 512 * 192);
      expectOk(gpu.transferToHost2d(1, half));
      expectOk(gpu.flushResource(1, half));
      const last = ((frames - 1) * 257) & 0xffffff;
      const isWhole = (): boolean =>
        guest.display!.framebuffer(0)?.pixels.every((pixel, at) => {
          return (pixel & 0xffffff) === (at < 512 * 192 ? 0x123456 : last);
        }) ?? false;
      guest.pump.until(isWhole, "the last frame in full");
      const cursor = guest.display!.cursors[0]!;
      const isPlaced = (): boolean => cursor.visible && cursor.x === frames - 1 && cursor.hotX === 3;
      guest.pump.until(isPlaced, "the cursor at its last place");
      expect(cursor.pixels.every((pixel) => pixel === 0xff80_4020)).toBe(true);
    }));
}

test("a death maps nothing more of the words that all share", () =>
  withDevice({}, async () => {
    const mapped = (): number =>
      readFileSync(`/proc/${server().pid}/maps`, "latin1").match(/fencepost-words/g)?.length ?? 0;
    const before = mapped();
    await kill("fence-poller");
    await kill("cursor-queue");
    expect(mapped()).toBe(before);
  }));

test("a scanout that goes off while there is no display is turned off at the VMM by the next one", () =>
  withDevice({}, async (guest) => {
    const { gpu } = guest;
    const screen = gpu.createImage(1, Format.B8G8R8X8, 64, 48);
    gpu.show(0, screen);
    guest.pump.until(() => guest.display!.framebuffer(0) !== null, "the picture");
    expect(await server().control({ command: "kill", actor: "display" })).toEqual({ ok: true });
    expectOk(gpu.setScanout(0, 0, areaOf(screen)));
    guest.pump.until(() => guest.display!.framebuffer(0) === null, "scanout 0 going off");
    gpu.show(0, screen);
    guest.pump.until(() => guest.display!.framebuffer(0) !== null, "the picture again");
  }));

test("the ctrl queue killed as a thread ends the device in order, with an exit code that says so", async () => {
  const lone = await ServerProcess.start({ args: ["--isolation", "thread"] });
  const guest = SyntheticGuest.boot(lone.socketPath, {});
  await lone.control({ command: "kill", actor: "ctrl-queue" });
  expect(await lone.exited).toBe(3);
  expect(lone.log()).toContain("the ctrl-queue actor crashed");
  guest.close();
  await lone.stop();
});

/** Kills the actor and waits until its successor runs. */
async function kill(actor: string): Promise<void> {
  const restarted = (): number => server().log().split(` ${actor}: restarted`).length;
  const before = restarted();
  expect(await server().control({ command: "kill", actor })).toEqual({ ok: true });
  const deadline = performance.now() + 5000;
  while (restarted() === before) {
    if (performance.now() > deadline) throw new Error(`the ${actor} did not come back:\n${server().log()}`);
    await Bun.sleep(5);
  }
}
