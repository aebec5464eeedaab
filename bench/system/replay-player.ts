// Plays a recording to a server that listens, as fast as it goes. Prints what that took as JSON.
//
//   bun bench/system/replay-player.ts SOCKET FILE

import { Playback } from "../../lab/replay/playback.ts";
import { Player } from "../../lab/replay/player.ts";
import { openRecording } from "../../src/transport/wire/record/reader.ts";
import { dieWithParent } from "./scheduling.ts";

export interface Played {
  commands: number;
  ms: number;
}

const patienceMs = 20_000;

if (import.meta.main) {
  dieWithParent();
  const [socketPath, file] = process.argv.slice(2);
  const recording = openRecording(file!);
  const player = new Player({
    socketPath: socketPath!,
    outputs: recording.start.outputs,
    isWatched: false,
    patienceMs,
  });
  const playback = new Playback(recording, [player]);
  const { signal } = new AbortController();
  const began = performance.now();
  await playback.play({}, { speed: Infinity, signal, patienceMs });
  const ms = performance.now() - began;
  await Bun.write(Bun.stdout, JSON.stringify({ commands: playback.progress.commands, ms } satisfies Played));
  process.exit(0);
}
