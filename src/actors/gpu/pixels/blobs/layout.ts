// How a scanout reads a blob: SET_SCANOUT_BLOB's words, and whether they make sense (virtio 1.3 §5.7.6.8).

import { bytesPerPixel, isFormat, SetScanoutBlob } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import type { Request } from "../../../queue/request.ts";

/** In pixels, and bytes for `stride` and `offset`; all formats of ours have one plane. */
export class BlobLayout {
  width = 0;
  height = 0;
  format = 0;
  stride = 0;
  offset = 0;

  /** To be used for each command again. */
  read(request: Request): this {
    this.width = request.u32(SetScanoutBlob.blobWidth);
    this.height = request.u32(SetScanoutBlob.blobHeight);
    this.format = request.u32(SetScanoutBlob.format);
    this.stride = request.u32(SetScanoutBlob.stride);
    this.offset = request.u32(SetScanoutBlob.offset);
    return this;
  }

  copy(other: BlobLayout): this {
    this.width = other.width;
    this.height = other.height;
    this.format = other.format;
    this.stride = other.stride;
    this.offset = other.offset;
    return this;
  }

  equals(other: BlobLayout): boolean {
    return (
      this.offset === other.offset &&
      this.stride === other.stride &&
      this.width === other.width &&
      this.height === other.height &&
      this.format === other.format
    );
  }

  /** Bytes from the first pixel to behind the last, whose row need not be padded: exact, or far above every size. */
  get span(): number {
    return this.stride * (this.height - 1) + this.width * bytesPerPixel;
  }

  /** Whether rows begin where pixels can be read as words. */
  get isAligned(): boolean {
    return this.stride % bytesPerPixel === 0 && this.offset % bytesPerPixel === 0;
  }

  /** Whether these are pixels that lie within `size` bytes, in rows that do not overlap. */
  fits(size: number): boolean {
    return (
      this.width > 0 &&
      this.height > 0 &&
      isFormat(this.format) &&
      this.stride >= this.width * bytesPerPixel &&
      this.offset + this.span <= size
    );
  }

  /** Whether a rectangle of pixels lies inside. */
  holds(x: number, y: number, width: number, height: number): boolean {
    return x + width <= this.width && y + height <= this.height;
  }
}
