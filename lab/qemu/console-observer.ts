// Tells when pictures reached QEMU's console: what a back-end sent, by console-observer.c; what QEMU's own device
// flushed, by its trace.

import { closeSync, existsSync, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { consoleObserverPath } from "./cache.ts";
import type { Gpu } from "./qemu-args.ts";
import { TraceReader, traceArgs, traceTimes } from "./trace.ts";

export interface ShownPicture {
  /** In microseconds since 1970. */
  atUs: number;
  /** 0xRRGGBB at the point that is watched; null where only the flush is known. */
  pixel: number | null;
}

export interface ConsoleObserver {
  /** What QEMU is to be started with. */
  readonly env: Readonly<Record<string, string>>;
  readonly extraArgs: readonly string[];
  /** Forgets the pictures so far, and has each later one's pixel at this point kept. */
  watch(x: number, y: number): void;
  /** The pictures since the last call, or since `watch`. */
  take(): ShownPicture[];
}

/** QEMU's trace is in `tracePath`; `directory` is where it may write. */
export function observeConsole(gpu: Gpu["kind"], tracePath: string, directory: string): ConsoleObserver {
  return gpu === "in-process"
    ? new FlushTrace(tracePath)
    : new PictureFile(tracePath, join(directory, "pictures"));
}

const flushEvent = "virtio_gpu_cmd_res_flush";

class FlushTrace implements ConsoleObserver {
  readonly env = {};
  readonly extraArgs: readonly string[];
  private readonly reader: TraceReader;

  constructor(path: string) {
    this.extraArgs = traceArgs(path, flushEvent);
    this.reader = new TraceReader(path);
  }

  watch(): void {
    this.reader.take();
  }

  take(): ShownPicture[] {
    return traceTimes(this.reader.take(), flushEvent).map((atUs) => ({ atUs, pixel: null }));
  }
}

const headerBytes = 16;
const watchedAt = 8;
const pictureBytes = 16;
const picturesMax = 1 << 18;

class PictureFile implements ConsoleObserver {
  readonly env: Readonly<Record<string, string>>;
  readonly extraArgs: readonly string[];
  private taken = 0;

  constructor(
    tracePath: string,
    private readonly path: string,
  ) {
    if (!existsSync(consoleObserverPath)) {
      throw new Error("what observes QEMU's console is missing: run scripts/build-guest.sh");
    }
    this.extraArgs = traceArgs(tracePath);
    this.env = { LD_PRELOAD: consoleObserverPath, CONSOLE_OBSERVER_FILE: path };
  }

  watch(x: number, y: number): void {
    const fd = openSync(this.path, "r+");
    writeSync(fd, Uint32Array.of(x, y), 0, 8, watchedAt);
    closeSync(fd);
    this.take();
  }

  take(): ShownPicture[] {
    const fd = openSync(this.path, "r");
    try {
      const header = new BigUint64Array(1);
      readSync(fd, header, 0, 8, 0);
      const count = Number(header[0]);
      if (count > picturesMax) throw new Error(`QEMU was sent more than ${picturesMax} pictures`);
      const bytes = new Uint8Array((count - this.taken) * pictureBytes);
      readSync(fd, bytes, 0, bytes.length, headerBytes + this.taken * pictureBytes);
      this.taken = count;
      return parsePictures(bytes);
    } finally {
      closeSync(fd);
    }
  }
}

/** Records as console-observer.c has them. */
export function parsePictures(bytes: Uint8Array): ShownPicture[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / pictureBytes }, (_, index) => ({
    atUs: Number(view.getBigUint64(index * pictureBytes, true)),
    pixel: view.getUint32(index * pictureBytes + 8, true),
  }));
}
