// Pictures of a replay as PNG files.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { encodePng } from "../../src/picture/png.ts";
import { withFile, writeWhole } from "../../src/transport/os/files.ts";
import type { Framebuffer } from "../vmm/display-scanout.ts";

export class PictureFolder {
  /** It is made with its first picture. */
  constructor(private readonly directory: string) {}

  /** Returns the path of the file. */
  async save(name: string, { width, height, pixels }: Framebuffer): Promise<string> {
    withFile(this.directory, () => mkdirSync(this.directory, { recursive: true, mode: 0o700 }));
    const path = join(this.directory, `${name}.png`);
    const bytes = new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength);
    await writeWhole(path, await encodePng(bytes, width, height), { mode: 0o600 });
    return path;
  }
}
