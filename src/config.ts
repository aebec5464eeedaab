// Every setting once: flag, environment variable, file key, schema, default and help text.
//
// A flag beats the environment (FENCEPOST_<NAME>), which beats the file (--config), which beats the default.

import { readFileSync } from "node:fs";
import { join, resolve as resolvePath } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { ConfigError } from "./config-error.ts";
import { limits } from "./config-limits.ts";
import { Compositor, Group, integer, Mode, SocketMode, Switch } from "./config-values.ts";
import { runtimeDirectory } from "./transport/os/runtime-directory.ts";

export { ConfigError } from "./config-error.ts";

const outputsMax = 16;
const resourceBridgesMax = 16;
const fdMax = 0x7fff_ffff;

interface Setting {
  help: string;
  /** The placeholder of the flag's value; a flag without one takes none. */
  value?: string;
  /** What the flag means where it comes without its value. */
  bare?: string;
  /** Whether it is the path of a file or socket, relative to the directory in which the server was called. */
  path?: true;
  /** Whether the flag may be given more than once. In the environment its values have colons between them. */
  repeats?: true;
  schema: z.ZodType;
  group: "Connection" | "Device" | "Display" | "Limits" | "Operation";
}

const settings = {
  socketPath: {
    group: "Connection",
    value: "PATH",
    path: true,
    help: "listen for the VMM on this Unix socket",
    schema: z.string().min(1).default(defaultSocketPath),
  },
  fd: {
    group: "Connection",
    value: "N",
    help: "serve the VMM on this inherited socket: one that listens, or a connected one, then exit",
    schema: integer(0, fdMax).optional(),
  },
  socketMode: {
    group: "Connection",
    value: "MODE",
    help: "permissions of these sockets and of the bridge, in octal",
    schema: SocketMode.prefault("600"),
  },
  socketGroup: {
    group: "Connection",
    value: "GROUP",
    help: "group of these sockets, by name or number (default: this process's)",
    schema: Group.optional(),
  },
  once: {
    group: "Connection",
    help: "exit when the first VMM disconnects",
    schema: Switch,
  },
  controlPath: {
    group: "Connection",
    value: "PATH",
    path: true,
    help: "control socket for `bun run ctl` (default: the socket path with .ctl added)",
    schema: z.string().min(1).optional(),
  },
  resourceBridge: {
    group: "Connection",
    value: "PATH",
    repeats: true,
    path: true,
    help: "lend resources to other devices on this Unix socket; may be given more than once",
    schema: z
      .array(z.string().min(1))
      .max(resourceBridgesMax)
      .refine((paths) => new Set(paths).size === paths.length, "want each path once")
      .default([]),
  },
  renderer: {
    group: "Device",
    value: "KIND",
    help: "virgl (2D and 3D), software (2D), or auto: virgl where it starts",
    schema: z.enum(["auto", "virgl", "software"]).default("auto"),
  },
  renderNode: {
    group: "Device",
    value: "PATH",
    path: true,
    help: "DRM node for 3D and gbm (default: the first that works; 3D without one on the CPU)",
    schema: z.string().min(1).optional(),
  },
  storage: {
    group: "Device",
    value: "KIND",
    help: "2D resources lie in gbm, udmabuf or memfd; auto: the first that works",
    schema: z.enum(["auto", "gbm", "udmabuf", "memfd"]).default("auto"),
  },
  fenceAlarmMs: {
    group: "Device",
    value: "MS",
    help: "log commands that the renderer has not finished after so long",
    schema: integer(1, 3_600_000).default(5_000),
  },
  outputs: {
    group: "Device",
    value: "WxH,…",
    help: "modes of the outputs where no VMM display says them, one an output",
    schema: z
      .string()
      .transform((text) => text.split(","))
      .pipe(z.array(Mode).min(1).max(outputsMax))
      .prefault("1280x800"),
  },
  pollUs: {
    group: "Device",
    value: "US",
    help: "watch an idle queue for up to US microseconds before sleeping, 3 at least",
    schema: integer(0, 10_000).default(0),
  },
  wayland: {
    group: "Display",
    value: "SOCKET",
    bare: "1",
    help: "show each scanout in a window of this Wayland compositor (default: WAYLAND_DISPLAY's)",
    schema: Compositor,
  },
  displayTimeoutMs: {
    group: "Display",
    value: "MS",
    help: "answer from --outputs when the VMM's display is silent for so long",
    schema: integer(1, 60_000).default(2_000),
  },
  copyPictures: {
    group: "Display",
    help: "copy pictures to the VMM, for one that cannot show dma-bufs (QEMU's -display none)",
    schema: Switch,
  },
  ...limits,
  config: {
    group: "Operation",
    value: "FILE",
    path: true,
    help: "read settings from a JSON file; its keys are the flags in camelCase",
    schema: z.string().optional(),
  },
  dev: {
    group: "Operation",
    help: "check every message between actors against its schema, and log at debug level",
    schema: Switch,
  },
  logLevel: {
    group: "Operation",
    value: "LEVEL",
    help: "debug, info, warning or error",
    schema: z.enum(["debug", "info", "warning", "error"]).default("info"),
  },
} as const satisfies Record<string, Setting>;

