// Pixels as the feed has them, made what a canvas takes. Pure, so that it is tested without a browser.

/** A copy of pixels B, G, R, X as R, G, B and an alpha of 255. */
export function opaque(pixels: Uint8Array): Uint8ClampedArray<ArrayBuffer> {
  // Copied first: what a batch holds need not lie at a multiple of four.
  const bytes = new Uint8ClampedArray(pixels);
  const words = new Uint32Array(bytes.buffer);
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    words[at] = 0xff00_0000 | ((word & 0xff) << 16) | (word & 0xff00) | ((word >>> 16) & 0xff);
  }
  return bytes;
}

/** A copy of pixels B, G, R, A as R, G, B, A, as transparent as they are. */
export function transparent(pixels: Uint8Array): Uint8ClampedArray<ArrayBuffer> {
  const bytes = opaque(pixels);
  for (let at = 3; at < bytes.length; at += 4) bytes[at] = pixels[at]!;
  return bytes;
}
