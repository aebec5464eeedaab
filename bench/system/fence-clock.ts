// When the renderer of a back-end was done with a fence: fence-clock.c writes it down inside of the back-end.

import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { nowNs } from "./clock.ts";

const source = join(import.meta.dir, "fence-clock.c");
const library = join(import.meta.dir, "../../.cache/bench/fence-clock.so");
const bytes = 16;

/** Words of the file, of 64 bits. */
const FENCES = 0;
const DONE_NS = 1;

/** How long the renderer's thread may take from the end of a fence to its note of it, in nanoseconds. */
const noteNs = 1e9;

/** A clock's file, and what has a back-end keep it. */
export interface ClockFile {
  path: string;
  env: Record<string, string>;
  remove(): void;
}

export function createFenceClock(): ClockFile {
  const directory = mkdtempSync(join(tmpdir(), "fencepost-clock-"));
  const path = join(directory, "clock");
  const fd = openSync(path, "w");
  ftruncateSync(fd, bytes);
  closeSync(fd);
  return {
    path,
    env: { LD_PRELOAD: built(), FENCE_CLOCK: path },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

export class FenceClock {
  private readonly words: BigUint64Array;

  constructor(path: string) {
    const fd = openSync(path, "r+");
    this.words = new BigUint64Array(NativeMemory.mapShared(fd, 0, bytes, "write").view());
    closeSync(fd);
  }

  /** Fences that are done. */
  get fences(): number {
    return Number(Atomics.load(this.words, FENCES));
  }

  /** When the fence after the first `fences` was done, which it is, or is about to be. */
  doneNs(fences: number): number {
    const until = nowNs() + noteNs;
    while (this.fences === fences) if (nowNs() > until) throw new Error("no fence was made for this command");
    return Number(Atomics.load(this.words, DONE_NS));
  }
}

/** The library's path; it is compiled where that was not done since the last change. */
function built(): string {
  if (existsSync(library) && statSync(library).mtimeMs > statSync(source).mtimeMs) return library;
  mkdirSync(join(library, ".."), { recursive: true });
  const compiled = Bun.spawnSync(["gcc", "-O2", "-shared", "-fPIC", "-o", library, source]);
  if (!compiled.success) throw new Error(`gcc cannot build ${source}: ${compiled.stderr.toString().trim()}`);
  return library;
}
