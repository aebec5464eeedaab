// What a guest shows, waited for: a scanout reaches QEMU's display some time after the guest has set it.

import { join } from "node:path";
import { encodePng } from "../../../src/picture/png.ts";
import { diffImages, type Image } from "../../../lab/qemu/image.ts";
import type { ServerProcess } from "../../../lab/vmm/server-process.ts";
import { decodePng } from "../../support/png.ts";

const screenTimeoutMs = 30_000;
const pollMs = 20;

/** Who shows the guest's outputs: QEMU, or with its generic device the server. */
export interface Screen {
  /** Where frames that are wrong are kept. */
  readonly logDirectory: string;
  /** Null where the output is off. */
  screendump(head: number): Promise<Image | null>;
}

/** What the server shows, whoever looks. The cursor is not in it. */
export function serverScreen(
  server: Pick<ServerProcess, "directory" | "control">,
  logDirectory: string,
): Screen {
  return {
    logDirectory,
    async screendump(head) {
      const path = join(server.directory, `head-${head}.png`);
      const answer = await server.control({ command: "screenshot", scanout: head, path });
      if (!answer.ok) return null;
      const { width, height, pixels } = decodePng(await Bun.file(path).bytes());
      return { width, height, pixels: Uint32Array.from(pixels, (pixel) => pixel >>> 8) };
    },
  };
}

/**
 * Waits until output `head` shows exactly `expected`; answers the frame as it was given.
 * Otherwise throws how they differ and leaves both beside the guest's logs.
 */
export async function waitForScreen(screen: Screen, head: number, expected: Image): Promise<Image> {
  const deadline = performance.now() + screenTimeoutMs;
  for (;;) {
    const actual = await screen.screendump(head);
    const difference = actual === null ? "it is off" : diffImages(actual, expected);
    if (difference === null) return actual!;
    if (performance.now() > deadline) {
      if (actual !== null) await savePng(join(screen.logDirectory, `head-${head}-actual.png`), actual);
      await savePng(join(screen.logDirectory, `head-${head}-expected.png`), expected);
      throw new Error(
        `output ${head} shows another frame: ${difference}. Frames are in ${screen.logDirectory}.`,
      );
    }
    await Bun.sleep(pollMs);
  }
}

/** Whether it is a desktop: its background is everywhere, and has many colours. */
export function isDesktop({ pixels }: Image): boolean {
  const lit = pixels.filter((pixel) => pixel !== 0).length;
  return lit > pixels.length * 0.9 && new Set(pixels).size > 64;
}

export async function savePng(path: string, { width, height, pixels }: Image): Promise<void> {
  await Bun.write(path, await encodePng(new Uint8Array(pixels.buffer), width, height));
}
