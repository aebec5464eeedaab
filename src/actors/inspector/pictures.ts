// Pictures of the past: what the display was told, and the frames of its sinks.

import { Events } from "./events.ts";
import type { PictureRecord } from "./feed.ts";
import type { History } from "./history.ts";
import type { TapReader } from "./tap-reader.ts";

/** Those of the history, oldest first. */
export function pastPictures(history: History, readers: readonly TapReader[]): PictureRecord[] {
  const events = new Events(history, readers);
  return [...history.all()].flatMap((at) => events.picture(at) ?? []);
}

/**
 * What of `pictures` came of a command, by its id: for each scanout when the display was first told of it, perhaps together
 * with later ones, and for each sink the first frame with it, and when its other side had that. What the display knew when
 * the command came may be in a frame from before that.
 */
export function picturesOf(command: string, pictures: readonly PictureRecord[]): PictureRecord[] {
  const [queue, number] = partsOf(command);
  const told = new Map<number, PictureRecord>();
  const begun = new Map<string, PictureRecord>();
  const shown = new Map<string, PictureRecord>();
  /** Where in `pictures` the display hears of each scanout, for the last time until then. */
  const heardAt = new Map<number, number>();
  for (const [index, picture] of pictures.entries()) {
    const { what, scanout } = picture;
    if ((what !== "view" && what !== "damage" && what !== "known") || told.has(scanout)) continue;
    if (what !== "known") heardAt.set(scanout, index);
    const [ofQueue, ofNumber] = partsOf(picture.command);
    if (ofQueue === queue && ofNumber >= number) told.set(scanout, picture);
  }
  for (const [index, picture] of pictures.entries()) {
    const { what, scanout, sink, message } = picture;
    const first = told.get(scanout);
    if (first === undefined || index < (heardAt.get(scanout) ?? 0)) continue;
    const key = `${sink} ${scanout}`;
    if (shown.has(key)) continue;
    if (what === "frame-begun" && !begun.has(key) && ((message - first.message) | 0) >= 0) {
      begun.set(key, picture);
    } else if (what === "frame-shown" && begun.has(key)) shown.set(key, picture);
  }
  return [...told.values(), ...begun.values(), ...shown.values()];
}

function partsOf(command: string): [queue: string, number: number] {
  const at = command.lastIndexOf(":");
  return [command.slice(0, at), Number(command.slice(at + 1))];
}
