// A surface whose pixels lie in shared memory, mapped once.

import { asRefusal, SystemError } from "../../../transport/os/errors.ts";
import { closeFd, isLasting, isMemfd, sizeOfFd } from "../../../transport/os/fds.ts";
import { hugeBytes } from "../../../transport/os/huge-pages.ts";
import { NativeMemory } from "../../../transport/os/native-memory.ts";
import { convertToBgrx } from "../../../picture/pixels.ts";
import { bytesPerPixel, formatName } from "../../../transport/wire/virtio-gpu/protocol.ts";
import { isCount, type Rect } from "../../../picture/damage.ts";
import type { DisplayMessage } from "../messages.ts";
import { Surface, type SurfaceLives } from "./surface.ts";

type StorageMessage = Extract<DisplayMessage, { type: "add-surface" }>;
type PagesMessage = Extract<DisplayMessage, { type: "add-guest-surface" }>;

/** The longest surface: what one view of memory can show. */
const bytesMax = 2 ** 32;
/** Surfaces whose descriptor is kept: a guest may have many more than a process may open files. */
const keptMax = 128;
let kept = 0;

export class MemorySurface extends Surface {
  /** Bytes from one row to the next. */
  readonly stride: number;
  readonly format: number;
  /** Bytes of the file before the first pixel. */
  readonly offset: number;
  /** Its storage's descriptor, or -1 where that was not kept, or is a guest's memory, which nobody is lent. */
  fd = -1;
  /** Bytes of that file. */
  fileBytes = 0;
  /**
   * Whether the VMM may read its pages later than the ctrl queue has them back. A memfd's stay as they are while
   * anybody holds them, and the ctrl queue gives no memfd that was a surface to another resource; a driver keeps
   * dma-bufs' pages for buffers to come.
   */
  readonly hasLastingPages: boolean;
  private memory: NativeMemory | null = null;
  private words: Uint32Array | null = null;

  /**
   * Maps the storage that `message` names. Takes over its descriptors, of which one somebody may want that it is lent to
   * (`isLendable`).
   */
  constructor(
    message: StorageMessage | PagesMessage,
    lives: SurfaceLives,
    released: (surface: Surface) => void,
    isLendable = false,
  ) {
    super(message, lives, released);
    this.stride = message.stride;
    this.format = message.format;
    this.offset = message.offset;
    if (message.type === "add-guest-surface") {
      // A guest goes on writing to them, whoever may still be about to read.
      this.hasLastingPages = false;
      this.ready(this.map(message));
      for (const { fd } of message.regions) closeFd(fd);
      return;
    }
    this.hasLastingPages = isMemfd(message.fd);
    this.ready(this.map(message));
    if (isLendable && this.failure === "" && kept < keptMax) {
      this.fd = message.fd;
      kept++;
    } else closeFd(message.fd);
  }

  /** The native address of its first pixel, for as long as it is read. */
  get address(): number {
    return this.mapped().address;
  }

  /** Its pixels, `stride` / 4 a row, for as long as it is read. */
  get pixels(): Uint32Array {
    this.words ??= new Uint32Array(this.mapped().view());
    return this.words;
  }

  copy({ x, y, width, height }: Rect, target: Uint32Array): void {
    const stride = this.stride / bytesPerPixel;
    convertToBgrx(this.format, this.pixels, y * stride + x, stride, width, height, target);
  }

  describe(): Record<string, unknown> {
    return { format: this.format, formatName: formatName(this.format) };
  }

  protected free(): void {
    this.words = null;
    this.memory?.unmap();
    this.memory = null;
    if (this.fd < 0) return;
    closeFd(this.fd);
    this.fd = -1;
    kept--;
  }

  /** Returns why it can't be mapped, or nothing. */
  private map(message: StorageMessage | PagesMessage): string {
    const { offset, bytes, stride, width, height } = message;
    if (![offset, bytes, stride, width, height].every(isCount)) return "its layout makes no sense";
    if (width === 0 || height === 0 || (height - 1) * stride + width * bytesPerPixel > bytes) {
      return `${width}x${height} pixels in rows of ${stride} bytes do not lie in ${bytes} bytes`;
    }
    if (stride % bytesPerPixel !== 0 || offset % bytesPerPixel !== 0) {
      return `rows of ${stride} bytes from offset ${offset} are not aligned to pixels`;
    }
    if (bytes > bytesMax) return `${bytes} bytes are more than the display can map`;
    try {
      return message.type === "add-surface" ? this.mapStorage(message) : this.mapPages(message);
    } catch (error) {
      this.lacksRoom = error instanceof SystemError && error.call === "mmap";
      return asRefusal(error).message;
    }
  }

  // Reading behind the end of a file would kill the process, and whoever has sent it may be anybody by now.

  private mapStorage({ fd, offset, bytes }: StorageMessage): string {
    this.fileBytes = sizeOfFd(fd);
    if (!isLasting(fd)) return "its storage could be cut off";
    if (this.fileBytes < offset + bytes) return "its storage is shorter than it says";
    this.memory =
      offset === 0
        ? NativeMemory.mapAligned(fd, bytes, "read", hugeBytes)
        : NativeMemory.mapShared(fd, offset, bytes, "read");
    return "";
  }

  private mapPages({ regions, pieces, offset, bytes }: PagesMessage): string {
    if (!regions.every(({ fd }) => isLasting(fd))) return "its pages could be cut off";
    const sizes = regions.map(({ fd }) => sizeOfFd(fd));
    let end = 0;
    for (let at = 0; at < pieces.length; at += 3) {
      const [region = -1, from = 0, length = 0] = [pieces[at], pieces[at + 1], pieces[at + 2]];
      if (!isCount(from) || !isCount(length) || length === 0 || from + length > (sizes[region] ?? 0))
        return "its pages lie behind their file's end";
      end += length;
    }
    if (end !== offset + bytes) return "its pages are not as many as it says";
    const fds = regions.map(({ fd }) => fd);
    this.memory = NativeMemory.mapPieces(fds, pieces, offset, bytes);
    return "";
  }

  private mapped(): NativeMemory {
    if (this.memory === null) throw new Error(`surface ${this.id} is not mapped`);
    return this.memory;
  }
}
