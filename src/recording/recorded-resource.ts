// A resource of a recording: its form, its backing, and the pixels that were transferred to it.

import type { Entry } from "../transport/wire/record/entries.ts";
import type { Rect } from "../picture/damage.ts";
import { convertToBgrx } from "../picture/pixels.ts";
import { bytesPerPixel, cursorSize, isFormat } from "../transport/wire/virtio-gpu/protocol.ts";

/** Guest-physical memory. */
export interface Run {
  readonly address: number;
  readonly length: number;
}

/** Bytes that pixels may still take: what a file asks for is bounded. */
export interface PixelBudget {
  left: number;
}

const runBytes = 16;

/** Runs of 16 bytes each: an address and a length, of which a backing's has 32 bits. */
export function runsOf(body: Uint8Array): Run[] {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  return Array.from({ length: Math.floor(body.length / runBytes) }, (_, index) => {
    const at = index * runBytes;
    const long = (offset: number): number =>
      view.getUint32(offset, true) + view.getUint32(offset + 4, true) * 2 ** 32;
    return { address: long(at), length: long(at + 8) };
  });
}

/** How a scanout reads a blob, in pixels and bytes. */
export interface RecordedLayout {
  readonly width: number;
  readonly height: number;
  readonly format: number;
  readonly stride: number;
  readonly offset: number;
}

export class RecordedResource {
  backing: readonly Run[] | null = null;
  /** Whether a context has or had it: it moved to the renderer, which has changed nothing yet where pixels are known. */
  isPromoted = false;
  /** Tightly packed rows, or of a blob its bytes; null while nothing was written, which is all zero. */
  pixels: Uint8Array<ArrayBuffer> | null = null;

  constructor(
    readonly id: number,
    readonly format: number,
    readonly width: number,
    readonly height: number,
    /** Whether its pixels are the renderer's, and not known here. */
    public isRendered: boolean,
    private readonly budget: PixelBudget,
    /** Of a blob of guest pages its bytes and flags; it has neither size nor format then. */
    readonly blob: { readonly size: number; readonly flags: number } | null = null,
  ) {}

  get bytes(): number {
    return this.blob?.size ?? this.width * this.height * bytesPerPixel;
  }

  attach(backing: readonly Run[] | null): void {
    this.backing = backing;
  }

  /** A renderer may have drawn on it. */
  render(): void {
    this.free();
    this.isRendered = true;
  }

  free(): void {
    if (this.pixels !== null) this.budget.left += this.bytes;
    this.pixels = null;
  }

  /** Takes what a transfer to rectangle x, y has read from byte `from` of its first row on. */
  transfer(x: number, y: number, from: number, { rowBytes, stride, body }: Entry<"bytes">): void {
    if (this.isRendered || rowBytes === 0) return;
    const pixels = this.writable();
    if (pixels === null) return;
    const pitch = this.width * bytesPerPixel;
    for (let at = 0, row = 0; at < body.length; at += rowBytes, row++) {
      const piece = body.subarray(at, Math.min(at + rowBytes, body.length));
      const to = from + row * stride + y * pitch + x * bytesPerPixel;
      if (to < 0 || to >= pixels.length) continue;
      pixels.set(piece.subarray(0, pixels.length - to), to);
    }
  }

  /** Takes bytes of a blob as they lie there. */
  putBytes({ offsetLow, offsetHigh, rowBytes, stride, body }: Entry<"bytes" | "blobBytes">): void {
    if (this.isRendered || this.blob === null || rowBytes === 0) return;
    const pixels = this.writable();
    if (pixels === null) return;
    const from = offsetLow + offsetHigh * 2 ** 32;
    for (let at = 0, row = 0; at < body.length; at += rowBytes, row++) {
      const to = from + row * stride;
      if (to < pixels.length) pixels.set(body.subarray(at, at + Math.min(rowBytes, pixels.length - to)), to);
    }
  }

  /** Takes rows of a keyframe. */
  putRows(row: number, rows: number, body: Uint8Array): void {
    const pitch = this.width * bytesPerPixel;
    if (this.isRendered || row + rows > this.height || body.length !== rows * pitch) return;
    this.writable()?.set(body, row * pitch);
  }

  /** Pixels of a rectangle inside of it, or of `layout` of a blob, as displays take them; null where they are not known. */
  shown({ x, y, width, height }: Rect, layout?: RecordedLayout): Uint32Array<ArrayBuffer> | null {
    if (this.blob !== null)
      return layout === undefined ? null : this.shownBlob({ x, y, width, height }, layout);
    const isInside = x + width <= this.width && y + height <= this.height;
    if (this.isRendered || !isInside || !isFormat(this.format)) return null;
    const shown = new Uint32Array(width * height);
    if (this.pixels === null) return shown;
    const source = new Uint32Array(this.pixels.buffer);
    convertToBgrx(this.format, source, y * this.width + x, this.width, width, height, shown);
    return shown;
  }

  private shownBlob({ x, y, width, height }: Rect, layout: RecordedLayout): Uint32Array<ArrayBuffer> | null {
    const { format, stride, offset } = layout;
    const end = offset + (layout.height - 1) * stride + layout.width * bytesPerPixel;
    const isInside = x + width <= layout.width && y + height <= layout.height && end <= this.bytes;
    if (this.isRendered || !isInside || !isFormat(format)) return null;
    const shown = new Uint32Array(width * height);
    const { pixels } = this;
    if (pixels === null) return shown;
    const rows = new Uint8Array(shown.buffer);
    const rowBytes = width * bytesPerPixel;
    for (let row = 0; row < height; row++) {
      const at = offset + (y + row) * stride + x * bytesPerPixel;
      rows.set(pixels.subarray(at, at + rowBytes), row * rowBytes);
    }
    convertToBgrx(format, shown, 0, width, width, height, shown);
    return shown;
  }

  /** What a cursor of this resource looks like, bytes B, G, R, A; null where that is not known. */
  cursorImage(): Uint8Array | null {
    if (this.blob !== null) {
      const bytes = cursorSize * cursorSize * bytesPerPixel;
      return this.isRendered || this.bytes < bytes
        ? null
        : (this.pixels ?? new Uint8Array(bytes)).slice(0, bytes);
    }
    if (this.width !== cursorSize || this.height !== cursorSize) return null;
    const shown = this.shown({ x: 0, y: 0, width: cursorSize, height: cursorSize });
    return shown === null ? null : new Uint8Array(shown.buffer);
  }

  /** Null where there is no room: then they are not known any more. */
  private writable(): Uint8Array<ArrayBuffer> | null {
    if (this.pixels !== null) return this.pixels;
    if (this.bytes > this.budget.left) {
      this.isRendered = true;
      return null;
    }
    this.budget.left -= this.bytes;
    return (this.pixels = new Uint8Array(this.bytes));
  }
}
