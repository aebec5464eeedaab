// The demo with a real guest: a Debian kernel in QEMU, whose virtio_gpu driver draws through the server.

import { writeWhole } from "../../src/transport/os/files.ts";
import { encodePng } from "../../src/picture/png.ts";
import { logsPath, missingParts } from "../qemu/cache.ts";
import { QemuGuest } from "../qemu/qemu-guest.ts";
import { ServerProcess } from "../vmm/server-process.ts";
import type { DemoOptions } from "./options.ts";

const kernel = "6.12";
const flips = 60;
const screen = { width: 1280, height: 800 };
/** Long enough for QEMU to take the last frame. */
const settleMs = 500;

/**
 * Boots the guest, flips its screen, and writes what QEMU shows to `output`. Throws with the server's log, and when
 * `signal` says that it is enough.
 */
export async function playInQemu({ output, record }: DemoOptions, signal: AbortSignal): Promise<void> {
  const missing = missingParts();
  if (missing.length > 0) throw new Error(`${missing.join(", ")} is missing: run ./setup.sh first`);
  const args = record === undefined ? [] : ["--record", record];
  const server = await ServerProcess.start({ args, signal });
  let guest: QemuGuest | null = null;
  try {
    console.log(`server     listening (pid ${server.pid})`);
    console.log(`guest      booting Linux ${kernel} in QEMU, a few seconds`);
    const booting = performance.now();
    const gpu = { kind: "vhost-user", socketPath: server.socketPath, outputs: 1 } as const;
    guest = await QemuGuest.boot({ kernel, gpu }, `${logsPath}/demo`, signal);
    console.log(`guest      up after ${((performance.now() - booting) / 1000).toFixed(1)} s`);

    await guest.run(`pattern 0 ${screen.width} ${screen.height} 1`);
    const from = performance.now();
    await guest.run(`flip 0 ${flips} 7`);
    const seconds = (performance.now() - from) / 1000;
    console.log(
      `frames     ${flips} page flips, ${(flips / seconds).toFixed(0)} a second (QEMU emulates the CPU)`,
    );

    await Bun.sleep(settleMs);
    const { width, height, pixels } = await guest.screendump(0);
    await writeWhole(output, await encodePng(new Uint8Array(pixels.buffer), width, height));
    console.log(`display    QEMU shows ${width}x${height}, saved in ${output}`);
  } catch (error) {
    throw new Error(`${(error as Error).message}\nThe server's log:\n${server.log()}`, { cause: error });
  } finally {
    await guest?.stop();
    const code = await server.stop();
    console.log(`server     ended with code ${code}`);
  }
}
