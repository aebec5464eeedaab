// Landlock: which files a process may reach, whoever owns them. It holds for the thread that asks, and for what that starts: a process
// with threads has to begin anew for it to hold for all of it (begin-anew.ts).

import { ptr } from "bun:ffi";
import { statSync } from "node:fs";
import {
  confinement,
  LANDLOCK_CREATE_RULESET_VERSION,
  LANDLOCK_RULE_PATH_BENEATH,
  O_PATH,
} from "../../../ffi/confinement.ts";
import { cString, ENOSYS, errno, O_CLOEXEC } from "../../../ffi/libc.ts";
import { SystemError } from "../errors.ts";
import { closeFd } from "../fds.ts";

/** The same numbers on all architectures. */
const calls = { create: 444, addRule: 445, restrict: 446 } as const;

const Access = {
  EXECUTE: 1,
  WRITE_FILE: 1 << 1,
  READ_FILE: 1 << 2,
  READ_DIR: 1 << 3,
  REMOVE_DIR: 1 << 4,
  REMOVE_FILE: 1 << 5,
  MAKE_DIR: 1 << 7,
  MAKE_REG: 1 << 8,
  MAKE_SOCK: 1 << 9,
  REFER: 1 << 13,
  TRUNCATE: 1 << 14,
  IOCTL_DEV: 1 << 15,
} as const;

const { EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE, IOCTL_DEV } = Access;
/** What a rule may say of what is no folder. */
const ofFiles = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;

/** What may be done beneath a path. */
const rights = {
  read: READ_FILE | READ_DIR,
  run: READ_FILE | READ_DIR | EXECUTE,
  device: READ_FILE | READ_DIR | WRITE_FILE | IOCTL_DEV,
  /** Its files written, made, moved and removed, folders and sockets among them; no device, link or pipe made. */
  write:
    READ_FILE |
    READ_DIR |
    WRITE_FILE |
    TRUNCATE |
    Access.REMOVE_DIR |
    Access.REMOVE_FILE |
    Access.MAKE_DIR |
    Access.MAKE_REG |
    Access.MAKE_SOCK |
    Access.REFER,
} as const;

export interface PathRule {
  readonly path: string;
  readonly right: keyof typeof rights;
}

export interface Reach {
  readonly paths: readonly PathRule[];
  /** Whether it listens on TCP ports. */
  readonly listens: boolean;
  /** Whether it connects to abstract Unix sockets of others. */
  readonly meetsAbstract: boolean;
}

/** Which version of Landlock the kernel has; 0 where it has none, or keeps it from us. */
export function landlockVersion(): number {
  return Math.max(0, confinement.syscall(calls.create, 0, 0, LANDLOCK_CREATE_RULESET_VERSION, 0, 0, 0));
}

/** Why there is none, for people. */
export function landlockLack(): string {
  confinement.syscall(calls.create, 0, 0, LANDLOCK_CREATE_RULESET_VERSION, 0, 0, 0);
  return errno() === ENOSYS
    ? "the kernel has no Landlock (it came with 5.13, as CONFIG_SECURITY_LANDLOCK)"
    : "the kernel's Landlock is off, or kept from this process (boot with lsm=landlock,…)";
}

/**
 * Lets this thread, and what it starts, reach what `reach` says and no more, for good. Paths that are not there are left out. This thread
 * must have given up new privileges. Throws a {@link SystemError}.
 */
export function restrictReach({ paths, listens, meetsAbstract }: Reach, version: number): void {
  const attributes = new BigUint64Array(3);
  const files = handledFiles(version);
  attributes[0] = BigInt(files);
  // CONNECT_TCP, BIND_TCP.
  if (version >= 4) attributes[1] = listens ? 2n : 3n;
  // Signals to others, and their abstract sockets.
  if (version >= 6) attributes[2] = meetsAbstract ? 2n : 3n;
  const size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
  const ruleset = confinement.syscall(calls.create, ptr(attributes), size, 0, 0, 0, 0);
  if (ruleset < 0) throw new SystemError("landlock_create_ruleset", errno(), "beginning a Landlock ruleset");
  try {
    for (const rule of paths) addRule(ruleset, rule, files);
    if (confinement.syscall(calls.restrict, ruleset, 0, 0, 0, 0, 0) < 0)
      throw new SystemError("landlock_restrict_self", errno(), "taking on a Landlock ruleset");
  } finally {
    closeFd(ruleset);
  }
}

function handledFiles(version: number): number {
  const first = (1 << 13) - 1;
  return (
    first | (version >= 2 ? Access.REFER : 0) | (version >= 3 ? TRUNCATE : 0) | (version >= 5 ? IOCTL_DEV : 0)
  );
}

function addRule(ruleset: number, { path, right }: PathRule, handled: number): void {
  const found = statSync(path, { throwIfNoEntry: false });
  const fd = found === undefined ? -1 : confinement.open(cString(path), O_PATH | O_CLOEXEC, 0);
  if (found === undefined || fd < 0) return;
  try {
    // struct landlock_path_beneath_attr, packed.
    const attributes = new DataView(new ArrayBuffer(12));
    const access = rights[right] & handled & (found.isDirectory() ? ~0 : ofFiles);
    attributes.setBigUint64(0, BigInt(access), true);
    attributes.setInt32(8, fd, true);
    const result = confinement.syscall(
      calls.addRule,
      ruleset,
      LANDLOCK_RULE_PATH_BENEATH,
      ptr(attributes),
      0,
      0,
      0,
    );
    if (result < 0) throw new SystemError("landlock_add_rule", errno(), `a Landlock rule for ${path}`);
  } finally {
    closeFd(fd);
  }
}
