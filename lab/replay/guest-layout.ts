// The memory of a guest that plays a recording: what the recorded guest had, at its addresses, and some of its own, where no
// address of the recording leads.

import { Refusal } from "../../src/transport/os/errors.ts";
import type { Run } from "../../src/recording/recorded-resource.ts";
import type { RegionLayout } from "../driver/guest-memory.ts";

/** Rings, requests and answers; pages are made when they are used. */
const ownBytes = 2 ** 31;
/** What one mapping can show of a region. */
const pieceBytes = 2 ** 31;
const piecesMax = 64;
const pageBytes = 4096;
/** Far above what a guest has, but for one that was a replay itself. */
const ownAddress = 2 ** 46;
const addressEnd = 2 ** 47;

/** The guest's own region, beside what is `recorded`. It comes first: what is allocated lies there. */
export function ownLayout(recorded: readonly RegionLayout[]): RegionLayout {
  const ends = recorded.map(({ guestAddress, size }) => guestAddress + size);
  return { guestAddress: Math.max(ownAddress, ...ends), size: ownBytes };
}

/** Regions for what the recording says of memory. Throws a {@link Refusal} for what no guest can have. */
export function recordedLayout(memory: readonly Run[]): RegionLayout[] {
  const pieces = memory.flatMap(({ address, length }) => {
    const isPossible =
      address + length <= addressEnd && address % pageBytes === 0 && length % pageBytes === 0 && length > 0;
    if (!isPossible || length > piecesMax * pieceBytes) {
      throw new Refusal(`the recorded guest had memory that none can have: ${length} bytes at ${address}`);
    }
    return Array.from({ length: Math.ceil(length / pieceBytes) }, (_, index) => ({
      guestAddress: address + index * pieceBytes,
      size: Math.min(pieceBytes, length - index * pieceBytes),
    }));
  });
  if (pieces.length > piecesMax) throw new Refusal("the recorded guest had more memory than can be mapped");
  const sorted = pieces.toSorted((a, b) => a.guestAddress - b.guestAddress);
  const overlap = sorted.find(
    ({ guestAddress }, index) =>
      index > 0 && sorted[index - 1]!.guestAddress + sorted[index - 1]!.size > guestAddress,
  );
  if (overlap !== undefined) throw new Refusal("the recorded guest had memory that overlaps");
  return pieces;
}
