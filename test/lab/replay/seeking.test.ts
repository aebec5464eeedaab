// A replay that goes to and fro shows what one does that was played from the start, bit by bit.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SyntheticGuest } from "../../../lab/driver/synthetic-guest.ts";
import { type Manner, Playback } from "../../../lab/replay/playback.ts";
import { Player } from "../../../lab/replay/player.ts";
import { ServerProcess } from "../../../lab/vmm/server-process.ts";
import type { Recording } from "../../../src/transport/wire/record/recording.ts";
import { openRecording } from "../../../src/transport/wire/record/reader.ts";
import { Feature } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { runProgram } from "../../support/run-program.ts";
import { driverPatienceMs } from "../../support/patience.ts";
import { chanceOf } from "../../../lab/fuzz/chance.ts";
import { draw3d } from "../../support/random-guest.ts";
import { drawBlobs, drawPictures, record } from "../../support/recorded.ts";

const directory = mkdtempSync(join(tmpdir(), "fencepost-seeking-"));
const manner: Manner = {
  speed: Infinity,
  signal: new AbortController().signal,
  patienceMs: driverPatienceMs,
};

/** What is on the display at each frame of a play from the start, and at those to which a second player goes by chance. */
async function bothWays(
  recording: Recording,
  renderer: string,
  seeks: number,
  lead = Infinity,
): Promise<void> {
  const server = await ServerProcess.start({
    args: ["--renderer", renderer, "--frame-rate", "unlimited", "--copy-pictures"],
  });
  const { outputs } = recording.start;
  const setup = { socketPath: server.socketPath, outputs, patienceMs: driverPatienceMs, isWatched: true };
  const chance = chanceOf(7);
  const shown: string[] = [];
  try {
    const first = new Player(setup);
    await new Playback(recording, [first], {
      played: (step, { frames }) => {
        if (step.frames.length > 0) shown[frames - 1] = lookOf(first);
      },
    }).play({}, manner);
    expect(first.unseen).toBe(0);
    first.close();

    const player = new Player(setup);
    const playback = new Playback(recording, [player]);
    try {
      for (let seek = 0; seek < seeks; seek++) {
        const frame = chance(shown.length);
        if (shown[frame] === undefined) continue;
        playback.approach({ lastFrame: frame }, lead);
        expect(await playback.play({ lastFrame: frame }, manner)).toBeTrue();
        expect([frame, playback.progress.frames, lookOf(player)]).toEqual([frame, frame + 1, shown[frame]!]);
      }
      expect(player.unseen).toBe(0);
    } finally {
      player.close();
    }
  } finally {
    await server.stop();
  }
}

/** A word for the picture of scanout 0, whose upper bytes say nothing. */
function lookOf({ screen, replay }: Player): string {
  const picture = screen.picture(replay!, 0);
  if (picture === null) return "off";
  const { width, height, pixels } = picture;
  return `${width}x${height} ${Bun.hash.crc32(pixels.map((pixel) => pixel & 0xff_ffff))}`;
}

let pictures: Recording;
beforeAll(async () => {
  const path = join(directory, "pictures");
  await record(path, ["--renderer", "software"], (guest) => drawPictures(guest, chanceOf(3), 300));
  pictures = openRecording(path);
});
afterAll(() => {
  pictures.close();
  rmSync(directory, { recursive: true });
});

test("seeks by chance show what a play from the start does, in 2D", async () => {
  const keyframes = pictures.chunks.filter(({ isKeyframe }) => isKeyframe);
  expect(keyframes.length).toBeGreaterThan(3);
  // A replay begins with any of them and looks at one chunk before; the other queue's commands may come after its layout.
  for (const { number } of keyframes)
    expect(pictures.read(number - 1).some(({ kind }) => kind === "memory")).toBeTrue();
  await bothWays(pictures, "software", 60);
}, 120_000);

