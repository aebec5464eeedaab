// The demo's command line.

import { parseArgs } from "node:util";

export const help = `bun run demo [options]

Starts the Fencepost server and drives it without a VMM: a synthetic guest connects over the real vhost-user
socket, draws an animated scene with a moving pointer, and saves what its display received.

  --scene 2d|3d      a desktop that the guest draws, or solids that the server's renderer draws (default 2d)
  --seconds N        how long to draw (default 3)
  --size WxH         size of the screen in pixels (default 1280x800)
  --output FILE.png  where the last frame goes (default fencepost-demo.png)
  --wayland          show it in a window of the Wayland compositor that WAYLAND_DISPLAY names, too
  --server "CMD"     another vhost-user-gpu back-end to drive, for example /usr/lib/qemu/vhost-user-gpu
  --qemu             boot a small Linux guest in QEMU instead
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
  server: string[] | undefined;
  qemu: boolean;
  help: boolean;
}

/** Throws an Error with a sentence for the user. */
export function parseDemoOptions(argv: readonly string[]): DemoOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      scene: { type: "string", default: "2d" },
      seconds: { type: "string", default: "3" },
      size: { type: "string", default: "1280x800" },
      output: { type: "string", default: "fencepost-demo.png" },
      wayland: { type: "boolean", default: false },
      server: { type: "string" },
      qemu: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const { scene } = values;
  if (scene !== "2d" && scene !== "3d") throw new Error(`--scene ${scene}: give 2d or 3d`);
  const seconds = Number(values.seconds);
  if (!(seconds > 0 && seconds <= 3600)) throw new Error(`--seconds ${values.seconds}: give 0 to 3600`);
  const [, width, height] = /^(\d+)x(\d+)$/.exec(values.size) ?? [];
  const size = { width: Number(width), height: Number(height) };
  if (!(size.width >= 64 && size.width <= 4096 && size.height >= 64 && size.height <= 4096)) {
    throw new Error(`--size ${values.size}: give WIDTHxHEIGHT, each from 64 to 4096`);
  }
  if (values.wayland && (values.qemu || values.server !== undefined)) {
    throw new Error(
      "--wayland shows what Fencepost's server is told by the demo's own guest: leave out --qemu and --server",
    );
  }
  return {
    scene,
    seconds,
    ...size,
    output: values.output,
    wayland: values.wayland,
    server: values.server?.split(" ").filter((word) => word !== ""),
    qemu: values.qemu,
    help: values.help,
  };
}
