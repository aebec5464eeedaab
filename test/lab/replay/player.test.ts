// What a player sees of what it plays.

import { afterAll, expect, test } from "bun:test";
import { type Manner, Playback } from "../../../lab/replay/playback.ts";
import { Player } from "../../../lab/replay/player.ts";
import * as commands from "../../../lab/driver/commands.ts";
import { ServerProcess } from "../../../lab/vmm/server-process.ts";
import type { Recording } from "../../../src/transport/wire/record/recording.ts";
import { recordingFrom } from "../../../src/transport/wire/record/reader.ts";
import { Format, Response } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { driverPatienceMs } from "../../support/patience.ts";
import { Tape } from "../../support/tape.ts";
import { TapedScreen } from "../../support/taped-screen.ts";

let server: ServerProcess | null = null;
afterAll(() => server?.stop());

const { signal } = new AbortController();
const manner: Manner = { speed: Infinity, signal, patienceMs: driverPatienceMs };
const all = { x: 0, y: 0, width: 64, height: 48 };

async function playerOf(recording: Recording): Promise<Player> {
  // A picture comes long after its flush was answered.
  server ??= await ServerProcess.start({ args: ["--renderer", "software", "--frame-rate", "2"] });
  const { socketPath } = server;
  const { outputs } = recording.start;
  return new Player({ socketPath, outputs, patienceMs: driverPatienceMs, isWatched: true });
}

function recordingOf(tape: Tape): Recording {
  const bytes = tape.end();
  return recordingFrom((at, length) => bytes.subarray(at, at + length), bytes.length);
}

const colourOf = ({ screen, replay }: Player): number => screen.picture(replay!, 0)!.pixels[0]! & 0xff_ffff;

test("waits for a picture, whatever else was refused just before", async () => {
  const tape = new Tape();
  const screen = new TapedScreen(tape, 1, all.width, all.height);
  const colours = [0x11_22_33, 0x44_55_66, 0x77_88_99];
  for (const colour of colours) {
    tape.command(commands.unrefResource(99), { type: Response.ERR_INVALID_RESOURCE_ID });
    screen.draw(all, colour);
  }
  const recording = recordingOf(tape);
  const player = await playerOf(recording);
  const seen: number[] = [];
  const played = (step: { frames: unknown[] }): void => {
    if (step.frames.length > 0) seen.push(colourOf(player));
  };
  try {
    await new Playback(recording, [player], { played }).play({}, manner);
    expect([seen, player.unseen]).toEqual([colours, 0]);
  } finally {
    player.close();
  }
});

test("skips to the midst of a keyframe, where the cursor queue went on, and restores it once", async () => {
  const tape = new Tape();
  tape.command(commands.getDisplayInfo());
  tape.writer.flush();
  tape.add("keyframe", { features: 2 });
  tape.add("resource", { id: 1, format: Format.B8G8R8X8, ...all });
  for (let x = 0; x < 3; x++) {
    tape.command(commands.moveCursor({ scanoutId: 0, x, y: 1 }, 0), { queue: 1 });
  }
  const pixels = new Uint32Array(all.width * all.height).fill(0x12_34_56);
  tape.add("pixels", { resource: 1, row: 0, rows: all.height }, new Uint8Array(pixels.buffer));
  tape.add("scanout", { scanout: 0, resource: 1, ...all });
  tape.add("keyframeEnd", {});
  tape.command(commands.flushResource(1, all), {
    during: () => tape.add("frame", { scanouts: 1, resource: 1, ...all }),
  });
  const recording = recordingOf(tape);
  for (const lead of [1, 2, 3]) {
    const player = await playerOf(recording);
    const playback = new Playback(recording, [player]);
    try {
      playback.approach({ lastCommand: 4 }, lead);
      expect(await playback.play({ lastCommand: 4 }, manner)).toBeTrue();
      expect([playback.progress.commands, colourOf(player)]).toEqual([5, 0x12_34_56]);
    } finally {
      player.close();
    }
  }
});
