// Every setting once: kind of value, default, help text, and what its flag takes. Those of how much one guest may have are in
// config-limits.ts.

import { join } from "node:path";
import { containment } from "./config-containment.ts";
import { keeping } from "./config-keeping.ts";
import { limits } from "./config-limits.ts";
import {
  byteCount,
  Compositor,
  FrameRate,
  Group,
  InspectAddress,
  integer,
  type Kind,
  Modes,
  oneOf,
  PathName,
  Paths,
  SocketMode,
  Switch,
  WindowBytes,
} from "./config-values.ts";
import { frontEndNames } from "./transport/wire/front-ends.ts";
import { runtimeDirectory } from "./transport/os/runtime-directory.ts";

const outputsMax = 16;
const resourceBridgesMax = 16;
const fdMax = 0x7fff_ffff;

export interface Setting {
  help: string;
  /** The placeholder of the flag's value; a flag without one takes none. */
  value?: string;
  /** The flag's other name, of one letter. */
  short?: string;
  /** What the flag means where it comes without its value. */
  bare?: string;
  /** Whether it is the path of a file or socket, relative to the directory in which the server was called. */
  path?: true;
  /** Whether the flag may be given more than once. In the environment its values have colons between them. */
  repeats?: true;
  kind: Kind<unknown>;
  group: "Connection" | "Device" | "Display" | "Limits" | "Operation";
}

