// The sizes of pixels in every format that a 3D resource can have (the numbers of enum virgl_formats).

import { Format } from "../transport/wire/virtio-gpu/protocol.ts";

/** A block is the smallest part of a picture that has bytes of its own: one pixel, or 4 × 4 of a compressed format. */
export interface BlockLayout {
  width: number;
  height: number;
  bytes: number;
}

/**
 * Bits per pixel of uncompressed formats: first number, last number, bits. Ranges hold what is between them, unless a
 * later one says otherwise.
 */
const bitsOf: readonly (readonly [number, number, number])[] = [
  [1, 4, 32],
  [5, 7, 16],
  [8, 8, 32],
  [9, 11, 8],
  [12, 16, 16],
  [17, 22, 32],
  [23, 23, 8],
  ...components(24, 64),
  ...components(28, 32),
  ...components(32, 32),
  ...components(36, 32),
  ...components(40, 32),
  ...components(44, 32),
  ...components(48, 16),
  ...components(52, 16),
  ...components(56, 16),
  ...components(60, 16),
  ...components(64, 8),
  [68, 68, 32],
  ...components(69, 8),
  ...components(74, 8),
  ...components(82, 8),
  ...components(87, 32),
  ...components(91, 16),
  [95, 95, 8],
  [96, 96, 16],
  [97, 97, 24],
  [98, 104, 32],
  [117, 118, 16],
  [119, 119, 32],
  [120, 120, 16],
  [121, 121, 32],
  [122, 122, 16],
  [123, 125, 32],
  [126, 126, 64],
  [128, 129, 32],
  [130, 130, 8],
  [131, 134, 32],
  [135, 135, 16],
  [136, 137, 32],
  [138, 138, 64],
  [139, 139, 8],
  [140, 140, 32],
  [141, 142, 16],
  [147, 148, 8],
  [149, 149, 16],
  [150, 150, 8],
  [151, 152, 16],
  [153, 153, 32],
  [154, 156, 16],
  [157, 157, 32],
  [158, 158, 16],
  [159, 160, 32],
  [161, 161, 64],
  [162, 162, 32],
  [168, 169, 8],
  [170, 171, 16],
  [172, 176, 32],
  ...components(177, 8),
  ...components(181, 8),
  ...components(185, 16),
  ...components(189, 16),
  ...components(193, 32),
  ...components(197, 32),
  [201, 203, 8],
  [204, 204, 16],
  [205, 207, 8],
  [208, 208, 16],
  [209, 211, 16],
  [212, 212, 32],
  [213, 215, 16],
  [216, 216, 32],
  [217, 219, 32],
  [220, 220, 64],
  [221, 223, 32],
  [224, 224, 64],
  [225, 225, 32],
  [227, 228, 16],
  [229, 233, 32],
  [234, 238, 64],
  [239, 241, 128],
  [242, 242, 16],
  [243, 245, 32],
  [246, 246, 64],
  [247, 248, 16],
  [249, 250, 32],
  [251, 252, 64],
  [253, 253, 32],
  [254, 254, 16],
  [259, 261, 16],
  [262, 262, 32],
  [267, 268, 32],
  [308, 308, 32],
  [311, 311, 16],
  [312, 312, 8],
  [313, 313, 16],
  [317, 317, 24],
  [318, 318, 8],
  [319, 321, 16],
];

/** One to four components of `bits` each, from number `first` on. */
function components(first: number, bits: number): [number, number, number][] {
  return [1, 2, 3, 4].map((count) => [first + count - 1, first + count - 1, count * bits]);
}

/** Bytes of a 4 × 4 block: first number, last number, bytes. */
const compressed: readonly (readonly [number, number, number])[] = [
  [105, 106, 8],
  [107, 108, 16],
  [109, 110, 8],
  [111, 112, 16],
  [113, 114, 8],
  [115, 116, 16],
  [143, 144, 8],
  [145, 146, 16],
  [226, 226, 8],
  [255, 258, 16],
  [269, 272, 8],
  [273, 274, 16],
  [275, 276, 8],
  [277, 278, 16],
];

const layouts = new Map<number, BlockLayout>();
for (const [first, last, bits] of bitsOf) {
  for (let format = first; format <= last; format++) {
    layouts.set(format, { width: 1, height: 1, bytes: bits / 8 });
  }
}
for (const [first, last, bytes] of compressed) {
  for (let format = first; format <= last; format++) layouts.set(format, { width: 4, height: 4, bytes });
}

/** The layout of a format, or undefined for one that no transfer can name: a planar or an unknown one. */
export const blockLayout = (format: number): BlockLayout | undefined => layouts.get(format);

/** sRGB formats and the virtio format with the same bytes; a display takes what a guest encoded either way. */
const linearOf: ReadonlyMap<number, number> = new Map([
  [98, Format.A8B8G8R8],
  [99, Format.X8B8G8R8],
  [100, Format.B8G8R8A8],
  [101, Format.B8G8R8X8],
  [102, Format.A8R8G8B8],
  [103, Format.X8R8G8B8],
  [104, Format.R8G8B8A8],
  [230, Format.R8G8B8X8],
]);

/** The format that a display is told for a resource of `format`. */
export const displayFormat = (format: number): number => linearOf.get(format) ?? format;
