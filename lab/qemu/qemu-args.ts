// The command line of a test guest.

import {
  initramfsPath,
  type Kernel,
  kernelPath,
  type QemuVersion,
  qemus,
  type Root,
  rootImagePath,
} from "./cache.ts";

export type Gpu =
  /** QEMU's own virtio-gpu-pci, the baseline that frames are compared with. */
  | { kind: "in-process"; outputs: number }
  /** A back-end that listens at `socketPath`. */
  | { kind: "vhost-user"; socketPath: string; outputs: number }
  /** The same by QEMU's generic vhost-user device, which knows no GPU: outputs and pictures are the back-end's. */
  | { kind: "generic"; socketPath: string }
  /** The same by a vhost-user device of QEMU's that is made for something else: its name and properties. */
  | { kind: "other"; socketPath: string; device: string };

export interface GuestOptions {
  kernel: Kernel;
  /** "busybox" where nothing is said. */
  root?: Root;
  gpu: Gpu;
  /** The one that has the device, where nothing is said. */
  qemu?: QemuVersion;
  /** As QEMU's -m wants it, where the root's usual memory is not enough. */
  memory?: string;
  /** More QEMU arguments. */
  extraArgs?: readonly string[];
  /** More environment for QEMU. */
  env?: Readonly<Record<string, string>>;
}

export interface GuestPaths {
  qmpSocket: string;
  serialSocket: string;
  consoleLog: string;
}

/** The device's id, by which QMP's screendump knows it. */
export const gpuId = "gpu";

/** llvmpipe wants SSE 4.2 at least, and breaks on `max`. */
const cpu = "Nehalem";
const usualMemory: Record<Root, string> = { busybox: "512M", debian: "1024M", vulkan: "1024M" };

/** What QEMU does not know of a device that it has no code for: virtio's number, its rings, its configuration. */
const genericGpu = "virtio-id=16,num_vqs=2,vq_size=256,config_size=16";

export const qemuVersionOf = ({ qemu, gpu }: GuestOptions): QemuVersion =>
  qemu ?? (gpu.kind === "generic" ? "11.1" : "10");

export function qemuArgs(options: GuestOptions, paths: GuestPaths): string[] {
  const { kernel, root = "busybox", gpu, extraArgs = [] } = options;
  const memory = options.memory ?? usualMemory[root];
  return [
    ...qemus[qemuVersionOf(options)].data.flatMap((path) => ["-L", path]),
    ...["-nodefaults", "-no-user-config", "-display", "none", "-vga", "none"],
    ...["-machine", "q35,memory-backend=mem", "-accel", "tcg,thread=multi", "-cpu", cpu, "-smp", "2"],
    ...["-m", memory, "-object", `memory-backend-memfd,id=mem,size=${memory},share=on`],
    ...["-kernel", kernelPath(kernel), "-initrd", initramfsPath(kernel)],
    ...rootArgs(root),
    ...["-chardev", `file,id=console,path=${paths.consoleLog}`, "-serial", "chardev:console"],
    ...[
      "-chardev",
      `socket,id=serial,path=${paths.serialSocket},server=on,wait=off`,
      "-serial",
      "chardev:serial",
    ],
    ...["-qmp", `unix:${paths.qmpSocket},server=on,wait=off`],
    ...gpuArgs(gpu),
    ...extraArgs,
  ];
}

function rootArgs(root: Root): string[] {
  // An emulated timer may be late on a busy machine, and the kernel gives up where its check finds that.
  const kernelLine = "console=ttyS0 mitigations=off no_timer_check";
  if (root === "busybox") return ["-append", kernelLine];
  return [
    ...["-append", `${kernelLine} root=/dev/vda`],
    // Read-only, so that any number of guests can share the image.
    ...["-drive", `id=root,file=${rootImagePath(root)},format=raw,if=none,readonly=on`],
    ...["-device", "virtio-blk-pci,drive=root"],
  ];
}

function gpuArgs(gpu: Gpu): string[] {
  if (gpu.kind === "in-process") return ["-device", `virtio-gpu-pci,id=${gpuId},max_outputs=${gpu.outputs}`];
  return [
    ...["-chardev", `socket,id=vgpu,path=${gpu.socketPath}`],
    ...["-device", `${deviceOf(gpu)},chardev=vgpu,id=${gpuId}`],
  ];
}

function deviceOf(gpu: Exclude<Gpu, { kind: "in-process" }>): string {
  if (gpu.kind === "other") return gpu.device;
  return gpu.kind === "vhost-user"
    ? `vhost-user-gpu-pci,max_outputs=${gpu.outputs}`
    : `vhost-user-test-device-pci,${genericGpu}`;
}
