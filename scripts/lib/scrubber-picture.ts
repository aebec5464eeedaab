// The picture of docs/recording.md: the page of a recording, and the command that made a pixel before the last keyframe.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InspectorPage } from "../../lab/browser/inspector-page.ts";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { Landscape } from "../../lab/scenes/landscape.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { ReplayRun } from "../../test/support/replay-run.ts";

const size = { width: 1280, height: 800 };
const frames = 240;
const frameMs = 33;
const sought = 171;
/** A cloud of the landscape, which is drawn once. */
const place = { x: 640, y: 90 };
const settleMs = 1_500;

/** Records a guest, plays that, and saves what the page shows; `theme` is dark or light. */
export async function takeScrubber(path: string, theme: "dark" | "light" = "dark", scale = 1): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "fencepost-scrubber-picture-"));
  const file = join(directory, "desktop.rec");
  let run: ReplayRun | null = null;
  let inspector: InspectorPage | null = null;
  try {
    await record(file);
    run = await ReplayRun.start(file);
    inspector = await InspectorPage.at(run.url, "screen");
    const { page } = inspector;
    await page.setViewportSize({ width: 1280 * scale, height: 720 * scale });
    await page.emulateMedia({ colorScheme: theme });
    await page.getByRole("region", { name: "Recording" }).waitFor();
    await run.go({ type: "seek", frame: sought }, (state) => state.frames === sought + 1);
    const canvas = page.getByRole("img", { name: "Scanout 0" });
    const { width, height } = (await canvas.boundingBox())!;
    const position = { x: (place.x * width) / size.width, y: (place.y * height) / size.height };
    await canvas.click({ position, force: true });
    await page.getByRole("region", { name: "Written last by" }).getByText("TRANSFER_TO_HOST_2D").waitFor();
    await page.mouse.move(0, 719);
    await Bun.sleep(settleMs);
    await page.screenshot({ path });
    console.log(path);
  } finally {
    await inspector?.close();
    await run?.stop();
    rmSync(directory, { recursive: true });
  }
}

async function record(file: string): Promise<void> {
  const args = ["--renderer", "software", "--record", file, "--record-keyframe-bytes", String(8 * 2 ** 20)];
  const server = await ServerProcess.start({ args });
  try {
    const guest = SyntheticGuest.boot(server.socketPath);
    const { gpu } = guest;
    const image = gpu.createImage(1, Format.B8G8R8X8, size.width, size.height);
    const scene = new Landscape(image.pixels, size.width, size.height);
    scene.draw(0);
    gpu.show(0, image);
    for (let frame = 1; frame <= frames; frame++) {
      for (const damage of scene.draw(frame)) gpu.present(image, damage);
      // Some that are refused, for marks of them.
      if (frame % 80 === 50) gpu.flushResource(77, areaOf(size));
      guest.pump.serve(frameMs);
    }
    guest.stop();
    guest.close();
  } finally {
    await server.stop();
  }
}
