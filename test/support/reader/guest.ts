// A guest for the commands of a document: `bun guest.ts SOCKET` shows resource 7 at 1280×800, changes a part of it every now and then,
// and makes a mistake each time, until it is ended.

import { SyntheticGuest } from "../../../lab/driver/synthetic-guest.ts";
import { Format } from "../../../src/transport/wire/virtio-gpu/protocol.ts";

const everyMs = 30;
const mebibyte = 2 ** 20;
/** One that is paused by somebody who looks waits for as long as that takes. */
const patienceMs = 600_000;

const guest = SyntheticGuest.boot(process.argv[2]!, {
  memory: [{ guestAddress: 0, size: 32 * mebibyte }],
  display: null,
  patienceMs,
});
const { gpu } = guest;
/** A band of it: so many guests of this kind may not take all of a processor. */
const band = { x: 0, y: 0, width: 1280, height: 40 };
const screen = gpu.createImage(7, Format.B8G8R8X8, 1280, 800);
gpu.show(0, screen);
console.log("shows");
for (let frame = 1; ; frame++) {
  screen.pixels.fill(frame * 0x10101, 0, band.width * band.height);
  gpu.transferToHost2d(7, band);
  gpu.flushResource(7, band);
  gpu.flushResource(8, band);
  await Bun.sleep(everyMs);
}
