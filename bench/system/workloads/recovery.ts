// What a guest waits for when the process of its commands dies.

import * as commands from "../../../lab/driver/commands.ts";
import { RESTARTS_MAX } from "../../../src/actors/machines/restarts.ts";
import { Format } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import type { Renderer } from "../backends.ts";
import { figure } from "../figure.ts";
import { withChildren } from "../process-usage.ts";
import type { GuestWorkload } from "../workload.ts";
import { openScene } from "./streams.ts";

/** One short of as many as end a device that has not settled between them. */
const deaths = RESTARTS_MAX - 1;
/** Of a desktop's size: as many resources as its windows, cursors and glyphs have. */
const resources = 64;
const screen = { width: 1280, height: 800 };
const small = { width: 64, height: 64 };
/** Between two deaths. */
const commandsBetween = 200;
const restMs = 300;

export const recoveries: GuestWorkload[] = (["software", "virgl"] as Renderer[]).map((renderer) => ({
  kind: "guest",
  name: `recovery/${renderer}`,
  title: "From SIGKILL of the process of a guest's commands until the next one is answered",
  renderer,
  pinned: false,
  measure(stage) {
    const { guest, serverPid } = stage;
    const { gpu, control } = guest;
    const image = gpu.createImage(1, Format.B8G8R8X8, screen.width, screen.height);
    gpu.show(0, image);
    image.pixels.fill(0x00336699);
    gpu.present(image);
    for (let id = 100; id < 100 + resources; id++) {
      gpu.createImage(id, Format.B8G8R8A8, small.width, small.height);
    }
    if (renderer === "virgl") openScene(stage, small);
    const request = commands.getDisplayInfo();
    const waits: number[] = [];
    for (let death = 0; death < deaths; death++) {
      for (let count = 0; count < commandsBetween; count++) control.call(request);
      Bun.sleepSync(restMs);
      const [, pid] = withChildren(serverPid);
      // A back-end that has none is not asked.
      if (pid === undefined) return [];
      process.kill(pid, "SIGKILL");
      const from = performance.now();
      control.call(request);
      waits.push(performance.now() - from);
    }
    return [figure("answers after", "ms", "less", waits)];
  },
}));
