// Where the pages of a blob lie in what the VMM shares, for a display that maps them one behind the other.

import { closeFd, duplicateFdIfRoom } from "../../../../transport/os/fds.ts";
import type { Backing } from "../../renderer/backing.ts";

const pageBytes = 4096;
/** What one view of memory can show. */
const bytesMax = 2 ** 32;

export interface GuestPages {
  /** The files that they lie in; the receiver's to close. */
  readonly regions: { fd: number }[];
  /** Of each piece: which of `regions`, the byte of its file, and its length; all but the last are whole pages. */
  readonly pieces: number[];
  /** Where in the first piece the bytes begin that were asked for. */
  readonly offset: number;
}

/**
 * The pages of `bytes` bytes from byte `from` of the backing on. null where they cannot be mapped one behind the other: in more
 * pieces than `piecesMax`, not in whole pages, or in no guest memory just now; or where there is no room for descriptors.
 */
export function guestPages(
  backing: Backing,
  from: number,
  bytes: number,
  piecesMax: number,
): GuestPages | null {
  const offset = from % pageBytes;
  const start = from - offset;
  const places = bytes > bytesMax ? null : backing.placesOf(start, offset + bytes, piecesMax);
  if (places === null) return null;
  const regions: { fd: number }[] = [];
  const numbers = new Map<number, number>();
  for (let at = 0; at < places.length; at += 3) {
    // Every piece goes where the one before it ends, and a mapping begins with a page.
    const isWhole =
      places[at + 1]! % pageBytes === 0 && (places[at + 2]! % pageBytes === 0 || at + 3 === places.length);
    const region = isWhole ? regionOf(places[at]!, regions, numbers) : -1;
    if (region < 0) {
      for (const { fd } of regions) closeFd(fd);
      return null;
    }
    places[at] = region;
  }
  return { regions, pieces: places, offset };
}

/** The number of the file behind `fd` among `regions`, a new one if need be; -1 where there is no room for that. */
function regionOf(fd: number, regions: { fd: number }[], numbers: Map<number, number>): number {
  const known = numbers.get(fd);
  if (known !== undefined) return known;
  const copy = duplicateFdIfRoom(fd);
  if (copy < 0) return -1;
  numbers.set(fd, regions.length);
  return regions.push({ fd: copy }) - 1;
}
