// What a player sees of what it plays.

import { afterAll, expect, test } from "bun:test";
import { Playback } from "../../../lab/replay/playback.ts";
import { Player } from "../../../lab/replay/player.ts";
import * as commands from "../../../lab/driver/commands.ts";
import { ServerProcess } from "../../../lab/vmm/server-process.ts";
import { recordingFrom } from "../../../src/transport/wire/record/reader.ts";
import { Response } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { driverPatienceMs } from "../../support/patience.ts";
import { Tape } from "../../support/tape.ts";
import { TapedScreen } from "../../support/taped-screen.ts";

let server: ServerProcess | null = null;
afterAll(() => server?.stop());

test("waits for a picture, whatever else was refused just before", async () => {
  const all = { x: 0, y: 0, width: 64, height: 48 };
  const tape = new Tape();
  const screen = new TapedScreen(tape, 1, all.width, all.height);
  const colours = [0x11_22_33, 0x44_55_66, 0x77_88_99];
  for (const colour of colours) {
    tape.command(commands.unrefResource(99), { type: Response.ERR_INVALID_RESOURCE_ID });
    screen.draw(all, colour);
  }
  const bytes = tape.end();
  const recording = recordingFrom((at, length) => bytes.subarray(at, at + length), bytes.length);
  // A picture comes long after its flush was answered.
  server = await ServerProcess.start({ args: ["--renderer", "software", "--frame-rate", "2"] });
  const { socketPath } = server;
  const { outputs } = recording.start;
  const player = new Player({ socketPath, outputs, patienceMs: driverPatienceMs, isWatched: true });
  const seen: number[] = [];
  const played = (step: { frames: unknown[] }): void => {
    if (step.frames.length > 0) seen.push(player.screen.picture(player.replay!, 0)!.pixels[0]! & 0xff_ffff);
  };
  const { signal } = new AbortController();
  try {
    await new Playback(recording, [player], { played }).play(
      {},
      { speed: Infinity, signal, patienceMs: driverPatienceMs },
    );
    expect([seen, player.unseen]).toEqual([colours, 0]);
  } finally {
    player.close();
  }
});
