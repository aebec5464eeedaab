// What a process gives up before it begins, and says of it when it has: privileges, limits, and what of the file system it reaches.
//
// Capabilities and Landlock hold for one thread, and the engine has several before our first line. So the thread that has given them up
// runs this program again in the place of this one: with the same id, descriptors and arguments, and a note in its environment.

import { ptr } from "bun:ffi";
import { readdirSync, readFileSync } from "node:fs";
import { confinement } from "../../../ffi/confinement.ts";
import { cString, errno, F_SETFD, libc } from "../../../ffi/libc.ts";
import { asRefusal, checked, SystemError } from "../errors.ts";
import { landlockLack, landlockVersion, type Reach, restrictReach } from "./landlock.ts";
import { type CapabilityName, dropCapabilities, forgoNewPrivileges, lowerLimits } from "./privileges.ts";

/** What became of one layer: in words what holds, or what this host lacks for it. */
export type Layer =
  { readonly holds: true; readonly as: string } | { readonly holds: false; readonly lack: string };

export const layerNames = ["privileges", "capabilities", "limits", "files", "calls"] as const;
export type LayerName = (typeof layerNames)[number];
export type Layers = Partial<Record<LayerName, Layer>>;

export interface Confinement {
  readonly reach: Reach;
  readonly keptCapabilities: readonly CapabilityName[];
}

const variable = "FENCEPOST_CONFINED";

/** What this process gave up before it began anew; null where it has not. The note is taken from the environment. */
export function confinedAs(): Layers | null {
  const note = process.env[variable];
  delete process.env[variable];
  // The id says whose note it is: what a confined process starts has one of its own.
  const [id, text] = note === undefined ? [] : split(note);
  return id === String(process.pid) ? (JSON.parse(text!) as Layers) : null;
}

const split = (note: string): [string, string] => [
  note.slice(0, note.indexOf(":")),
  note.slice(note.indexOf(":") + 1),
];

/** Gives up, on this thread, what `wanted` does not keep. */
export function confineThread({ reach, keptCapabilities }: Confinement): Layers {
  const privileges = layer("no new privileges", forgoNewPrivileges);
  const kept =
    keptCapabilities.length === 0 ? "no capabilities" : `only CAP_${keptCapabilities.join(", CAP_")}`;
  return {
    privileges,
    capabilities: layer(kept, () => dropCapabilities(keptCapabilities)),
    limits: layer("limits", lowerLimits),
    files: reachLayer(reach),
  };
}

function reachLayer(reach: Reach): Layer {
  const version = landlockVersion();
  if (version === 0) return { holds: false, lack: landlockLack() };
  return layer(`Landlock ${version}`, () => restrictReach(reach, version));
}

export function layer(as: string, take: () => void): Layer {
  try {
    take();
    return { holds: true, as };
  } catch (error) {
    return { holds: false, lack: asRefusal(error).message };
  }
}

/**
 * Runs this program again, in the place of this process, as one that has `layers` and still those `descriptors`, and what is locked: the engine
 * has those that it was given closed when another program is run. Throws a {@link SystemError}.
 */
export function beginAnew(
  layers: Layers,
  environment: Readonly<Record<string, string | undefined>>,
  descriptors: readonly number[],
): never {
  for (const fd of [...descriptors, ...lockedDescriptors()])
    checked(libc.fcntl(fd, F_SETFD, 0), "fcntl", `keeping descriptor ${fd}`);
  const args = readFileSync("/proc/self/cmdline", "utf8").split("\0").slice(0, -1);
  const given = { ...environment, [variable]: `${process.pid}:${JSON.stringify(layers)}` };
  become(process.execPath, args, given);
}

/** Runs a program in the place of this process, with limits of `setrlimit`. Throws a {@link SystemError}. */
export function become(
  path: string,
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  limits: readonly (readonly [resource: number, limit: number])[] = [],
): never {
  const pairs = Object.entries(environment).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
  const [argv, env] = [strings(args), strings(pairs)];
  const [program, words] = [
    cString(path),
    limits.map(([, value]) => new BigUint64Array(2).fill(BigInt(value))),
  ];
  // Nothing is allocated from here on: the engine may already have more memory than it would be given.
  for (let at = 0; at < limits.length; at++) confinement.setrlimit(limits[at]![0], words[at]!);
  confinement.execve(program, argv.pointers, env.pointers);
  throw new SystemError("execve", errno(), `running ${path} in this process's place`);
}

/** Whoever starts a server, such as libvirt, may know by the lock of a file of its process's id that it lives (proc_pid_fdinfo(5)). */
const lockedDescriptors = (): number[] =>
  readdirSync("/proc/self/fdinfo")
    .filter((fd) => Number(fd) > 2 && /^lock:/m.test(fdInfo(fd)))
    .map(Number);

function fdInfo(fd: string): string {
  try {
    return readFileSync(`/proc/self/fdinfo/${fd}`, "utf8");
  } catch (error) {
    // The folder was listed by a descriptor of its own, and other threads close theirs.
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  }
}

/** A NULL-terminated array of C strings; `bytes` have to live as long as it is used. */
function strings(texts: readonly string[]): { pointers: BigUint64Array; bytes: Uint8Array[] } {
  const bytes = texts.map(cString);
  return { bytes, pointers: new BigUint64Array([...bytes.map((one) => BigInt(ptr(one))), 0n]) };
}
