// A VMM with a guest that never stops, to be killed amid whatever it does: `doomed-vmm.ts SOCKET`.

import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import * as commands from "../../lab/driver/commands.ts";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";

const guest = SyntheticGuest.boot(process.argv[2]!, {});
const image = guest.gpu.createImage(1, Format.B8G8R8X8, 2048, 2048);
guest.gpu.show(0, image);
console.log("draws");
for (;;) {
  for (let count = 0; count < 8; count++) {
    guest.control.submit(commands.transferToHost2d(1, areaOf(image), 0), { hold: true });
    guest.control.submit(commands.flushResource(1, areaOf(image)), { hold: true });
  }
  guest.control.commit();
  guest.control.waitAll();
}
