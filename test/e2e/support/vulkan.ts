// The guest's Vulkan program (lab/guest/vulkan): in the guest by a driver that is named, and here on lavapipe.

import { vulkanProgramPath, vulkanServer } from "../../../lab/qemu/cache.ts";
import type { QemuGuest } from "../../../lab/qemu/qemu-guest.ts";

/** The emulated CPU compiles shaders, or waits for a host that is busy with other tests. */
const programTimeoutMs = 180_000;
const icdDirectory = "/usr/share/vulkan/icd.d";

/** The name differs by Debian's release. What runs on another renderer's libraries takes that one's. */
const lavapipeFiles = (): string =>
  [...new Bun.Glob("lvp_icd*.json").scanSync({ cwd: icdDirectory, absolute: true })].join(":");

export type GuestDriver = "virtio" | "lvp";

/** Starts a command of the guest's with this Vulkan driver alone. */
export async function inBackground(guest: QemuGuest, driver: GuestDriver, command: string): Promise<void> {
  const variable = `VK_DRIVER_FILES=${icdDirectory}/${driver}_icd.json`;
  await guest.run(`sh ${variable} ${command} >/tmp/background.log 2>&1 &`);
}

/** Runs a command of the guest's with this Vulkan driver alone. Throws with what it said where it fails. */
export function withDriver(guest: QemuGuest, driver: GuestDriver, command: string): Promise<string[]> {
  const variables = `export VK_DRIVER_FILES=${icdDirectory}/${driver}_icd.json;`;
  return guest.run(`sh ${variables} ${command}`, programTimeoutMs);
}

/** What the program says on lavapipe without a guest: on that of the server with Vulkan, whose version may be another's. */
export async function onLavapipe(...args: string[]): Promise<string[]> {
  const child = Bun.spawn([...vulkanServer().runner, vulkanProgramPath, ...args], {
    env: { ...process.env, VK_DRIVER_FILES: lavapipeFiles() },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const said = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error(`fencepost-vulkan ended with ${child.exitCode}: ${said}`);
  return said.trimEnd().split("\n");
}
