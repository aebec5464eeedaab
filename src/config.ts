// The settings of a server, from where they may be given, and what is wrong with them (config-settings.ts has each).
//
// A flag beats the environment (FENCEPOST_<NAME>), which beats the file (--config, or /etc/fencepost.json), which beats the
// default.

import { existsSync, readFileSync } from "node:fs";
import { join, resolve as resolvePath } from "node:path";
import { readArguments, UsageError } from "./config-arguments.ts";
import { ConfigError } from "./config-error.ts";
import { flagOf } from "./config-flag.ts";
import { type Setting, settings } from "./config-settings.ts";
import { ValueError } from "./config-values.ts";
import { runtimeDirectory } from "./transport/os/runtime-directory.ts";

export { ConfigError } from "./config-error.ts";

type Settings = typeof settings;
type Values = { [Key in keyof Settings]: ReturnType<Settings[Key]["kind"]["read"]> };

/** The settings of a running server; plain data, so that it can be posted to a worker. */
export type ServerConfig = Omit<Values, "config" | "controlPath" | "scanouts"> & {
  controlPath: string;
  /** How many outputs the device has where no VMM display says it, those that are off included. */
  scanouts: number;
  /** Whether actors check messages against their schemas on receipt. */
  checkMessages: boolean;
};

/** What the command line asks for besides serving. */
export type Invocation =
  | {
      kind: "serve";
      config: ServerConfig;
      /** The file that some of it comes from. */
      file: string | null;
      /** What the environment has for us and nobody reads. */
      unknown: string[];
    }
  | { kind: "help" | "version" | "capabilities" };

/** What a server is started with. */
export type Served = Extract<Invocation, { kind: "serve" }>;

/** Variables of ours that are no settings. */
const otherVariables: ReadonlySet<string> = new Set([
  "FENCEPOST_CHECK_MESSAGES",
  "FENCEPOST_CONFINED",
  "FENCEPOST_DEBIAN_MIRROR",
  "FENCEPOST_DIRECTORY",
]);

/**
 * What libvirt gives any vhost-user-gpu, also for a domain that wants no 3D. So nobody's wish can be read from it: 3D is there where
 * it starts, unless the administrator says otherwise.
 */
const qemuFlags = { virgl: { type: "boolean" } } as const;

/** This host's settings, for servers that nobody gives a file, such as libvirt's. */
const hostFile = "/etc/fencepost.json";

/** Reads the command line as given in `directory`; throws {@link ConfigError} with every mistake named. */
export function parseCommandLine(
  args: string[],
  env: Record<string, string | undefined>,
  directory = process.cwd(),
  ownFile = hostFile,
): Invocation {
  const flags = readFlags(args);
  if (flags.help) return { kind: "help" };
  if (flags.version) return { kind: "version" };
  if (flags["print-capabilities"]) return { kind: "capabilities" };
  const path = fileName(flags, env, ownFile);
  const config = resolve(flags, env, directory, path);
  const file = typeof path === "string" && path !== "" ? resolvePath(directory, path) : null;
  return { kind: "serve", config, file, unknown: unknownVariables(env) };
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
    const { short, repeats: multiple = false } = setting;
    options[flagOf(name)] = { type, multiple, ...(short === undefined ? {} : { short }) };
  }
  const bare = new Map(
    Object.entries<Setting>(settings).map(([name, one]) => [`--${flagOf(name)}`, one.bare]),
  );
  const whole = args.map((arg) => (bare.get(arg) === undefined ? arg : `${arg}=${bare.get(arg)}`));
  try {
    return readArguments({ args: whole, options }).values as Flags;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new ConfigError(`${error.message}. See --help.`, { cause: error });
  }
}

