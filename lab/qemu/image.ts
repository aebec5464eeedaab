// Frames as pixels of 0xRRGGBB, and the PPM files in which QEMU writes them.

export interface Image {
  width: number;
  height: number;
  pixels: Uint32Array;
}

export interface Rectangle {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Reads a binary PPM (P6) of one byte a sample. */
export function readPpm(file: Uint8Array): Image {
  const header = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(new TextDecoder("latin1").decode(file.subarray(0, 64)));
  if (header === null) throw new Error("not a PPM file of the kind that QEMU writes");
  const [width, height] = [Number(header[1]), Number(header[2])];
  const samples = file.subarray(header[0].length);
  // QEMU writes its rows as they lie in memory, padded to a multiple of four bytes.
  const stride = (width * 3 + 3) & ~3;
  if (samples.length !== stride * height) throw new Error(`a PPM file of ${width}x${height} is cut off`);
  const pixels = new Uint32Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * stride + x * 3;
      pixels[y * width + x] = (samples[at]! << 16) | (samples[at + 1]! << 8) | samples[at + 2]!;
    }
  }
  return { width, height, pixels };
}

/** How `actual` differs from `expected`, in a sentence; null when it does not. */
export function diffImages(actual: Image, expected: Image): string | null {
  if (actual.width !== expected.width || actual.height !== expected.height) {
    return `it is ${actual.width}x${actual.height}, not ${expected.width}x${expected.height}`;
  }
  const { width } = expected;
  let count = 0;
  let first = -1;
  let [left, top, right, bottom] = [Infinity, Infinity, -1, -1];
  for (let i = 0; i < expected.pixels.length; i++) {
    if (actual.pixels[i] === expected.pixels[i]) continue;
    if (count++ === 0) first = i;
    const [x, y] = [i % width, Math.floor(i / width)];
    [left, right] = [Math.min(left, x), Math.max(right, x)];
    [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
  }
  if (count === 0) return null;
  const hex = (pixel: number) => pixel.toString(16).padStart(6, "0");
  return (
    `${count} of ${expected.pixels.length} pixels differ, within ${right - left + 1}x${bottom - top + 1} ` +
    `at (${left}, ${top}); the first, (${first % width}, ${Math.floor(first / width)}), ` +
    `is ${hex(actual.pixels[first]!)}, not ${hex(expected.pixels[first]!)}`
  );
}
