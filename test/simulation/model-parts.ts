// What a model's tables hold, and what is true of it by the specification alone.

import type { Rectangle } from "../../lab/driver/commands.ts";
import type { BlobLayout } from "../../lab/driver/commands-blob.ts";
import type { GuestRange } from "../../lab/driver/guest-memory.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";

export interface ModelResource {
  readonly id: number;
  /** "blob": of the guest's own pages; "host": of the renderer's memory, into which nobody draws. */
  readonly kind: "2d" | "3d" | "blob" | "host";
  readonly format: number;
  readonly width: number;
  readonly height: number;
  /** Of a blob, in bytes. */
  readonly size: number;
  /** Words as the guest wrote them, row by row. */
  readonly pixels: Uint32Array;
  backing: readonly GuestRange[] | null;
  /** Whether it lives in the renderer: it was made there, or a context has had it. */
  isRendered: boolean;
  /** Of a host's blob: whether its memory has gone with whoever had it. */
  isLost: boolean;
}

export interface ModelContext {
  readonly name: string;
  readonly attached: Set<number>;
  isLost: boolean;
}

export interface ModelScanout {
  readonly resource: number;
  readonly rect: Rectangle;
  /** How a blob is read; null for what is a picture by itself. */
  readonly layout: BlobLayout | null;
}

export interface ModelCursor {
  x: number;
  y: number;
  hotX: number;
  hotY: number;
  isVisible: boolean;
  image: Uint32Array | null;
  /** What it may be instead, where somebody died who was asked for it. */
  others: readonly Uint32Array[];
  /** Whether all of this is as the specification says; not after a mistake of the guest's. */
  isKnown: boolean;
}

/** Where the blue, green and red byte of a pixel lie in its word. */
const shifts = new Map<number, readonly [blue: number, green: number, red: number]>([
  [Format.B8G8R8A8, [0, 8, 16]],
  [Format.B8G8R8X8, [0, 8, 16]],
  [Format.A8R8G8B8, [24, 16, 8]],
  [Format.X8R8G8B8, [24, 16, 8]],
  [Format.R8G8B8A8, [16, 8, 0]],
  [Format.R8G8B8X8, [16, 8, 0]],
  [Format.A8B8G8R8, [8, 16, 24]],
  [Format.X8B8G8R8, [8, 16, 24]],
]);

export const formats = [...shifts.keys()];
export const isFormat = (format: number): boolean => shifts.has(format);

/** Words of this format as 0x00RRGGBB. */
export function coloursOf(words: Uint32Array, format: number): Uint32Array {
  const [blue, green, red] = shifts.get(format)!;
  return words.map(
    (word) => ((word >>> blue) & 0xff) | (((word >>> green) & 0xff) << 8) | (((word >>> red) & 0xff) << 16),
  );
}

export const contains = (whole: { width: number; height: number }, rect: Rectangle): boolean =>
  rect.x + rect.width <= whole.width && rect.y + rect.height <= whole.height;

export const isEmpty = ({ width, height }: Rectangle): boolean => width === 0 || height === 0;

export const bytesOf = (ranges: readonly GuestRange[]): number =>
  ranges.reduce((sum, { length }) => sum + length, 0);

/** Whether a layout is of pixels that lie within `size` bytes. */
export function fits({ format, width, height, strides, offsets }: BlobLayout, size: number): boolean {
  const [stride, offset] = [strides[0]!, offsets?.[0] ?? 0];
  if (!isFormat(format) || width === 0 || height === 0 || stride < width * 4) return false;
  return offset + stride * (height - 1) + width * 4 <= size;
}
