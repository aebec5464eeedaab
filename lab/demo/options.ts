// The demo's command line.

import { readArguments, UsageError } from "../../src/config-arguments.ts";

export const helpText = (call: string): string => `Usage: ${call} [options]

Starts the Fencepost server and drives it without a VMM: a synthetic guest connects over the real vhost-user
socket, draws an animated scene with a moving pointer, and saves what its display received.

  --scene 2d|3d      a desktop that the guest draws, or solids that the server's renderer draws (default 2d)
  --seconds N        how long to draw (default 3; with --inspect, until Ctrl-C)
  --size WxH         size of the screen in pixels (default 1280x800)
  --output FILE.png  where the last frame goes (default fencepost-demo.png)
  --wayland          show it in a window of the Wayland compositor that WAYLAND_DISPLAY names, too
  --record FILE      record what the guest does and shows (docs/recording.md)
  --inspect          show the server at work to browsers, and say where (docs/inspector.md)
  --server "CMD"     another vhost-user-gpu back-end to drive, for example /usr/lib/qemu/vhost-user-gpu
  --kvm              a small guest program on a CPU of KVM instead, whose kicks and interrupts the kernel carries
                     (docs/kvm.md); its screen is 320x200 unless --size says otherwise
  --linux            with --kvm: boot Debian's kernel there instead, to its console, where the processor can
  --qemu             boot a small Linux guest in QEMU instead, which flips through a test pattern
  --vulkan           with --qemu: boot one whose Vulkan draws through the server, behind QEMU 11's generic device
  --help             this text

Exit codes: 0 done, 1 the demo failed, 2 wrong arguments, 130 interrupted.
`;

export interface DemoOptions {
  scene: "2d" | "3d";
  seconds: number;
  width: number;
  height: number;
  output: string;
  wayland: boolean;
  record: string | undefined;
  inspect: boolean;
  server: string[] | undefined;
  qemu: boolean;
  vulkan: boolean;
  kvm: boolean;
  linux: boolean;
  help: boolean;
}

const flags = {
  scene: { type: "string" },
  seconds: { type: "string" },
  size: { type: "string" },
  output: { type: "string", default: "fencepost-demo.png" },
  wayland: { type: "boolean" },
  record: { type: "string" },
  inspect: { type: "boolean" },
  server: { type: "string" },
  qemu: { type: "boolean", default: false },
  vulkan: { type: "boolean", default: false },
  kvm: { type: "boolean", default: false },
  linux: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

/** What a guest in QEMU has no use for; the screen of one behind the generic device is the server's. */
const ofOwnGuest = ["scene", "seconds", "size", "wayland", "inspect", "server"] as const;
const ofOwnVulkanGuest = ["scene", "size", "server"] as const;

/** Throws {@link UsageError}. */
export function parseDemoOptions(argv: readonly string[]): DemoOptions {
  const { values } = readArguments({ args: [...argv], options: flags });
  const ofGuest = values.vulkan ? ofOwnVulkanGuest : ofOwnGuest;
  const useless = values.qemu ? ofGuest.filter((name) => values[name] !== undefined) : [];
  if (useless.length > 0) {
    throw new UsageError(
      `--qemu boots another guest with a show of its own: leave out ${useless.map((name) => `--${name}`).join(" and ")}`,
    );
  }
  if (values.kvm && (values.qemu || values.scene !== undefined)) {
    const flag = values.qemu ? "--qemu" : "--scene";
    throw new UsageError(`--kvm runs another guest with a show of its own: leave out ${flag}`);
  }
  if (values.vulkan && !values.qemu) throw new UsageError("--vulkan boots a guest in QEMU: give --qemu too");
  if (values.linux && !values.kvm) throw new UsageError("--linux boots a kernel on KVM: give --kvm too");
  const usualSize = values.kvm ? "320x200" : "1280x800";
  const { scene = "2d", size: asked = usualSize, wayland = false, inspect = false } = values;
  if (scene !== "2d" && scene !== "3d") throw new UsageError(`--scene ${scene}: give 2d or 3d`);
  const seconds = values.seconds === undefined && inspect ? Infinity : Number(values.seconds ?? "3");
  if (values.seconds !== undefined && !(seconds > 0 && seconds <= 3600)) {
    throw new UsageError(`--seconds ${values.seconds}: give a number above 0, and 3600 at most`);
  }
  const [, width, height] = /^(\d+)x(\d+)$/.exec(asked) ?? [];
  const size = { width: Number(width), height: Number(height) };
  if (!(size.width >= 64 && size.width <= 4096 && size.height >= 64 && size.height <= 4096)) {
    throw new UsageError(`--size ${asked}: give WIDTHxHEIGHT, each from 64 to 4096`);
  }
  const server = values.server?.split(" ").filter((word) => word !== "");
  if (server?.length === 0) throw new UsageError("--server wants a command");
  const ofOwnServer = (["wayland", "record", "inspect"] as const).find((name) => values[name] !== undefined);
  if (ofOwnServer !== undefined && server !== undefined) {
    throw new UsageError(`--${ofOwnServer} is what Fencepost's server does: leave out --server`);
  }
  return {
    scene,
    seconds,
    ...size,
    output: values.output,
    wayland,
    record: values.record,
    inspect,
    server,
    qemu: values.qemu,
    vulkan: values.vulkan,
    kvm: values.kvm,
    linux: values.linux,
    help: values.help,
  };
}
