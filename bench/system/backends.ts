// The servers that a run compares: this checkout's, with settings or without, another checkout's, and other back-ends.

import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { ServerProcess } from "../../lab/vmm/server-process.ts";

export const checkout = resolve(import.meta.dir, "../..");
const installedPeer = "/usr/lib/qemu/vhost-user-gpu";
const peerCache = join(checkout, ".cache/peer");
const cachedPeer = join(peerCache, "usr/lib/qemu/vhost-user-gpu");
/** Preloaded, it lets a peer render without a render node. */
const surfaceless = join(peerCache, "surfaceless.so");
const renderNode = "/dev/dri/renderD128";

/** Where a checkout's server begins: today, and in revisions that one may want to compare with. */
const serverEntries = ["src/cli/server.ts", "src/main.ts"] as const;

/** What a server is started for. */
export type Renderer = "software" | "virgl";

export interface Backend {
  /** As in tables. */
  name: string;
  /** What it is: a version, a revision, settings. */
  about: string;
  command: readonly string[];
  args: Record<Renderer, readonly string[]>;
  env: Record<Renderer, Record<string, string>>;
  displayFeatures: number;
  /** What makes it send displays all that they take; nothing where it does so anyway. */
  unpaced: readonly string[];
  /** What makes it give guests Vulkan, where it can. */
  vulkan: readonly string[];
  /** Of the inspector's page, which is open meanwhile; undefined where none is. */
  view?: string;
}

export class BackendError extends Error {}

/** The server of the checkout at `directory`, with `args` added to its command line. */
export function fencepost(
  name: string,
  about: string,
  args: readonly string[],
  directory = checkout,
): Backend {
  const main = serverEntries.map((path) => join(directory, path)).find((path) => existsSync(path));
  if (main === undefined) {
    throw new BackendError(`${directory} is no checkout of Fencepost: it has no ${serverEntries[0]}`);
  }
  return {
    name,
    about,
    command: [process.execPath, main],
    args: { software: ["--renderer", "software", ...args], virgl: ["--renderer", "virgl", ...args] },
    env: { software: {}, virgl: {} },
    displayFeatures: 1,
    unpaced:
      knows(directory, "frameRate") && !args.includes("--frame-rate") ? ["--frame-rate", "unlimited"] : [],
    vulkan: knows(directory, "renderServer") ? ["--vulkan", "on"] : [],
  };
}

/** Whether the checkout's server knows a setting. */
function knows(directory: string, setting: string): boolean {
  const path = join(directory, "src/config-settings.ts");
  return existsSync(path) && readFileSync(path, "utf8").includes(setting);
}

/** Another vhost-user-gpu back-end that knows --socket-path and --virgl. */
export function peer(path: string): Backend {
  if (!existsSync(path)) throw new BackendError(`there is no ${path}`);
  const about = path === cachedPeer ? readFileSync(join(peerCache, "stamp"), "utf8").trim() : path;
  const preload = existsSync(renderNode) || !existsSync(surfaceless) ? {} : { LD_PRELOAD: surfaceless };
  return {
    name: "peer",
    about,
    command: [path],
    args: { software: [], virgl: ["--virgl"] },
    env: { software: {}, virgl: preload },
    displayFeatures: 0,
    unpaced: [],
    vulkan: [],
  };
}

/** QEMU's back-end where it is installed or fetched; null where it is neither. */
export function defaultPeer(): string | null {
  return [installedPeer, cachedPeer].find((path) => existsSync(path)) ?? null;
}

/** Unpacks revision `rev` of this repository beside its dependencies; `remove` deletes it. */
export function checkOut(rev: string): { directory: string; remove: () => void } {
  const directory = mkdtempSync(join(tmpdir(), "fencepost-rev-"));
  const remove = () => rmSync(directory, { recursive: true, force: true });
  const archive = Bun.spawnSync(["git", "archive", "--format=tar", rev], { cwd: checkout });
  const unpacked =
    archive.success && Bun.spawnSync(["tar", "-x", "-C", directory], { stdin: archive.stdout }).success;
  if (!unpacked) {
    remove();
    throw new BackendError(`git has no revision ${rev}: ${archive.stderr.toString().trim()}`);
  }
  const lock = "bun.lock";
  if (readFileSync(join(directory, lock), "utf8") === readFileSync(join(checkout, lock), "utf8")) {
    symlinkSync(join(checkout, "node_modules"), join(directory, "node_modules"));
  } else Bun.spawnSync([process.execPath, "install", "--frozen-lockfile"], { cwd: directory });
  return { directory, remove };
}

/** Starts a back-end, with `args` and `env` added to its own, and waits until it listens. */
export function start(
  backend: Backend,
  renderer: Renderer,
  env: Record<string, string> = {},
  args: readonly string[] = [],
): Promise<ServerProcess> {
  const own = backend.env[renderer];
  const preloads = [own["LD_PRELOAD"], env["LD_PRELOAD"]].filter((path) => path !== undefined);
  return ServerProcess.start({
    command: backend.command,
    args: [...backend.args[renderer], ...args],
    env: { ...own, ...env, ...(preloads.length > 0 ? { LD_PRELOAD: preloads.join(":") } : {}) },
    stopMs: 2_000,
  });
}
