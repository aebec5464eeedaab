// A framebuffer as a PNG file.

import type { Framebuffer } from "./display-peer.ts";

const bmpHeaderBytes = 54;

/** Encodes pixels of 0xXXRRGGBB. */
export async function encodePng({ width, height, pixels }: Framebuffer): Promise<Uint8Array> {
  // Bun.Image reads no raw pixels, but a BMP is a header before them. A negative height means the top row first.
  const bmp = new Uint8Array(bmpHeaderBytes + pixels.byteLength);
  const header = new DataView(bmp.buffer);
  header.setUint16(0, 0x424d);
  header.setUint32(2, bmp.length, true);
  header.setUint32(10, bmpHeaderBytes, true);
  header.setUint32(14, 40, true);
  header.setInt32(18, width, true);
  header.setInt32(22, -height, true);
  header.setUint16(26, 1, true);
  header.setUint16(28, 32, true);
  bmp.set(new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength), bmpHeaderBytes);
  for (let offset = bmpHeaderBytes + 3; offset < bmp.length; offset += 4) bmp[offset] = 0xff;
  return await new Bun.Image(bmp).png().bytes();
}
