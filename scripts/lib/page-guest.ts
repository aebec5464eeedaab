// A guest of moderate diligence, for scripts/soak-page.ts: small commands, a desktop's damage, resources that come and go.
//
//   bun scripts/lib/page-guest.ts SOCKET

import { areaOf, expectOk } from "../../lab/driver/gpu-driver.ts";
import * as commands from "../../lab/driver/commands.ts";
import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { Desktop } from "../../lab/scenes/desktop.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";

const beatMs = 10;
/** Commands of a beat, and beats of a flush and of a resource's life. */
const commandsABeat = 20;
const flushBeats = 10;
const lifeBeats = 50;
const firstId = 100;
const hidden = { width: 64, height: 64 };
/** Resources that live at a time. */
const alive = 8;

const guest = SyntheticGuest.boot(process.argv[2]!, { display: {} });
const { gpu } = guest;
const desktop = new Desktop(gpu, 1);
expectOk(gpu.createResource2d(2, Format.B8G8R8X8, hidden.width, hidden.height), "RESOURCE_CREATE_2D");
const request = commands.flushResource(2, areaOf(hidden));

for (let beat = 0; ; beat++) {
  for (let count = 0; count < commandsABeat; count++) guest.control.submit(request);
  guest.control.waitAll();
  if (beat % flushBeats === 0) desktop.show(1 + beat / flushBeats);
  if (beat % lifeBeats === 0) {
    const id = firstId + beat / lifeBeats;
    expectOk(gpu.createResource2d(id, Format.B8G8R8X8, hidden.width, hidden.height), "RESOURCE_CREATE_2D");
    if (id - alive >= firstId) expectOk(gpu.unrefResource(id - alive), "RESOURCE_UNREF");
  }
  guest.pump.serve(beatMs);
}
