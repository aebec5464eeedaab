// Reads a picture out of a dma-buf by mapping it, which works where its rows lie one after the other and whoever made
// it allows it.

import { DMA_BUF_IOCTL_SYNC, EAGAIN, EINTR, errno, libc } from "../ffi/libc.ts";
import {
  formatOfFourcc,
  fourccName,
  isImplicit,
  isLinear,
  type Modifier,
  modifierName,
} from "./drm-formats.ts";
import { isLasting, sizeOfFd } from "../transport/os/fds.ts";
import { NativeMemory } from "../transport/os/native-memory.ts";
import { convertToBgrx } from "./pixels.ts";
import { bytesPerPixel, resourceFlagY0Top } from "../transport/wire/virtio-gpu/protocol.ts";

/** A picture in a dma-buf. */
export interface DmabufImage extends Modifier {
  readonly fd: number;
  readonly width: number;
  readonly height: number;
  /** Bytes from one row to the next, and before the first. */
  readonly stride: number;
  readonly offset: number;
  readonly fourcc: number;
  /** With {@link resourceFlagY0Top}, as GL keeps such a resource, the last row is the top one. */
  readonly flags: number;
}

/** Its pixels lie in a way that is not read here; the message says which. */
export class UnreadableDmabuf extends Error {}

/** struct dma_buf_sync: its flags, of which 1 is read, 2 write and 4 end. */
const syncStart = new BigUint64Array([1n]);
const syncEnd = new BigUint64Array([1n | 4n]);
const writeStart = new BigUint64Array([2n]);
const writeEnd = new BigUint64Array([2n | 4n]);

const mappedBytesMax = 2 ** 32;

/**
 * Copies a rectangle of `image`, with y counted from the picture's top, to `target`: tightly packed, bytes B, G, R, X.
 * Throws {@link UnreadableDmabuf}, and SystemError where it can't be mapped.
 */
export function readDmabuf(
  image: DmabufImage,
  { x, y, width, height }: { x: number; y: number; width: number; height: number },
  target: Uint32Array,
): void {
  const { fd, stride, offset } = image;
  const format = checkedFormat(image);
  const bytes = (image.height - 1) * stride + image.width * bytesPerPixel;
  if (bytes > mappedBytesMax || offset + bytes > sizeOfFd(fd)) {
    throw new UnreadableDmabuf(
      `${image.width}x${image.height} pixels do not lie in its ${sizeOfFd(fd)} bytes`,
    );
  }
  if (!isLasting(fd)) throw new UnreadableDmabuf("it is no dma-buf");
  const memory = NativeMemory.mapShared(fd, offset, bytes, "read");
  try {
    const pixels = new Uint32Array(memory.view());
    const rowPixels = stride / bytesPerPixel;
    sync(fd, syncStart);
    if ((image.flags & resourceFlagY0Top) === 0) {
      convertToBgrx(format, pixels, y * rowPixels + x, rowPixels, width, height, target);
    } else {
      for (let row = 0; row < height; row++) {
        const from = (image.height - 1 - (y + row)) * rowPixels + x;
        const to = target.subarray(row * width, (row + 1) * width);
        convertToBgrx(format, pixels, from, rowPixels, width, 1, to);
      }
    }
    sync(fd, syncEnd);
  } finally {
    memory.unmap();
  }
}

/** This CPU is about to write through a mapping: waits for what a GPU still does with the dma-buf. */
export const beginWriting = (fd: number): void => sync(fd, writeStart);

/** What this CPU has written is there for a GPU. */
export const endWriting = (fd: number): void => sync(fd, writeEnd);

function checkedFormat(image: DmabufImage): number {
  const format = formatOfFourcc(image.fourcc);
  if (isImplicit(image)) throw new UnreadableDmabuf("only the GPU's driver knows how its pixels lie");
  if (!isLinear(image)) throw new UnreadableDmabuf(`its pixels are tiled by modifier ${modifierName(image)}`);
  if (format === undefined) throw new UnreadableDmabuf(`its format is ${fourccName(image.fourcc)}`);
  if (image.stride % bytesPerPixel !== 0 || image.offset % bytesPerPixel !== 0) {
    throw new UnreadableDmabuf(
      `rows of ${image.stride} bytes from ${image.offset} are not aligned to pixels`,
    );
  }
  return format;
}

/** Makes the GPU's writes visible to the CPU, or the other way round; memory that is no dma-buf needs none of it. */
function sync(fd: number, request: BigUint64Array): void {
  while (libc.ioctl(fd, DMA_BUF_IOCTL_SYNC, request) < 0 && (errno() === EINTR || errno() === EAGAIN));
}