/** `path` is that of the file, as it was said. */
function resolve(
  flags: Flags,
  env: Record<string, string | undefined>,
  directory: string,
  path: Flags[string],
): ServerConfig {
  const file = readFile(path, directory);
  // Whoever has not named it on the command line may not know which it is.
  const source = flags["config"] === undefined ? path : "the file";
  const values: Record<string, unknown> = {};
  const mistakes: string[] = [];
  for (const [name, setting] of Object.entries<Setting>(settings)) {
    const flag = flagOf(name);
    const variable = variableOf(name);
    let raw: unknown = file[name];
    let origin = `"${name}" in ${source}`;
    const text = env[variable];
    if (text !== undefined && text !== "") {
      raw = fromEnvironment(setting, text);
      origin = variable;
    }
    if (flags[flag] !== undefined) {
      raw = flags[flag];
      origin = `--${flag}`;
    }
    try {
      const value = setting.kind.read(raw);
      values[name] = setting.path ? absolute(value, directory) : value;
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      mistakes.push(`${origin}: ${error.message}`);
    }
  }
  mistakes.push(...strangers(file, source));
  const { outputs, scanouts } = values as Partial<Values>;
  if (outputs !== undefined && scanouts !== undefined && scanouts < outputs.length)
    mistakes.push(`--scanouts ${scanouts}: want at least the ${outputs.length} that --outputs names`);
  if (mistakes.length > 0) throw new ConfigError(`${mistakes.join("\n")}\nSee --help.`);
  const { config: _, ...rest } = values as Values;
  return {
    ...rest,
    scanouts: rest.scanouts ?? rest.outputs.length,
    controlPath: rest.controlPath ?? defaultControlPath(rest),
    inspect: rest.inspect ?? (rest.dev ? { hostname: "127.0.0.1", port: 0, isNamed: false } : undefined),
    logLevel: rest.dev ? "debug" : rest.logLevel,
    checkMessages: rest.dev || env["FENCEPOST_CHECK_MESSAGES"] === "1",
  };
}

/** What is said of keys that are no settings; of one that is written as its flag, how it is written in a file. */
function strangers(file: Record<string, unknown>, source: Flags[string]): string[] {
  const names = Object.keys(settings);
  return Object.keys(file)
    .filter((key) => !Object.hasOwn(settings, key))
    .map((key) => {
      const meant = names.find((name) => flagOf(name) === key.replace(/^--/, ""));
      return `"${key}" in ${source} is no setting${meant === undefined ? "" : `: it is "${meant}" there`}`;
    });
}

const variableOf = (name: string): string => `FENCEPOST_${flagOf(name).replaceAll("-", "_").toUpperCase()}`;

function unknownVariables(env: Record<string, string | undefined>): string[] {
  const known = new Set(Object.keys(settings).map(variableOf));
  return Object.keys(env).filter(
    (name) => name.startsWith("FENCEPOST_") && !known.has(name) && !otherVariables.has(name),
  );
}

/** A switch in the environment is 1 or 0; what else it may be is left to its kind to refuse. */
function fromEnvironment(setting: Setting, text: string): boolean | string | string[] {
  if (setting.repeats) return text.split(":");
  if (setting.value !== undefined) return text;
  return text === "1" ? true : text === "0" ? false : text;
}

/** Where the file is said to be; "" for none. */
function fileName(flags: Flags, env: Record<string, string | undefined>, ownFile: string): Flags[string] {
  return flags["config"] ?? (env["FENCEPOST_CONFIG"] || undefined) ?? (existsSync(ownFile) ? ownFile : "");
}

function absolute(path: unknown, directory: string): unknown {
  if (Array.isArray(path)) return path.map((one) => absolute(one, directory));
  return typeof path === "string" ? resolvePath(directory, path) : path;
}

function readFile(path: Flags[string], directory: string): Record<string, unknown> {
  // What is no path is told as that of any setting.
  if (typeof path !== "string" || path === "") return {};
  try {
    const text = readFileSync(resolvePath(directory, path), "utf8");
    const value: unknown = text.trim() === "" ? {} : Bun.JSONC.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new Error('want one JSON object, such as {"pollUs": 20}');
    }
    return value as Record<string, unknown>;
  } catch (error) {
    const message = (error as Error).message.replace(/^JSONC Parse error: /, "");
    throw new ConfigError(`cannot read the settings in ${path}: ${message}`);
  }
}

/** Servers on inherited sockets have no path of their own to tell them apart. */
function defaultControlPath({ fd, socketPath }: { fd?: number | undefined; socketPath: string }): string {
  return fd === undefined ? `${socketPath}.ctl` : join(runtimeDirectory(), `fencepost-${process.pid}.ctl`);
}
