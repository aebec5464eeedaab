// The storage that a test run is about (test/setup.ts), and pictures in memory whose rows a driver may have padded.

import { Log } from "../../src/actors/runtime/log.ts";
import { closeFd, sizeOfFd } from "../../src/transport/os/fds.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";

export const storageKind = process.env["FENCEPOST_STORAGE"] as "gbm" | "udmabuf" | "memfd";

/** A log that keeps its lines as "LEVEL TEXT". */
export function keptLog(): { log: Log; lines: string[] } {
  const lines: string[] = [];
  return { log: new Log("debug", (level, text) => lines.push(`${level} ${text}`), 10), lines };
}

/** A picture that somebody lent, mapped as a borrower would. */
export class BorrowedPicture {
  private readonly memory: NativeMemory;
  private readonly words: Uint32Array;

  /** Takes over `fd`. */
  constructor(
    fd: number,
    private readonly stride: number,
    private readonly width: number,
    private readonly height: number,
  ) {
    try {
      this.memory = NativeMemory.mapShared(fd, 0, sizeOfFd(fd), "read");
    } finally {
      closeFd(fd);
    }
    this.words = new Uint32Array(this.memory.view());
  }

  /** A copy of what it is now, row by row. */
  get pixels(): Uint32Array {
    const { width, height, words, stride } = this;
    const pixels = new Uint32Array(width * height);
    for (let row = 0; row < height; row++) {
      const start = (row * stride) / 4;
      pixels.set(words.subarray(start, start + width), row * width);
    }
    return pixels;
  }

  return(): void {
    this.memory.unmap();
  }
}
