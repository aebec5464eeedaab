// What setup.sh has unpacked and built in .cache/, and where.

import { existsSync } from "node:fs";
import { join } from "node:path";

export const kernels = ["6.1", "6.12"] as const;
export type Kernel = (typeof kernels)[number];

/** busybox in an initramfs; or on a disk Debian's Mesa and its programs: Debian 12's for GL, its backports' for Vulkan. */
export const roots = ["busybox", "debian", "vulkan"] as const;
export type Root = (typeof roots)[number];

const root = join(import.meta.dir, "..", "..");
const cache = join(root, ".cache");
const libraries = "usr/lib/x86_64-linux-gnu";
const program = "usr/bin/qemu-system-x86_64";

export interface Qemu {
  command: readonly string[];
  modules: string;
  data: readonly string[];
}

const qemuVersions = ["10", "11.1"] as const;
/** 11.1 is the first with the generic vhost-user device. */
export type QemuVersion = (typeof qemuVersions)[number];

/** QEMU 10 runs on this system's libraries; 11.1 on its own C library, and so by its own loader. */
export const qemus: Readonly<Record<QemuVersion, Qemu>> = {
  "10": { command: [join(cache, "qemu", program)], ...besideProgram(join(cache, "qemu")) },
  "11.1": {
    command: [
      join(cache, "qemu-11", libraries, "ld-linux-x86-64.so.2"),
      ...["--library-path", join(cache, "qemu-11", libraries)],
      join(cache, "qemu-11", program),
    ],
    ...besideProgram(join(cache, "qemu-11")),
  },
};

function besideProgram(tree: string): Omit<Qemu, "command"> {
  return {
    modules: join(tree, libraries, "qemu"),
    data: [join(tree, "usr/share/qemu"), join(tree, "usr/share/seabios")],
  };
}

export const kernelPath = (kernel: Kernel): string => join(cache, "kernels", kernel, "vmlinux");
export const bzImagePath = (kernel: Kernel): string => join(cache, "kernels", kernel, "vmlinuz");
export const initramfsPath = (kernel: Kernel): string => join(cache, "guest", `${kernel}.cpio`);
export const consoleObserverPath = join(cache, "guest", "console-observer.so");
export const rootImagePath = (name: Exclude<Root, "busybox">): string => join(cache, "root", `${name}.ext4`);
/** The guest's Vulkan program, which runs on this system's Vulkan too. */
export const vulkanProgramPath = join(cache, "guest", "fencepost-vulkan");

/** What a server is started by that has Vulkan for these guests, where the system's renderer is too old for it. */
export function vulkanServer(): { runner: readonly string[]; args: readonly string[] } {
  const [run, renderServer] = ["run", "render-server"].map((name) => join(cache, "renderer", name)) as [
    string,
    string,
  ];
  const args = ["--renderer", "virgl", "--vulkan", "on"];
  return existsSync(run)
    ? { runner: [run], args: [...args, "--render-server", renderServer] }
    : { runner: [], args };
}

/** Where runs leave what QEMU, the guest's console and the server said, and frames that were wrong. */
export const logsPath = join(cache, "logs");
/** Recordings of guests, which show their screens: git ignores all that is here. */
export const recordingsPath = join(cache, "recordings");

/** The parts that are not there, as paths in the repository. */
export function missingParts(): string[] {
  const parts = [
    ...qemuVersions.map((version) => qemus[version].command.at(-1)!),
    rootImagePath("debian"),
    rootImagePath("vulkan"),
    ...kernels.flatMap((kernel) => [kernelPath(kernel), initramfsPath(kernel)]),
  ];
  return parts.filter((path) => !existsSync(path)).map((path) => path.slice(root.length + 1));
}
