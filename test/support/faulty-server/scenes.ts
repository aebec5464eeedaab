// What a server is used for, part by part: each makes all the descriptors and mappings that there are in such use.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SyntheticGuest } from "../../../lab/driver/synthetic-guest.ts";
import type { ServerProcess } from "../../../lab/vmm/server-process.ts";
import { BridgeClient } from "../../../src/transport/wire/bridge/client.ts";
import { closeFd } from "../../../src/transport/os/fds.ts";
import { BlobFlag, BlobMem, Feature, Format } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { inspectorIn } from "../break-page.ts";
import { driverPatienceMs } from "../patience.ts";

export interface Stage {
  server: ServerProcess;
  folder: string;
  /** How long a guest waits for an answer. */
  patienceMs: number;
}

const [width, height] = [64, 48];
const area = { x: 0, y: 0, width, height };

/** Boots a guest for the time of `body`. */
export async function withGuest(
  { server, patienceMs }: Stage,
  body: (guest: SyntheticGuest) => unknown,
): Promise<void> {
  const gpuFeatures = [Feature.EDID, Feature.RESOURCE_BLOB];
  const guest = SyntheticGuest.boot(server.socketPath, { gpuFeatures, patienceMs });
  try {
    await body(guest);
  } finally {
    guest.close();
  }
}

/** Throws unless the guest's pictures, one of them a blob, and its cursor are on the VMM's display. */
export function draw(guest: SyntheticGuest, seed: number): void {
  const { gpu, memory, pump } = guest;
  const isShown = (colour: number): boolean =>
    guest.display!.framebuffer(0)?.pixels.every((pixel) => (pixel & 0xff_ffff) === colour) ?? false;
  const show = (colour: number, what: string): void => pump.until(() => isShown(colour), what);

  const image = gpu.createImage(1, Format.B8G8R8X8, width, height);
  image.pixels.fill(0x11_0000 + seed);
  gpu.show(0, image);
  gpu.present(image);
  show(0x11_0000 + seed, "the picture");

  const pages = memory.allocate(width * height * 4, 4096);
  pages.words.fill(0x22_0000 + seed);
  const blob = { resourceId: 2, mem: BlobMem.GUEST, flags: BlobFlag.SHAREABLE, size: 3 * 4096 };
  gpu.createBlob(blob, [pages]);
  gpu.setScanoutBlob(0, 2, area, { format: Format.B8G8R8X8, width, height, strides: [width * 4] });
  gpu.flushResource(2, area);
  show(0x22_0000 + seed, "the blob");

  const pointer = gpu.createImage(3, Format.B8G8R8A8, 64, 64);
  pointer.pixels.fill(0xff00_0000 + seed);
  gpu.present(pointer);
  gpu.updateCursor({ scanoutId: 0, x: 3, y: 4 }, 3, 1, 2);
  const isThere = (): boolean => guest.display!.cursors[0]?.pixels[0] === 0xff00_0000 + seed;
  pump.until(isThere, "the cursor");
  gpu.show(0, image);
  show(0x11_0000 + seed, "the picture again");
}

/** What a server that runs is used for. Each throws where it does not come to its end. */
export const scenes: Readonly<Record<string, (stage: Stage) => Promise<void>>> = {
  drawing: (stage) => withGuest(stage, (guest) => draw(guest, 1)),

  lending: (stage) =>
    withGuest(stage, (guest) => {
      draw(guest, 2);
      const peer = new BridgeClient(join(stage.folder, "bridge"), { patienceMs: stage.patienceMs });
      try {
        const lent = peer.ask({ kind: "buffer", resource: 1 });
        if (lent.kind !== "buffer") throw new Error("nothing is lent");
        closeFd(lent.fd);
      } finally {
        peer.close();
      }
    }),

  looking: (stage) =>
    withGuest(stage, async (guest) => {
      draw(guest, 3);
      const path = join(stage.folder, "screenshot.png");
      writeFileSync(path, "");
      const { ok, error } = await stage.server.control({ command: "screenshot", scanout: 0, path });
      if (!ok) throw new Error(error);
      const { url, headers } = inspectorIn(stage.server.log());
      for (const page of ["/api/screen?scanout=0", "/api/resources", "/api/record"]) {
        const response = await fetch(new URL(page, url), {
          headers,
          signal: AbortSignal.timeout(driverPatienceMs),
        });
        await response.body?.cancel();
        if (response.status >= 500) throw new Error(`${page}: ${response.status}`);
      }
    }),

  recording: (stage) =>
    withGuest(stage, async (guest) => {
      const path = join(stage.folder, "recording");
      const begun = await stage.server.control({ command: "record-start", path });
      if (!begun.ok) throw new Error(begun.error);
      draw(guest, 4);
      const ended = await stage.server.control({ command: "record-stop" });
      if (!ended.ok) throw new Error(ended.error);
    }),
};
