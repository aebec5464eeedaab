// A picture as a PNG file.

const bmpHeaderBytes = 54;

/**
 * Encodes `height` rows of `width` pixels, tightly packed bytes B, G, R, X from the top row down. The fourth byte
 * is ignored: the picture is opaque.
 */
export async function encodePng(pixels: Uint8Array, width: number, height: number): Promise<Uint8Array> {
  // Bun.Image reads no raw pixels, but a BMP is a header before them. A negative height means the top row first.
  const bmp = new Uint8Array(bmpHeaderBytes + pixels.length);
  const header = new DataView(bmp.buffer);
  header.setUint16(0, 0x424d);
  header.setUint32(2, bmp.length, true);
  header.setUint32(10, bmpHeaderBytes, true);
  header.setUint32(14, 40, true);
  header.setInt32(18, width, true);
  header.setInt32(22, -height, true);
  header.setUint16(26, 1, true);
  header.setUint16(28, 32, true);
  bmp.set(pixels, bmpHeaderBytes);
  for (let offset = bmpHeaderBytes + 3; offset < bmp.length; offset += 4) bmp[offset] = 0xff;
  return await new Bun.Image(bmp).png().bytes();
}