test("what is skipped is as if it had been played, in 2D", async () => {
  const path = join(directory, "skipped");
  const draw = (guest: SyntheticGuest): void => drawPictures(guest, chanceOf(4), 500);
  await record(path, ["--renderer", "software"], draw, 0);
  const recording = openRecording(path);
  await bothWays(recording, "software", 25, 9).finally(() => recording.close());
}, 120_000);

test("seeks by chance show what a play from the start does, in blobs of the guest's pages", async () => {
  const path = join(directory, "blobs");
  const gpuFeatures = [Feature.EDID, Feature.RESOURCE_BLOB];
  const draw = (guest: SyntheticGuest): void => drawBlobs(guest, chanceOf(6), 150);
  await record(path, ["--renderer", "software", "--record-checksums"], draw, 131_072, { gpuFeatures });
  // As a user has it: each picture and each answer is what it was.
  const { code, out } = runProgram("replay", path, "--compare");
  expect(out).toContain("nothing differs");
  expect(code).toBe(0);
  const trimmed = join(directory, "trimmed-blobs");
  expect(runProgram("trace-trim", path, "-o", trimmed, "--frame", "100", "--frame", "110").code).toBe(0);
  expect(runProgram("replay", trimmed, "--compare").out).toContain("2 pictures as recorded; nothing differs");
  const recording = openRecording(path);
  expect(recording.chunks.filter(({ isKeyframe }) => isKeyframe).length).toBeGreaterThan(1);
  await bothWays(recording, "software", 25).finally(() => recording.close());
}, 120_000);

test("seeks by chance show what a play from the start does, on llvmpipe", async () => {
  const path = join(directory, "streams");
  await record(path, ["--renderer", "virgl"], (guest) => draw3d(guest, chanceOf(5), 150));
  const recording = openRecording(path);
  // What a renderer has drawn cannot be skipped.
  await bothWays(recording, "virgl", 8, 9).finally(() => recording.close());
}, 120_000);

test("goes on from where it is, begins with the keyframe before, and forgets a step that it gave up", async () => {
  const server = await ServerProcess.start({ args: ["--renderer", "software", "--copy-pictures"] });
  const player = new Player({
    ...{ socketPath: server.socketPath, outputs: pictures.start.outputs },
    ...{ patienceMs: driverPatienceMs, isWatched: false },
  });
  const playback = new Playback(pictures, [player]);
  const keyframes = pictures.chunks.filter(({ isKeyframe }) => isKeyframe);
  const { commandsBefore: second, framesBefore } = keyframes[2]!;
  try {
    const goTo = async (lastCommand: number): Promise<boolean> => {
      const isAnew = playback.approach({ lastCommand });
      expect(await playback.play({ lastCommand }, manner)).toBeTrue();
      expect(playback.progress.commands).toBe(lastCommand + 1);
      return isAnew;
    };
    expect(await goTo(10)).toBeTrue();
    expect(await goTo(11)).toBeFalse();
    expect(await goTo(11)).toBeFalse();
    expect(await goTo(9)).toBeTrue();
    expect(await goTo(second + 5)).toBeTrue();
    expect(await goTo(second + 9)).toBeFalse();
    expect(await goTo(second + 3)).toBeTrue();
    // By time: all that was done by then, and nothing after.
    const { firstTime } = keyframes[3]!;
    playback.approach({ lastTime: firstTime });
    expect(await playback.play({ lastTime: firstTime }, manner)).toBeTrue();
    expect(playback.progress.time).toBeLessThanOrEqual(firstTime);
    expect(playback.progress.frames).toBeGreaterThan(framesBefore);
    expect(playback.progress.commands).toBe(keyframes[3]!.commandsBefore);
    // What is given up at once has played nothing, and what comes after finds its way.
    const gone = AbortSignal.abort();
    expect(await playback.play({ lastCommand: second + 900 }, { ...manner, signal: gone })).toBeFalse();
    expect(await goTo(2)).toBeTrue();
    expect(player.misplaced).toBe(0);
  } finally {
    player.close();
    await server.stop();
  }
}, 120_000);
