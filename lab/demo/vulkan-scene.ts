// The demo with a real guest whose Vulkan draws through the server: Debian's kernel and Mesa behind QEMU's generic device.

import { logsPath, missingParts, vulkanServer } from "../qemu/cache.ts";
import { QemuGuest } from "../qemu/qemu-guest.ts";
import { type ServerOptions, ServerProcess } from "../vmm/server-process.ts";
import type { DemoOptions } from "./options.ts";
import { progressLine } from "./progress-line.ts";
import { type Call, sayWhereToLook } from "./where-to-look.ts";

const kernel = "6.12";
const rounds = 16;
const driver = "VK_DRIVER_FILES=/usr/share/vulkan/icd.d/virtio_icd.json";
const program = `sh ${driver} /run/fencepost/fencepost-vulkan`;
/** Shaders are compiled on an emulated CPU and on a host that may be busy. */
const programMs = 300_000;
const longestSeconds = 3_600;

/**
 * Boots the guest, has it compute and turn a cube on its screen, and saves what the server shows. Throws with the server's
 * log, which says why where the host has no Vulkan, and when `signal` says that it is enough.
 */
export async function playVulkan(options: DemoOptions, signal: AbortSignal, call: Call): Promise<void> {
  const missing = missingParts();
  if (missing.length > 0) throw new Error(`${missing.join(", ")} is missing: run ./setup.sh first`);
  const server = await ServerProcess.start({ ...serverFor(options), signal });
  let guest: QemuGuest | null = null;
  try {
    console.log(`server     listening (pid ${server.pid})`);
    if (options.inspect) await sayWhereToLook(server, call);
    console.log(`guest      booting Linux ${kernel} behind QEMU's generic device, ten seconds or more`);
    const booting = performance.now();
    const gpu = { kind: "generic", socketPath: server.socketPath } as const;
    guest = await QemuGuest.boot({ kernel, root: "vulkan", gpu }, `${logsPath}/demo-vulkan`, signal);
    console.log(`guest      up after ${((performance.now() - booting) / 1000).toFixed(1)} s`);
    await draw(guest, server, options);
  } catch (error) {
    throw new Error(`${(error as Error).message}\nThe server's log:\n${server.log()}`, { cause: error });
  } finally {
    await guest?.stop();
    console.log(`server     ended with code ${await server.stop()}`);
  }
}

async function draw(
  guest: QemuGuest,
  server: ServerProcess,
  { seconds, output }: DemoOptions,
): Promise<void> {
  const [device, computed] = await guest.run(`${program} compute ${rounds} 2>&1`, programMs);
  console.log(`vulkan     ${device}`);
  console.log(`compute    ${computed}`);
  const span = Math.min(seconds, longestSeconds);
  const progress = progressLine();
  let saving: Promise<unknown> | null = null;
  const told = (line: string): void => {
    const [what, count] = line.split(" ");
    if (what === "frame") progress.frame(Number(count));
    // While the last frame is there.
    if (what === "showed") saving = save(server, output);
  };
  const lines = await guest
    .run(`${program} show ${span} 2>&1`, programMs + span * 1000, told)
    .finally(progress.end);
  console.log(`cube       ${lines.at(-1)} (QEMU emulates the CPU)`);
  await saving;
  console.log(`display    the server shows it, saved in ${output}`);
}

async function save(server: ServerProcess, path: string): Promise<void> {
  const { ok, error } = await server.control({ command: "screenshot", scanout: 0, path });
  if (!ok) throw new Error(`the server shows no picture: ${error}`);
}

function serverFor({ wayland, inspect, record }: DemoOptions): ServerOptions {
  const { runner, args } = vulkanServer();
  const more = [
    ...(wayland ? ["--wayland"] : []),
    ...(inspect ? ["--inspect"] : []),
    ...(record === undefined ? [] : ["--record", record]),
  ];
  return { runner, args: [...args, ...more] };
}
