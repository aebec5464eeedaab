// A replay that a person steers, from a browser.

import { basename } from "node:path";
import { Catalogue } from "../../../src/recording/catalogue.ts";
import type { Address } from "../../../src/config-values.ts";
import { type Recording, totalsOf } from "../../../src/transport/wire/record/recording.ts";
import { inspectorUrl } from "../../vmm/inspector-url.ts";
import type { ServerProcess } from "../../vmm/server-process.ts";
import type { ReplayOptions } from "../options.ts";
import { Playback } from "../playback.ts";
import { Player } from "../player.ts";
import { ProgressLine } from "../progress-line.ts";
import { notes, summary } from "../report.ts";
import { Deck } from "./deck.ts";
import { Desk } from "./desk.ts";
import { Door } from "./door.ts";
import { Journal } from "./journal.ts";

/** For what a server takes to begin; what a person may hold up has a patience of its own. */
const patienceMs = 60_000;
/** The catalogue is made in such pieces, with room between them for a player that is not seeking. */
const pieceMs = 6;
const betweenMs = 2;

/** Plays on `server`, whose inspector is on, until `signal`. Returns whether that came before the first play was over. */
export async function scrub(
  address: Address,
  server: ServerProcess,
  recording: Recording,
  options: ReplayOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const { file } = options;
  const journal = new Journal(() => player.replay);
  const setup = { socketPath: server.socketPath, outputs: recording.start.outputs, patienceMs };
  const player = new Player({ ...setup, isWatched: false, began: journal.began });
  const line = new ProgressLine(totalsOf(recording).commands);
  let isOver = false;
  const playback = new Playback(recording, [player], {
    played: journal.played,
    progress: (progress) => {
      if (!isOver) line.tell(progress);
      changed();
    },
  });
  const began = performance.now();
  const changed = (): void => {
    door.changed();
    if (isOver || !deck.isAtRest) return;
    isOver = true;
    line.end();
    for (const text of summary(playback, recording, performance.now() - began)) console.log(text);
    for (const text of notes(player)) console.log(text);
    console.log("stays here until Ctrl-C");
  };
  const deck = new Deck(recording, playback, player, journal, () => changed());
  const catalogue = new Catalogue(recording);
  const told = { file: basename(file), recording, catalogue, journal, lacks: () => player.lacks };
  const door = new Door(address, await inspectorUrl(server, patienceMs, signal), new Desk(told, deck));
  try {
    console.log(`replay: open ${door.url}`);
    begin(deck, options);
    await Promise.all([deck.run(signal), fill(catalogue, deck, signal)]);
    return !isOver;
  } finally {
    line.end();
    door.close();
    player.close();
  }
}

/** Plays to where it is to begin, or all. */
function begin(deck: Deck, { lastCommand, lastFrame, isRealtime }: ReplayOptions): void {
  if (isRealtime) deck.ask({ type: "speed", speed: 1 });
  if (lastCommand !== undefined) deck.ask({ type: "seek", command: lastCommand });
  else if (lastFrame !== undefined) deck.ask({ type: "seek", frame: lastFrame });
  else deck.ask({ type: "play" });
}

/** Makes the catalogue whole, when nobody waits for something else. */
async function fill(catalogue: Catalogue, deck: Deck, signal: AbortSignal): Promise<void> {
  while (!catalogue.isWhole && !signal.aborted && !deck.isOver) {
    if (!deck.isSeeking) catalogue.advance(pieceMs);
    await Bun.sleep(betweenMs);
  }
}
