// Which of this process's shared memory lies in huge pages, by the kernel's account.

import { existsSync, readFileSync } from "node:fs";

const setting = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";

/** Whether this kernel gives memfds huge pages when it is asked: since 6.1, and where nobody forbids it. */
export const hasHugePages = existsSync(setting) && !readFileSync(setting, "utf8").includes("[deny]");

/** Bytes of the mapping that begins at `address` that lie in huge pages. */
export function hugeBytesAt(address: number): number {
  const maps = readFileSync("/proc/self/smaps", "utf8");
  const own = maps.slice(maps.search(new RegExp(`^${address.toString(16)}-`, "m")));
  return Number(/^ShmemPmdMapped: +(\d+) kB/m.exec(own)![1]) * 1024;
}
