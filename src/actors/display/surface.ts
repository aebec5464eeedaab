// One surface: a resource's storage on loan from the ctrl queue, mapped once and given back when no sink reads it.

import { createActor } from "xstate";
import { closeFd, sizeOfFd } from "../../transport/os/fds.ts";
import { NativeMemory } from "../../transport/os/native-memory.ts";
import { bytesPerPixel } from "../../transport/virtio-gpu/protocol.ts";
import { surfaceMachine } from "../machines/surface.ts";
import type { DisplayMessage } from "../messages/display.ts";
import type { Rect } from "../damage.ts";

export type SurfaceMessage = Extract<DisplayMessage, { type: "surface" }>;

/** The longest surface: what one view of memory can show. */
const bytesMax = 2 ** 32;

export class Surface {
  readonly id: number;
  readonly width: number;
  readonly height: number;
  /** Bytes from one row to the next. */
  readonly stride: number;
  readonly format: number;
  private readonly lifecycle = createActor(surfaceMachine);
  private memory: NativeMemory | null = null;
  private words: Uint32Array | null = null;

  /**
   * Maps the storage that `message` names and closes its descriptor. `released` is called once, when the surface is
   * dropped and nothing reads it any more; its memory is unmapped by then.
   */
  constructor(
    message: SurfaceMessage,
    private readonly released: (surface: Surface) => void,
  ) {
    this.id = message.surface;
    this.width = message.width;
    this.height = message.height;
    this.stride = message.stride;
    this.format = message.format;
    this.lifecycle.subscribe({ complete: () => this.release() });
    this.lifecycle.start();
    try {
      this.map(message);
    } finally {
      closeFd(message.fd);
    }
  }

  /** Whether it can be shown: it is mapped, and not dropped. */
  get isUsable(): boolean {
    return this.lifecycle.getSnapshot().matches("mapped");
  }

  get isStale(): boolean {
    return this.lifecycle.getSnapshot().matches({ mapped: "stale" });
  }

  /** Why it can't be shown, where it can't. */
  failure = "";

  /** The native address of its first pixel, for as long as it is read. */
  get address(): number {
    return this.mapped().address;
  }

  /** Its pixels, `stride` / 4 a row, for as long as it is read. */
  get pixels(): Uint32Array {
    this.words ??= new Uint32Array(this.mapped().view());
    return this.words;
  }

  contains({ x, y, width, height }: Rect): boolean {
    return width > 0 && height > 0 && x + width <= this.width && y + height <= this.height;
  }

  damaged(): void {
    if (!this.isStale) this.lifecycle.send({ type: "DAMAGE" });
  }

  /** Every sink shows its latest damage. */
  presented(): void {
    this.lifecycle.send({ type: "PRESENTED" });
  }

  /** A sink starts to read; the memory stays until it says {@link readDone}. */
  read(): void {
    this.lifecycle.send({ type: "READ" });
  }

  readDone(): void {
    this.lifecycle.send({ type: "READ_DONE" });
  }

  /** The ctrl queue wants it back. */
  drop(): void {
    this.lifecycle.send({ type: "DROP" });
  }

  /** Unmaps at once, when the whole display ends and nobody waits for the release. */
  discard(): void {
    this.lifecycle.stop();
    this.unmap();
  }

  get state(): string {
    return JSON.stringify(this.lifecycle.getSnapshot().value);
  }

  private map({ fd, offset, bytes, stride, width, height }: SurfaceMessage): void {
    this.failure = "";
    if (width === 0 || height === 0 || (height - 1) * stride + width * bytesPerPixel > bytes) {
      this.failure = `${width}x${height} pixels in rows of ${stride} bytes do not lie in ${bytes} bytes`;
    } else if (stride % bytesPerPixel !== 0 || offset % bytesPerPixel !== 0) {
      this.failure = `rows of ${stride} bytes from offset ${offset} are not aligned to pixels`;
    } else if (bytes > bytesMax) {
      this.failure = `${bytes} bytes are more than the display can map`;
    } else {
      try {
        // Reading behind the end of the file would kill the process.
        if (sizeOfFd(fd) < offset + bytes) this.failure = "its storage is shorter than it says";
        else this.memory = NativeMemory.mapShared(fd, offset, bytes, "read");
      } catch (error) {
        this.failure = (error as Error).message;
      }
    }
    this.lifecycle.send({ type: this.memory === null ? "MAP_FAILED" : "MAPPED" });
  }

  private mapped(): NativeMemory {
    if (this.memory === null) throw new Error(`surface ${this.id} is not mapped`);
    return this.memory;
  }

  private release(): void {
    this.unmap();
    this.released(this);
  }

  private unmap(): void {
    this.words = null;
    this.memory?.unmap();
    this.memory = null;
  }
}
