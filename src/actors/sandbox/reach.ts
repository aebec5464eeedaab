// What of the file system a server reaches inside of its sandbox.

import { existsSync, mkdirSync, readFileSync, realpathSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { ServerConfig } from "../../config.ts";
import { interpretersOf } from "../../transport/os/interpreters.ts";
import type { PathRule, Reach } from "../../transport/os/sandbox/landlock.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** How a process was called. */
export interface Call {
  readonly directory: string;
  readonly environment: Environment;
  /** What it was given beyond the first three descriptors. */
  readonly descriptors: readonly number[];
  /** Files that it reads at its start. */
  readonly files: readonly string[];
  /** Goes back to where it was started. */
  goBack(): void;
}

/** Libraries, their data and drivers, as distributions lay them out. */
const system = ["/usr", "/lib", "/lib64", "/lib32", "/nix/store", "/gnu/store", "/run/opengl-driver", "/opt"];
/** What libraries and we read of /etc: no more, since that has keys and passwords. */
const settings = [
  ...[
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "ld.so.preload",
    "localtime",
    "group",
    "passwd",
    "nsswitch.conf",
  ],
  ...["drirc", "egl", "glvnd", "vulkan", "OpenCL", "fencepost", "fencepost.json", "alternatives"],
].map((name) => `/etc/${name}`);
const kernel = ["/proc", "/sys"];
/** Of these what says nothing of other processes. */
const ofHost = [
  "/sys",
  ...["cpuinfo", "meminfo", "version", "modules", "devices", "driver", "sys"].map((name) => `/proc/${name}`),
];
const devices = [
  "/dev/dri",
  "/dev/udmabuf",
  "/dev/null",
  "/dev/zero",
  "/dev/full",
  "/dev/urandom",
  "/dev/random",
];
/** Of NVIDIA's own driver, which has them beside those of DRM. */
const nvidiaDevices = ["ctl", "-modeset", "-uvm", "-uvm-tools", ..."01234567"].map(
  (name) => `/dev/nvidia${name}`,
);
/** Variables that lead graphics libraries to files, some of them to several. */
const pathVariables = [
  ...["LD_LIBRARY_PATH", "LIBGL_DRIVERS_PATH", "GBM_BACKENDS_PATH", "__EGL_VENDOR_LIBRARY_DIRS"],
  ...["__EGL_VENDOR_LIBRARY_FILENAMES", "VK_ICD_FILENAMES", "VK_DRIVER_FILES", "DRIRC_CONFIGDIR"],
];

/**
 * What a server of such settings reaches, that was called so: it runs what the system has, and writes to the folders of its sockets and
 * files, the one it was called in, and those for what is temporary.
 */
export function reachOfServer(config: ServerConfig, { directory, environment, files }: Call): Reach {
  return {
    paths: [
      ...reachOfAll(config, environment),
      ...rules("read", files),
      ...rules("write", writableFolders(config, directory)),
    ],
    listens: config.inspect !== undefined,
    meetsAbstract: environment["NOTIFY_SOCKET"]?.startsWith("@") ?? false,
  };
}

/** What a process reaches that runs guests' commands: libraries and their settings to read, GPUs, and drivers' caches of shaders. */
export const reachOfRenderer = (config: ServerConfig, { environment }: Call): Reach => ({
  paths: reachOfAll(config, environment),
  listens: false,
  meetsAbstract: false,
});

/**
 * What the render server reaches, whose program is `path`, and the processes that run guests' Vulkan: that program alone is run, and of /proc there
 * is only what a driver asks of the host.
 */
export function reachOfRenderServer(path: string, environment: Environment): Reach {
  const program = realpathSync(path);
  const own = dirname(program);
  return {
    paths: [
      ...rules("run", [program, ...interpretersOf(program), ...(isSystem(own) ? [] : [own])]),
      ...rules("read", [...system, ...settings, ...ofHost, ...namedBy(environment)]),
      ...rules("device", [...devices, ...nvidiaDevices]),
      ...rules("write", shaderCaches(environment)),
    ],
    listens: false,
    meetsAbstract: false,
  };
}

const isSystem = (folder: string): boolean =>
  system.some((path) => existsSync(path) && `${folder}/`.startsWith(`${realpathSync(path)}/`));

const reachOfAll = (config: ServerConfig, environment: Environment): PathRule[] => [
  ...rules("run", [...system, process.execPath, ...renderServer(config, environment)]),
  ...rules("read", [...settings, ...kernel, ...namedBy(environment), ...program]),
  ...rules("read", [...translated(environment), ...loaded()]),
  ...rules("device", [...devices, ...nvidiaDevices]),
  ...(config.renderer === "software" ? [] : rules("write", shaderCaches(environment))),
];

/** What runs Vulkan and is not the system's, with what lies beside it. */
function renderServer({ renderServer: named }: ServerConfig, environment: Environment): string[] {
  const path = named ?? environment["RENDER_SERVER_EXEC_PATH"];
  return path?.startsWith("/") && existsSync(path) ? [dirname(realpathSync(path))] : [];
}

/** What is loaded already, and what lies beside it: libraries are not the system's own everywhere. */
function loaded(): string[] {
  const mapped = readFileSync("/proc/self/maps", "latin1").matchAll(/ (\/(?!dev\/|memfd:).*)$/gm);
  const files = [...new Set(Array.from(mapped, ([, path]) => path!))];
  return files.map((path) => (isHomeOrAbove(dirname(path)) ? path : dirname(path)));
}

/** Where a server writes: also what `ctl` names has to lie there. */
export function writableFolders(config: ServerConfig, directory: string): string[] {
  const { fd, socketPath, controlPath, resourceBridge, trace, record, logFile, writeBelow } = config;
  const files = [
    ...(fd === undefined ? [socketPath] : []),
    controlPath,
    ...resourceBridge,
    trace,
    record,
    logFile,
  ];
  const folders = files.flatMap((path) => (path === undefined ? [] : [dirname(path)]));
  const called = isHomeOrAbove(directory) ? [] : [directory];
  return [...new Set([...folders, ...writeBelow, ...called, tmpdir(), "/var/tmp"])].filter(
    (path) => path !== "/",
  );
}

/** A home has keys, and what its owner runs: it is not written to for having been called from there. */
const isHomeOrAbove = (directory: string): boolean => `${homedir()}/`.startsWith(join(directory, "/"));

/** Where we are loaded from, with what may be a link to the packages that we use. */
const program = ["../../..", "../../../node_modules"].map((path) => join(import.meta.dir, path));

const rules = (right: PathRule["right"], paths: readonly string[]): PathRule[] =>
  [...new Set(paths)].filter((path) => existsSync(path)).map((path) => ({ path: realpathSync(path), right }));

const namedBy = (environment: Environment): string[] =>
  pathVariables.flatMap((name) => environment[name]?.split(":").filter((path) => path.startsWith("/")) ?? []);

/** Where the engine keeps what it has translated: read, and not written, since other programs of this user run what lies there. */
function translated(environment: Environment): string[] {
  const { BUN_RUNTIME_TRANSPILER_CACHE_PATH: named, BUN_INSTALL, HOME } = environment;
  if (named?.startsWith("/")) return [named];
  return [BUN_INSTALL, HOME && `${HOME}/.bun`].flatMap((folder) =>
    folder ? [join(folder, "install/cache/@t@")] : [],
  );
}

/**
 * Where Mesa keeps compiled shaders for us: not where it keeps those of other programs of this user, which would run what somebody inside
 * has put there. Null where there is no home to keep them in.
 */
export function ownShaderCache({ XDG_CACHE_HOME, HOME }: Environment): string | null {
  const caches = XDG_CACHE_HOME || (HOME ? join(HOME, ".cache") : null);
  return caches === null ? null : join(caches, "fencepost");
}

/** Made here, since what holds them is not ours to write to. */
function shaderCaches(environment: Environment): string[] {
  const named = environment["MESA_SHADER_CACHE_DIR"] || ownShaderCache(environment);
  return named === null ? [] : [named].filter(isThere);
}

function isThere(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return true;
  } catch {
    // A driver does without where it cannot be made.
    return false;
  }
}