export const settings = {
  socketPath: {
    group: "Connection",
    value: "PATH",
    short: "s",
    path: true,
    help: "listen for the VMM on this Unix socket",
    kind: PathName.orElse(defaultSocketPath),
  },
  fd: {
    group: "Connection",
    value: "N",
    short: "f",
    help: "serve the VMM on this inherited socket: one that listens, or a connected one, then exit",
    kind: integer(0, fdMax).optional(),
  },
  socketMode: {
    group: "Connection",
    value: "MODE",
    help: "permissions of these sockets and of the bridge, in octal",
    kind: SocketMode.default(0o600),
  },
  socketGroup: {
    group: "Connection",
    value: "GROUP",
    help: "group of these sockets, by name or number (default: this process's)",
    kind: Group.optional(),
  },
  frontEnd: {
    group: "Connection",
    value: "NAME",
    help: `the VMM, as to shared memory: ${frontEndNames.join(", ")}`,
    kind: oneOf(frontEndNames).default("current"),
  },
  once: {
    group: "Connection",
    help: "exit when the first VMM disconnects",
    kind: Switch,
  },
  controlPath: {
    group: "Connection",
    value: "PATH",
    path: true,
    help: "socket for ctl (default: the socket path with .ctl added; with --fd, fencepost-PID.ctl)",
    kind: PathName.optional(),
  },
  resourceBridge: {
    group: "Connection",
    value: "PATH",
    repeats: true,
    path: true,
    help: "lend resources to other devices on this Unix socket; may be given more than once",
    kind: Paths(resourceBridgesMax).default([]),
  },
  renderer: {
    group: "Device",
    value: "KIND",
    help: "virgl (2D and 3D), software (2D), or auto: virgl where it starts",
    kind: oneOf(["auto", "virgl", "software"]).default("auto"),
  },
  renderNode: {
    group: "Device",
    value: "PATH",
    path: true,
    help: "DRM node for 3D and gbm (default: the first that works; 3D without one on the CPU)",
    kind: PathName.optional(),
  },
  vulkan: {
    group: "Device",
    value: "WHEN",
    help: "Vulkan for guests (venus): auto, where the host has it; on; or off",
    kind: oneOf(["auto", "on", "off"]).default("auto"),
  },
  renderServer: {
    group: "Device",
    value: "PATH",
    path: true,
    help: "program that runs Vulkan (default: the system's virgl_render_server)",
    kind: PathName.optional(),
  },
  storage: {
    group: "Device",
    value: "KIND",
    help: "2D resources lie in gbm, udmabuf or memfd; auto: the first that works",
    kind: oneOf(["auto", "gbm", "udmabuf", "memfd"]).default("auto"),
  },
  hostMemory: {
    group: "Device",
    value: "BYTES",
    help: "a guest's window of host memory: a power of two up to 8G, or 0 for none",
    kind: WindowBytes.default(256 * 1024 * 1024),
  },
  hostMemoryTimeoutMs: {
    group: "Device",
    value: "MS",
    help: "give up on what the VMM was asked to map or unmap after so long",
    kind: integer(1, 600_000).default(5_000),
  },
  isolation: {
    group: "Device",
    value: "KIND",
    help: "run the guest's commands in a process of their own, or in a thread",
    kind: oneOf(["thread", "process"]).default("process"),
  },
  fenceAlarmMs: {
    group: "Device",
    value: "MS",
    help: "log commands that the renderer has not finished after so long",
    kind: integer(1, 3_600_000).default(5_000),
  },
  outputs: {
    group: "Device",
    value: "WxH,…",
    help: "modes of the outputs where no VMM display says them, one an output",
    kind: Modes(outputsMax).default([{ width: 1280, height: 800 }]),
  },
  scanouts: {
    group: "Device",
    value: "N",
    help: "outputs that ctl outputs may turn on, those of --outputs included (default: only those)",
    kind: integer(1, outputsMax).optional(),
  },
  pollUs: {
    group: "Device",
    value: "US",
    help: "watch an idle queue for so long before sleeping; under 3 counts as 3",
    kind: integer(0, 10_000).default(0),
  },
  wayland: {
    group: "Display",
    value: "SOCKET",
    bare: "1",
    help: "show each scanout in a window of this Wayland compositor (default: WAYLAND_DISPLAY's)",
    kind: Compositor,
  },
  displayTimeoutMs: {
    group: "Display",
    value: "MS",
    help: "answer from --outputs when the VMM's display is silent for so long",
    kind: integer(1, 60_000).default(2_000),
  },
  frameRate: {
    group: "Display",
    value: "N",
    help: "pictures of an output to show a second, or unlimited (default: what its EDID says, or 60)",
    kind: FrameRate,
  },
  copyPictures: {
    group: "Display",
    help: "copy pictures to the VMM, for one that cannot show dma-bufs (QEMU's -display none)",
    kind: Switch,
  },
  ...limits,
  config: {
    group: "Operation",
    value: "FILE",
    path: true,
    help: "read settings from this JSON file (default: /etc/fencepost.json, where there is one)",
    kind: PathName.optional(),
  },
  inspect: {
    group: "Operation",
    value: "ADDRESS:PORT",
    bare: "1",
    help: "show the device at work to browsers (default: a free port of 127.0.0.1)",
    kind: InspectAddress,
  },
  inspectHistoryBytes: {
    group: "Operation",
    value: "BYTES",
    help: "memory of the inspector for what has been",
    kind: byteCount(2 ** 20, 2 ** 30).default(32 * 2 ** 20),
  },
  inspectHistorySeconds: {
    group: "Operation",
    value: "SECONDS",
    help: "how long the inspector remembers, within that memory",
    kind: integer(1, 86_400).default(300),
  },
  trace: {
    group: "Operation",
    value: "FILE",
    path: true,
    help: "write what the device does to this file, for Perfetto",
    kind: PathName.optional(),
  },
  traceBytesMax: {
    group: "Operation",
    value: "BYTES",
    help: "where a trace ends",
    kind: byteCount(2 ** 16).default(512 * 2 ** 20),
  },
  ...keeping,
  ...containment,
  dev: {
    group: "Operation",
    help: "check messages between actors by their schemas, log at debug level, --inspect",
    kind: Switch,
  },
  logFile: {
    group: "Operation",
    value: "FILE",
    path: true,
    help: "append the log to this file (default: stderr, or the journal in its place)",
    kind: PathName.optional(),
  },
  logLevel: {
    group: "Operation",
    value: "LEVEL",
    help: "debug, info, warning or error",
    kind: oneOf(["debug", "info", "warning", "error"]).default("info"),
  },
} as const satisfies Record<string, Setting>;

function defaultSocketPath(): string {
  return join(runtimeDirectory(), "fencepost.sock");
}
