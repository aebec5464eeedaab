// Who looks on: screenshots, recordings, and whoever asks how the server is.

import { readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { encodePng } from "../../../src/picture/png.ts";
import { openRecording } from "../../../src/transport/wire/record/reader.ts";
import { totalsOf } from "../../../src/transport/wire/record/recording.ts";
import type { Phase } from "../phase.ts";
import { screenSize, Wrong } from "../stage.ts";

export const status: Phase = {
  name: "status",
  run: async (stage) => {
    const answer = await stage.control({ command: "status" });
    const { device, session } = answer as { device: string; session: { state: string } | null };
    if (device !== "running" || session === null)
      throw new Wrong(
        `ctl status says that the device is ${device}, and its session ${JSON.stringify(session)}`,
      );
  },
};

export const screenshot: Phase = {
  name: "screenshot",
  run: async (stage) => {
    stage.animate();
    stage.expectScreen();
    const path = join(stage.server.directory, "soak.png");
    await stage.control({ command: "screenshot", scanout: 0, path });
    const { width, height } = screenSize;
    const pixels = new Uint8Array(stage.screen.pixels.slice().buffer);
    const isRight = Buffer.from(await encodePng(pixels, width, height)).equals(readFileSync(path));
    rmSync(path);
    if (!isRight) throw new Wrong("a screenshot is not what the screen shows");
    stage.frames++;
  },
};

/** All that was done meanwhile is in it. */
export const recording: Phase = {
  name: "recording",
  run: async (stage) => {
    const path = join(stage.server.directory, "soak.rec");
    await stage.control({ command: "record-start", path });
    const before = stage.commands;
    for (let frame = 0; frame < 10; frame++) {
      stage.animate();
      stage.expectScreen();
    }
    const sent = stage.commands - before;
    const { bytes } = await stage.control({ command: "record-stop" });
    const recorded = openRecording(path);
    const { commands } = totalsOf(recorded);
    recorded.close();
    const size = statSync(path).size;
    rmSync(path);
    if (size !== bytes || commands < sent)
      throw new Wrong(
        `a recording of ${sent} commands has ${commands}, and ${size} bytes, where ${bytes as number} were told`,
      );
  },
};
