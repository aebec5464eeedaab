// The picture that a demo leaves behind: what its display was sent.

import { encodePng } from "../../src/picture/png.ts";
import { writeWhole } from "../../src/transport/os/files.ts";
import type { Pump } from "../driver/pump.ts";
import type { DisplayPeer } from "../vmm/display-peer.ts";

/** Of the server's mistakes, that many are told. */
const violationsShown = 5;
/** Without a byte for so long, the last frame is there. */
const settleMs = 50;

/** Waits for the last frame to arrive, and writes what the display shows. */
export async function saveScreen(display: DisplayPeer, pump: Pump, output: string): Promise<void> {
  for (let seen = -1; seen !== display.bytes;) {
    seen = display.bytes;
    pump.serve(settleMs);
  }
  const screen = display.screenshot(0);
  if (screen === null) throw new Error("the display shows nothing");
  await writeWhole(output, await encodePng(bytesOf(screen.pixels), screen.width, screen.height));
  const megabytes = Math.round(display.bytes / 1e6).toLocaleString("en");
  console.log(`display    ${display.updates().length} updates, ${megabytes} MB, last frame in ${output}`);
  const { violations } = display;
  if (violations.length === 0) return;
  console.log(`display    ${violations.length} messages of the server's break the vhost-user-gpu protocol:`);
  for (const violation of violations.slice(0, violationsShown)) console.log(`           ${violation}`);
}

const bytesOf = (pixels: Uint32Array): Uint8Array =>
  new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength);
