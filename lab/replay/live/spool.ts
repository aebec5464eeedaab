// What of a stream has come and is not played yet, in a file: nobody else's, and gone when nobody reads it any more, unless it was
// asked for.

import { closeSync, constants, fchmodSync, fstatSync, openSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { libc } from "../../../src/ffi/libc.ts";
import { Refusal } from "../../../src/transport/os/errors.ts";
import { withFile } from "../../../src/transport/os/files.ts";

const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
const ownersAlone = 0o600;
/** Of fallocate(2): the file keeps its length, and what is given back reads as zeroes. */
const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;
/** Given back at a time. */
const pieceBytes = 16 * 1024 * 1024;

export class Spool {
  readonly fd: number;
  private forgotten = 0;

  /** At `path`, where it stays; or a temporary one. Throws a {@link Refusal}. */
  constructor(private readonly path: string | null) {
    this.fd = path === null ? temporary() : withFile(path, () => kept(path));
  }

  /** Gives back to the disk what lies before this byte, unless the file is kept. */
  forget(before: number): void {
    const bytes = before - this.forgotten;
    if (this.path !== null || bytes < pieceBytes) return;
    // Where a file system cannot, the file grows.
    libc.fallocate(this.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, this.forgotten, bytes);
    this.forgotten = before;
  }

  close(): void {
    closeSync(this.fd);
  }
}

function temporary(): number {
  const path = join(tmpdir(), `fencepost-${crypto.randomUUID()}`);
  const fd = withFile(path, () => openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, ownersAlone));
  // Nothing is left behind, whatever becomes of this program.
  unlinkSync(path);
  return fd;
}

function kept(path: string): number {
  // What was there is emptied when something comes: a server that refuses leaves an earlier recording as it was.
  const fd = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, ownersAlone);
  if (!fstatSync(fd).isFile()) {
    closeSync(fd);
    throw new Refusal(`${path}: want a file`);
  }
  // It may have been there, and another's to read.
  fchmodSync(fd, ownersAlone);
  return fd;
}
