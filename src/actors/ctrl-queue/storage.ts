// Where the pixels of a 2D resource lie on the host: shareable memory, mapped here, exported by its descriptor.

import { readFileSync } from "node:fs";
import { libc } from "../../ffi/libc.ts";
import { createMemfd } from "../../transport/os/fds.ts";
import { NativeMemory } from "../../transport/os/native-memory.ts";

/** Descriptors that a guest's resources leave to the rest of the process. */
const fdsReserved = 256;

export class Storage {
  private static count = 0;
  private static readonly countMax = openFilesMax() - fdsReserved;

  private constructor(
    readonly fd: number,
    private readonly memory: NativeMemory,
  ) {
    Storage.count++;
  }

  /** Zero-filled storage. Throws when the host has no memory or descriptors left for it. */
  static create(bytes: number): Storage {
    if (Storage.count >= Storage.countMax) throw new Error("no file descriptors are left for resources");
    const fd = createMemfd("fencepost-resource", bytes);
    try {
      return new Storage(fd, NativeMemory.mapShared(fd, 0, bytes, "write"));
    } catch (error) {
      libc.close(fd);
      throw error;
    }
  }

  /** The native address of the first pixel. */
  get address(): number {
    return this.memory.address;
  }

  /** A view of all pixels, for rare reads by this thread; dead after {@link free}. */
  view(): ArrayBuffer {
    return this.memory.view();
  }

  free(): void {
    Storage.count--;
    this.memory.unmap();
    libc.close(this.fd);
  }
}

/** The soft RLIMIT_NOFILE of this process. */
function openFilesMax(): number {
  const limit = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
  return limit === null ? 1024 : Number(limit[1]);
}