type Settings = typeof settings;
type Values = { [Key in keyof Settings]: z.output<Settings[Key]["schema"]> };

/** The settings of a running server; plain data, so that it can be posted to a worker. */
export type ServerConfig = Omit<Values, "config" | "controlPath"> & {
  controlPath: string;
  /** Whether actors check messages against their schemas on receipt. */
  checkMessages: boolean;
};

/** What the command line asks for besides serving. */
export type Invocation =
  { kind: "serve"; config: ServerConfig } | { kind: "help" | "version" | "capabilities" };

/** What management software gives QEMU's vhost-user-gpu: another way to say `--renderer virgl`. */
const qemuFlags = { virgl: { type: "boolean" } } as const;

/** Reads the command line as given in `directory`; throws {@link ConfigError} with every mistake named. */
export function parseCommandLine(
  args: string[],
  env: Record<string, string | undefined>,
  directory = process.cwd(),
): Invocation {
  const flags = readFlags(args);
  if (flags.virgl) flags.renderer ??= "virgl";
  if (flags.help) return { kind: "help" };
  if (flags.version) return { kind: "version" };
  if (flags["print-capabilities"]) return { kind: "capabilities" };
  return { kind: "serve", config: resolve(flags, env, directory) };
}

type Flags = Record<string, string | boolean | string[] | undefined>;

function readFlags(args: string[]): Flags {
  const options: Record<string, { type: "string" | "boolean"; short?: string; multiple?: boolean }> = {
    help: { type: "boolean", short: "h" },
    version: { type: "boolean", short: "V" },
    "print-capabilities": { type: "boolean" },
    ...qemuFlags,
  };
  for (const [name, setting] of Object.entries<Setting>(settings)) {
    const type = setting.value === undefined ? "boolean" : "string";
    options[kebab(name)] = { type, multiple: setting.repeats ?? false };
  }
  options["socket-path"]!.short = "s";
  options["fd"]!.short = "f";
  const bare = new Map(
    Object.entries<Setting>(settings).map(([name, one]) => [`--${kebab(name)}`, one.bare]),
  );
  const whole = args.map((arg) => (bare.get(arg) === undefined ? arg : `${arg}=${bare.get(arg)}`));
  try {
    return parseArgs({ args: whole, options, strict: true, allowPositionals: false }).values as Flags;
  } catch (error) {
    throw new ConfigError(`${(error as Error).message.split(/\.? ?\n|\. /)[0]}. See --help.`);
  }
}

function resolve(flags: Flags, env: Record<string, string | undefined>, directory: string): ServerConfig {
  const file = readFile(flags["config"] ?? env["FENCEPOST_CONFIG"], directory);
  const values: Record<string, unknown> = {};
  const mistakes: string[] = [];
  for (const [name, setting] of Object.entries<Setting>(settings)) {
    const flag = kebab(name);
    const variable = `FENCEPOST_${flag.replaceAll("-", "_").toUpperCase()}`;
    let raw: unknown = file[name];
    let origin = `"${name}" in the file`;
    if (env[variable] !== undefined) {
      raw = fromEnvironment(setting, env[variable]);
      origin = variable;
    }
    if (flags[flag] !== undefined) {
      raw = flags[flag];
      origin = `--${flag}`;
    }
    const result = setting.schema.safeParse(raw);
    if (result.success) values[name] = setting.path ? absolute(result.data, directory) : result.data;
    else mistakes.push(`${origin}: ${result.error.issues.map((issue) => issue.message).join("; ")}`);
  }
  for (const name of Object.keys(file)) {
    if (!Object.hasOwn(settings, name)) mistakes.push(`"${name}" in the file is no setting`);
  }
  if (mistakes.length > 0) throw new ConfigError(`${mistakes.join("\n")}\nSee --help.`);
  const { config: _, ...rest } = values as Values;
  return {
    ...rest,
    controlPath: rest.controlPath ?? defaultControlPath(rest),
    logLevel: rest.dev ? "debug" : rest.logLevel,
    checkMessages: rest.dev || env["FENCEPOST_CHECK_MESSAGES"] === "1",
  };
}

