// What every test of this folder needs: one real server a file, a new guest a test, and words for what it expects.

import { afterAll, beforeAll, expect } from "bun:test";
import { join } from "node:path";
import type { CommandResult } from "../../lab/driver/command-queue.ts";
import type { Rectangle } from "../../lab/driver/commands.ts";
import { DeviceTimeout } from "../../lab/driver/pump.ts";
import { type ServerOptions, ServerProcess } from "../../lab/vmm/server-process.ts";
import { type GuestOptions, SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { driverPatienceMs } from "../support/patience.ts";

export interface DeviceFixture {
  /** The file's server; valid inside of tests. */
  server: () => ServerProcess;
  /** Boots a guest, runs `body` with it, and hangs up. Fails when the display was sent anything that it must not be. */
  withDevice: (options: GuestOptions, body: (guest: SyntheticGuest) => unknown) => Promise<void>;
  /** As {@link withDevice}, connected only: the first message is the test's. */
  withConnection: (options: GuestOptions, body: (guest: SyntheticGuest) => unknown) => Promise<void>;
  /** Boots a guest, shows a picture through it, and hangs up: proof that the server is alive and well. */
  expectServing: () => void;
}

/**
 * Starts one server for the tests of a file, and ends it after them: it must still run then, end with code 0, and
 * have printed no stack trace.
 */
export function serveTests(...args: string[]): DeviceFixture {
  // Looking for Vulkan takes as long as many a test: that is for tests of it.
  return serve({ args: args.includes("--vulkan") ? args : ["--vulkan", "off", ...args] });
}

/** As {@link serveTests}, with the renderer of test/support/scripted-renderer.ts: it has host blobs on every host. */
export function serveScripted(...args: string[]): DeviceFixture {
  const main = join(import.meta.dir, "../support/scripted-device/server.ts");
  return serve({ args: ["--renderer", "software", ...args], command: [process.execPath, main] });
}

function serve(options: ServerOptions): DeviceFixture {
  let server: ServerProcess | null = null;
  const running = (): ServerProcess => {
    if (server === null) throw new Error("the server runs only while tests do");
    return server;
  };

  beforeAll(async () => {
    server = await ServerProcess.start(options);
  });

  afterAll(async () => {
    const diedEarly = running().exitCode !== null;
    const log = running().log();
    const code = await running().stop();
    if (diedEarly || code !== 0) throw new Error(`the server ended with code ${code}:\n${log}`);
    // A guest's or a VMM's mistake is one line of log, never an exception.
    expect(log).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m);
  });

  const run = async (guest: SyntheticGuest, body: (guest: SyntheticGuest) => unknown): Promise<void> => {
    try {
      await body(guest);
      expect(guest.display?.violations ?? []).toEqual([]);
    } catch (error) {
      if (!(error instanceof DeviceTimeout)) throw error;
      throw new Error(`${error.message}\n${running().log().slice(-4000)}`, { cause: error });
    } finally {
      guest.close();
    }
  };

  return {
    server: running,
    withDevice: (options, body) =>
      run(SyntheticGuest.boot(running().socketPath, withPatience(options)), body),
    withConnection: (options, body) =>
      run(SyntheticGuest.connect(running().socketPath, withPatience(options)), body),
    expectServing: () => {
      const guest = SyntheticGuest.boot(running().socketPath, withPatience({}));
      try {
        expectWorking(guest);
      } finally {
        guest.close();
      }
    },
  };
}

const withPatience = (options: GuestOptions): GuestOptions => ({ patienceMs: driverPatienceMs, ...options });

/** Waits until `isSo`, with a guest's patience; `log` says what went on meanwhile. */
export async function untilSo(what: string, isSo: () => boolean, log: () => string): Promise<void> {
  const deadline = performance.now() + driverPatienceMs;
  for (; !isSo(); await Bun.sleep(2))
    if (performance.now() > deadline) throw new Error(`not so in time: ${what}\n${log()}`);
}

const names = new Map<number, string>(Object.entries(Response).map(([name, value]) => [value, name]));

