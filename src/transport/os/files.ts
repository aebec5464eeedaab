// Files that people name: what the system says of one in words, and writing one as a whole.

import { constants, existsSync } from "node:fs";
import { open, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { Refusal } from "./errors.ts";

/** What the system does not do with a file that somebody has named: its sentence says all. */
export class FileRefusal extends Refusal {
  override name = "FileRefusal";
}

/** By errno: what is wrong with a path, and what mends it where that is not plain. */
const sentences: Readonly<Record<string, (path: string) => string>> = {
  EEXIST: (path) => `${path} is there already: remove it, or name another file`,
  EISDIR: (path) => `${path} is a folder: name a file in it`,
  ENOENT: (path) =>
    existsSync(dirname(path)) ? `there is no file ${path}` : `there is no folder ${dirname(path)}: make it`,
  ENOTDIR: (path) => `${path} goes through what is no folder`,
  EACCES: (path) => `this user has no permission for ${path}`,
  EPERM: (path) => `this user has no permission for ${path}`,
  EROFS: (path) => `${path} lies on a disk that cannot be written to`,
  ENOSPC: (path) => `the disk is full: there is no room for all of ${path}`,
  EDQUOT: (path) => `this user may use no more of the disk: there is no room for all of ${path}`,
  EFBIG: (path) => `${path} may not grow further: see ulimit -f`,
  ENXIO: (path) => `${path} is a pipe that nobody reads`,
  ELOOP: (path) => `${path} is a link: name what it leads to`,
  ENAMETOOLONG: (path) => `${path} is too long a name`,
};

/** What node:fs has thrown of `path`, in one sentence; a bug goes on up. */
export function fileRefusal(error: unknown, path: string): Refusal {
  if (error instanceof Refusal) return error;
  if (!(error instanceof Error && "code" in error)) throw error;
  const sentence = sentences[String(error.code)]?.(path) ?? `${path}: ${error.message.split(", ")[0]}`;
  return new FileRefusal(sentence, { cause: error });
}

/** Does `work`; throws a {@link Refusal} for what the system says of `path`. */
export function withFile<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw fileRefusal(error, path);
  }
}

/** How a file is made where it is not there. */
interface Making {
  readonly mode?: number;
  /** As open(2) has them: to make or empty it, unless they say otherwise. */
  readonly flags?: number;
}

const makeOrEmpty = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC;

/** Writes a file as a whole, or leaves none: half of one is of no use. Throws a {@link Refusal}. */
export async function writeWhole(
  path: string,
  bytes: Uint8Array,
  { mode = 0o666, flags = makeOrEmpty }: Making = {},
): Promise<void> {
  let isBegun = false;
  try {
    await using file = await open(path, flags as never, mode);
    isBegun = (await file.stat()).isFile();
    await file.writeFile(bytes);
  } catch (error) {
    if (isBegun) await unlink(path);
    throw fileRefusal(error, path);
  }
}
