// What the inspector's page shows, as pixels.

import type { Page } from "playwright-core";
import type { Image } from "../../../lab/qemu/image.ts";

/** What the canvas of the first scanout has. */
export async function pagePicture(page: Page): Promise<Image | null> {
  const told = await page.evaluate<{ width: number; height: number; base64: string } | null>(`(() => {
    const canvas = document.querySelector('canvas[aria-label="Scanout 0"]');
    if (canvas === null) return null;
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    return { width, height, base64: data.toBase64?.() ?? btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join("")) };
  })()`);
  if (told === null) return null;
  const bytes = Uint8Array.fromBase64(told.base64);
  const pixels = Uint32Array.from(
    { length: told.width * told.height },
    (_, at) => (bytes[at * 4]! << 16) | (bytes[at * 4 + 1]! << 8) | bytes[at * 4 + 2]!,
  );
  return { width: told.width, height: told.height, pixels };
}