/** A switch in the environment is 1 or 0; what else it may be is left to the schema to refuse. */
function fromEnvironment(setting: Setting, text: string): boolean | string | string[] {
  if (setting.repeats) return text.split(":");
  if (setting.value !== undefined) return text;
  return text === "1" ? true : text === "0" ? false : text;
}

function absolute(path: unknown, directory: string): unknown {
  if (Array.isArray(path)) return path.map((one) => absolute(one, directory));
  return typeof path === "string" ? resolvePath(directory, path) : path;
}

function readFile(path: Flags[string], directory: string): Record<string, unknown> {
  if (typeof path !== "string") return {};
  try {
    const text = readFileSync(resolvePath(directory, path), "utf8");
    return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
  } catch (error) {
    throw new ConfigError(`cannot read the settings in ${path}: ${(error as Error).message}`);
  }
}

export function helpText(): string {
  const lines = [
    "Fencepost: a virtio-gpu device server. Runs beside a VMM and is its guest's graphics card.",
    "",
    "Usage: bun run server [flags]",
    "",
    "Start it, then start QEMU with the flags that it prints. Ctrl-C stops it.",
  ];
  for (const group of ["Connection", "Device", "Display", "Limits", "Operation"] as const) {
    lines.push("", `${group}:`);
    for (const [name, setting] of Object.entries<Setting>(settings)) {
      if (setting.group === group) lines.push(flagHelp(name, setting));
    }
  }
  lines.push(
    row("-h, --help", "this text"),
    row("-V, --version", "the version"),
    row("--print-capabilities", "what this back-end can do, as JSON for management software"),
    row("--virgl", "the same as --renderer virgl, for management software"),
    "",
    "Each flag is also an environment variable (--poll-us is FENCEPOST_POLL_US) and a key of the --config file (pollUs).",
    "One that may be given more than once has colons between its values in the environment, and is an array in the file.",
    "Paths are relative to the directory of the call. A socket of systemd's (LISTEN_FDS) counts as FENCEPOST_FD.",
    "A second signal, half a second later or more, ends a server that is stopping at once.",
    "Exit codes: 0 stopped as asked, 1 the device could not go on, 2 the settings make no sense or ask for what cannot be",
    "had, 3 an actor was lost, 4 an actor did not stop in time.",
  );
  return lines.join("\n");
}

function flagHelp(name: string, setting: Setting): string {
  const { value, bare } = setting;
  const shape = value === undefined ? "" : bare === undefined ? ` ${value}` : `[=${value}]`;
  const flag = `--${kebab(name)}${shape}`;
  const fallback = setting.schema.safeParse(undefined).data;
  const shown = typeof fallback === "string" || typeof fallback === "number" ? ` (default: ${fallback})` : "";
  return row(flag, setting.help + (shownDefaults[name] ?? shown));
}

/** Of settings whose value is not what is written. */
const shownDefaults: Record<string, string> = {
  outputs: " (default: 1280x800)",
  socketMode: " (default: 600)",
};

const row = (flag: string, help: string): string => `  ${flag.padEnd(28)} ${help}`;

const kebab = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

function defaultSocketPath(): string {
  return join(runtimeDirectory(), "fencepost.sock");
}

/** Servers on inherited sockets have no path of their own to tell them apart. */
function defaultControlPath({ fd, socketPath }: { fd?: number | undefined; socketPath: string }): string {
  return fd === undefined ? `${socketPath}.ctl` : join(runtimeDirectory(), `fencepost-${process.pid}.ctl`);
}
