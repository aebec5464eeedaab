// Where the pixels of a 2D resource lie on the host: shareable memory, mapped here, exported by its descriptor.

import { readFileSync } from "node:fs";
import { asPointer, libc } from "../../ffi/libc.ts";
import { createMemfd } from "../../transport/os/fds.ts";
import { NativeMemory } from "../../transport/os/native-memory.ts";

/** Descriptors that a guest's resources leave to the rest of the process. */
const fdsReserved = 256;
const pageBytes = 4096;

export class Storage {
  private static count = 0;
  private static readonly countMax = openFilesMax() - fdsReserved;

  /** Whether somebody else has a descriptor of it for good, and it cannot become another resource's. */
  isExported = false;

  private constructor(
    readonly fd: number,
    private readonly memory: NativeMemory,
  ) {
    Storage.count++;
  }

  /** Zero-filled storage of at least `bytes`. Throws when the host has no memory or descriptors left for it. */
  static create(bytes: number): Storage {
    const size = Math.ceil(bytes / pageBytes) * pageBytes;
    const used = pool.take(size);
    if (used !== undefined) return used.clear();
    if (Storage.count >= Storage.countMax) pool.empty();
    if (Storage.count >= Storage.countMax) throw new Error("no file descriptors are left for resources");
    const fd = createMemfd("fencepost-resource", size);
    try {
      return new Storage(fd, NativeMemory.mapShared(fd, 0, size, "write"));
    } catch (error) {
      libc.close(fd);
      throw error;
    }
  }

  /** The native address of the first pixel. */
  get address(): number {
    return this.memory.address;
  }

  /** Bytes of it, a whole number of pages. */
  get size(): number {
    return this.memory.length;
  }

  /** A view of all pixels, for rare reads by this thread; dead after {@link free}. */
  view(): ArrayBuffer {
    return this.memory.view();
  }

  /** Nobody uses it any more. It may be used again for a resource to come. */
  free(): void {
    if (this.isExported || !pool.give(this)) this.destroy();
  }

  /** Gives the host everything back that was kept for resources to come. */
  static forget(): void {
    pool.empty();
  }

  destroy(): void {
    Storage.count--;
    this.memory.unmap();
    libc.close(this.fd);
  }

  private clear(): this {
    libc.memset(asPointer(this.address), 0, this.size);
    return this;
  }
}

/**
 * Small storages that were freed, for guests that create resources all the time: a new one costs several system calls
 * and a page fault a page, which is more than to clear an old one. For large ones it is not.
 */
class Pool {
  private static readonly storageBytesMax = 256 * 1024;
  private static readonly bytesMax = 4 * 1024 * 1024;
  private readonly bySize = new Map<number, Storage[]>();
  private bytes = 0;

  take(size: number): Storage | undefined {
    const storage = this.bySize.get(size)?.pop();
    if (storage !== undefined) this.bytes -= size;
    return storage;
  }

  /** Answers false when there is no room for it. */
  give(storage: Storage): boolean {
    const { size } = storage;
    if (size > Pool.storageBytesMax || this.bytes + size > Pool.bytesMax) return false;
    const storages = this.bySize.get(size);
    if (storages === undefined) this.bySize.set(size, [storage]);
    else storages.push(storage);
    this.bytes += size;
    return true;
  }

  empty(): void {
    for (const storages of this.bySize.values()) for (const storage of storages) storage.destroy();
    this.bySize.clear();
    this.bytes = 0;
  }
}

const pool = new Pool();

/** The soft RLIMIT_NOFILE of this process. */
function openFilesMax(): number {
  const limit = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
  return limit === null ? 1024 : Number(limit[1]);
}
