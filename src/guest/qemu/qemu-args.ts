// The command line of a test guest.

import { initramfsPath, type Kernel, kernelPath, qemuPaths } from "./cache.ts";

export type Gpu =
  /** QEMU's own virtio-gpu-pci, the baseline that frames are compared with. */
  | { kind: "in-process"; outputs: number }
  /** A back-end that listens at `socketPath`. */
  | { kind: "vhost-user"; socketPath: string; outputs: number };

export interface GuestOptions {
  kernel: Kernel;
  gpu: Gpu;
  /** More QEMU arguments. */
  extraArgs?: readonly string[];
}

export interface GuestPaths {
  qmpSocket: string;
  serialSocket: string;
  consoleLog: string;
}

/** The device's id, by which QMP's screendump knows it. */
export const gpuId = "gpu";

const memory = "512M";

export function qemuArgs({ kernel, gpu, extraArgs = [] }: GuestOptions, paths: GuestPaths): string[] {
  return [
    ...qemuPaths.data.flatMap((path) => ["-L", path]),
    ...["-nodefaults", "-no-user-config", "-display", "none", "-vga", "none"],
    ...["-machine", "q35,memory-backend=mem", "-accel", "tcg,thread=multi", "-cpu", "Nehalem", "-smp", "2"],
    ...["-m", memory, "-object", `memory-backend-memfd,id=mem,size=${memory},share=on`],
    ...["-kernel", kernelPath(kernel), "-initrd", initramfsPath(kernel)],
    ...["-append", "console=ttyS0 mitigations=off"],
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

function gpuArgs(gpu: Gpu): string[] {
  const device = `id=${gpuId},max_outputs=${gpu.outputs}`;
  switch (gpu.kind) {
    case "in-process":
      return ["-device", `virtio-gpu-pci,${device}`];
    case "vhost-user":
      return [
        ...["-chardev", `socket,id=vgpu,path=${gpu.socketPath}`],
        ...["-device", `vhost-user-gpu-pci,chardev=vgpu,${device}`],
      ];
  }
}
