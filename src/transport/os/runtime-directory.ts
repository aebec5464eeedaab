// Where a user's sockets lie by default: in XDG_RUNTIME_DIR, or in a directory that nobody else can enter.

import { lstatSync, mkdirSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";

type Environment = Record<string, string | undefined>;

const othersMask = 0o077;
const othersWriteMask = 0o022;

/** XDG_RUNTIME_DIR where that is an absolute path to a directory that only this user may write to, otherwise a directory of our own. */
export function runtimeDirectory(env: Environment = process.env): string {
  const session = env["XDG_RUNTIME_DIR"];
  return session !== undefined && isAbsolute(session) && belongsToUs(session) ? session : ownDirectory();
}

/**
 * Makes the directory of our own where `path` is that and it is missing. Throws an Error with a sentence when somebody
 * else made it, or it is open to others.
 */
export function ensureRuntimeDirectory(path: string): void {
  if (path !== ownDirectory()) return;
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as { code?: string }).code !== "EEXIST") throw error;
  }
  checkRuntimeDirectory(path);
}

/** Throws an Error with a sentence where `path` is the directory of our own and not ours alone. */
export function checkRuntimeDirectory(path: string): void {
  if (path !== ownDirectory()) return;
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isDirectory() || found.uid !== process.getuid!()) {
    throw new Error(`${path} is no directory of this user's: set XDG_RUNTIME_DIR, or name a socket path`);
  }
  if ((found.mode & othersMask) !== 0) throw new Error(`${path} is open to others: chmod 700 ${path}`);
}

/** A TMPDIR that is relative means another directory to each who is started elsewhere, and so none. */
const ownDirectory = (): string =>
  join(isAbsolute(tmpdir()) ? tmpdir() : "/tmp", `fencepost-${process.getuid!()}`);

function belongsToUs(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined || !found.isDirectory() || found.uid !== process.getuid!()) return false;
  // Where others may write, they may put a socket of their own in the place of ours.
  return (found.mode & othersWriteMask) === 0;
}
