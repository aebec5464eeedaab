// Commands and pictures of the server's history, as the feed would tell them.

import type { CommandRecord, PictureRecord } from "../feed.ts";
import { ask, pastBeginsNs } from "./store.ts";

type HexCommand = Omit<CommandRecord, "request"> & { request: string };

/** The last `limit` that `filter` holds for, oldest first; those that go on have no end yet. Throws what the server says is wrong. */
export async function pastCommands(filter: string, limit: number): Promise<CommandRecord[]> {
  const query = new URLSearchParams({ filter, limit: String(limit) });
  const found = (await ask<HexCommand[]>(`/api/commands?${query}`)).map(fromHex);
  return found.filter(({ takenNs }) => takenNs >= pastBeginsNs.peek());
}

/** The last `limit` pictures, oldest first. */
export async function pastPictures(limit: number): Promise<PictureRecord[]> {
  const query = new URLSearchParams({ limit: String(limit) });
  const found = await ask<PictureRecord[]>(`/api/pictures?${query}`);
  return found.filter(({ ns }) => ns >= pastBeginsNs.peek());
}

/** What is asked for, or null where there is no answer. */
export async function orNull<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch {
    // There is no server, which the shell says; what was last known stays.
    return null;
  }
}

const fromHex = ({ request, ...command }: HexCommand): CommandRecord => ({
  ...command,
  request: Uint8Array.from(request.match(/../g) ?? [], (pair) => parseInt(pair, 16)),
});