/** Fails with names instead of numbers unless the command was answered with `type`, in a whole header. */
export function expectType(result: CommandResult, type: number): void {
  const name = (value: number) => names.get(value) ?? `0x${value.toString(16)}`;
  expect(name(result.type)).toBe(name(type));
}

export function expectOk(result: CommandResult): void {
  expectType(result, Response.OK_NODATA);
  expect(result.length).toBe(24);
}

let nextProof = 0x4000_0000;

/** Shows that both queues of `guest` still work. */
export function expectWorking(guest: SyntheticGuest): void {
  const id = nextProof++;
  expectOk(guest.gpu.createResource2d(id, 1, 4, 4));
  expectOk(guest.gpu.unrefResource(id));
  expectOk(guest.gpu.moveCursor({ scanoutId: 0, x: 1, y: 1 }));
}

/** Waits until scanout `id` shows `expected`, 0x00RRGGBB row by row; fails with the first pixel that differs. */
export function expectShown(
  guest: SyntheticGuest,
  id: number,
  width: number,
  height: number,
  expected: ArrayLike<number>,
): void {
  const display = guest.display!;
  const firstDifference = (): number => {
    const shown = display.framebuffer(id);
    if (shown === null || shown.width !== width || shown.height !== height) return -2;
    for (let at = 0; at < width * height; at++) {
      if (((shown.pixels[at]! ^ expected[at]!) & 0xffffff) !== 0) return at;
    }
    return -1;
  };
  try {
    guest.pump.until(() => firstDifference() === -1, "the expected picture");
  } catch (error) {
    if (!(error instanceof DeviceTimeout)) throw error;
    const shown = display.framebuffer(id);
    expect(shown && { width: shown.width, height: shown.height }).toEqual({ width, height });
    const at = firstDifference();
    const place = `scanout ${id}, pixel ${at % width},${Math.floor(at / width)}`;
    const hex = (value: number) => (value & 0xffffff).toString(16).padStart(6, "0");
    expect(`${place} = ${hex(shown!.pixels[at]!)}`).toBe(`${place} = ${hex(expected[at]!)}`);
  }
}

/** Waits until the display has received nothing for a while: what was sent before is no longer on its way. */
export function settle(guest: SyntheticGuest): void {
  const display = guest.display!;
  for (let seen = -1; seen !== display.bytes;) {
    seen = display.bytes;
    guest.pump.serve(30);
  }
}

/** Waits until the ctrl ring's used index is `index`, where no interrupt can be relied on. */
export function untilUsed({ control, pump }: SyntheticGuest, index: number): void {
  const deadline = performance.now() + driverPatienceMs;
  while (control.ring.raw.usedIndex() !== index) {
    if (performance.now() > deadline) throw new DeviceTimeout(`used index ${index} was not reached`);
    pump.serve(2);
  }
}

/** Waits until scanout `id` is off. */
export function expectOff(guest: SyntheticGuest, id: number): void {
  guest.pump.until(() => guest.display!.framebuffer(id) === null, `scanout ${id} going off`);
}

/** A picture in which every pixel differs from its neighbours and tells where it is: 0x00RRGGBB. */
export function pattern(width: number, height: number, seed = 0): Uint32Array {
  return Uint32Array.from({ length: width * height }, (_, at) => {
    const x = at % width;
    const y = Math.floor(at / width);
    return ((x * 7 + seed * 31) & 0xff) | (((y * 5 + seed * 17) & 0xff) << 8) | (((x ^ y) & 0xff) << 16);
  });
}

/** The pixels of a rectangle of a picture. */
export function crop(pixels: Uint32Array, stride: number, { x, y, width, height }: Rectangle): Uint32Array {
  const out = new Uint32Array(width * height);
  for (let row = 0; row < height; row++) {
    const start = (y + row) * stride + x;
    out.set(pixels.subarray(start, start + width), row * width);
  }
  return out;
}

/** `picture` with `part` put into a rectangle of it. */
export function paste(
  picture: Uint32Array,
  stride: number,
  { x, y, width, height }: Rectangle,
  part: Uint32Array,
): Uint32Array {
  const out = picture.slice();
  for (let row = 0; row < height; row++) {
    out.set(part.subarray(row * width, (row + 1) * width), (y + row) * stride + x);
  }
  return out;
}
