// The guest's Vulkan program (lab/guest/vulkan): in the guest by a driver that is named, and here on lavapipe.

import { vulkanProgramPath } from "../../../lab/qemu/cache.ts";
import type { QemuGuest } from "../../../lab/qemu/qemu-guest.ts";

/** The emulated CPU compiles shaders, or waits for a host that is busy with other tests. */
const programTimeoutMs = 180_000;
const guestDrivers = "/usr/share/vulkan/icd.d";

export type GuestDriver = "virtio" | "lvp";

/** Runs a command of the guest's with this Vulkan driver alone. Throws with what it said where it fails. */
export function withDriver(guest: QemuGuest, driver: GuestDriver, command: string): Promise<string[]> {
  const variables = `export VK_DRIVER_FILES=${guestDrivers}/${driver}_icd.json;`;
  return guest.run(`sh ${variables} ${command}`, programTimeoutMs);
}

/** What the program says on this machine's lavapipe. */
export async function onLavapipe(...args: string[]): Promise<string[]> {
  const files = [...new Bun.Glob("lvp_icd*.json").scanSync({ cwd: guestDrivers, absolute: true })];
  const child = Bun.spawn([vulkanProgramPath, ...args], {
    env: { ...process.env, VK_DRIVER_FILES: files.join(":") },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const said = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error(`fencepost-vulkan ended with ${child.exitCode}: ${said}`);
  return said.trimEnd().split("\n");
}
