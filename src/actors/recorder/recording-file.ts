// The file of a recording: its owner's alone, and never with half a piece at its end.

import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  openSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { setBlocking } from "../../transport/os/fds.ts";
import { fileRefusal, withFile } from "../../transport/os/files.ts";
import type { RecordingOutput } from "./recording-output.ts";

const { O_WRONLY, O_CREAT, O_TRUNC, O_NONBLOCK, O_NOFOLLOW } = constants;
/** A link that somebody else has laid is not followed, and a pipe that nobody reads is an error. */
const flags = O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOFOLLOW;
const ownersAlone = 0o600;

export class RecordingFile implements RecordingOutput {
  readonly taker = "the disk";
  readonly isFar = false;
  /** What a crash may cost. */
  readonly ageMs = 1_000;
  readonly isUnread = false;
  readonly hasRoom = true;
  readonly isTaken = true;
  private bytes = 0;
  private readonly fd: number;
  private readonly isRegular: boolean;

  /** Makes or empties the file. Throws a {@link Refusal}. */
  constructor(readonly name: string) {
    this.fd = withFile(name, () => openSync(name, flags, ownersAlone));
    this.isRegular = fstatSync(this.fd).isFile();
    // It may have been there, and another's to read.
    if (this.isRegular) withFile(name, () => fchmodSync(this.fd, ownersAlone));
    // Whoever reads a pipe may be as slow as a disk.
    else setBlocking(this.fd);
  }

  /** Puts all of `bytes` at the end, or throws a {@link Refusal} with the file as it was. */
  readonly append = (bytes: Uint8Array): void => {
    try {
      this.put(bytes);
    } catch (error) {
      if (this.isRegular) ftruncateSync(this.fd, this.bytes);
      throw fileRefusal(error, this.name);
    }
  };

  proceed(): void {}

  close(): void {
    closeSync(this.fd);
  }

  /** Nothing will be in it: leaves none. */
  discard(): void {
    this.close();
    if (this.isRegular) withFile(this.name, () => unlinkSync(this.name));
  }

  private put(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      done += writeSync(this.fd, bytes, done, bytes.length - done, this.isRegular ? this.bytes + done : null);
    }
    this.bytes += bytes.length;
  }
}
