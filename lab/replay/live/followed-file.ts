// A recording's file that somebody else writes meanwhile.

import { closeSync, fstatSync, openSync } from "node:fs";
import { readerOf } from "../../../src/transport/wire/record/reader.ts";
import { Refusal } from "../../../src/transport/os/errors.ts";
import type { ReadAt } from "../../../src/transport/wire/record/recording.ts";
import type { Source } from "./source.ts";

const lookMs = 10;

export class FollowedFile implements Source {
  readonly readAt: ReadAt;
  /** A file says of no end: its end mark does. */
  readonly end = null;
  private readonly fd: number;

  /** Throws a {@link Refusal} for what is no file, and an error of node:fs's. */
  constructor(path: string) {
    this.fd = openSync(path, "r");
    this.readAt = readerOf(this.fd);
    if (fstatSync(this.fd).isFile()) return;
    this.close();
    throw new Refusal(`${path}: only a file can be followed`);
  }

  get bytes(): number {
    return fstatSync(this.fd).size;
  }

  async wait(): Promise<void> {
    await Bun.sleep(lookMs);
  }

  forget(): void {}

  close(): void {
    closeSync(this.fd);
  }
}
