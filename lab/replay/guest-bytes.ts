// Recorded bytes of guest memory, put where the recorded guest had them.

import type { RecordedResource } from "../../src/recording/recorded-resource.ts";
import type { Entry } from "../../src/transport/wire/record/entries.ts";
import type { GuestMemory } from "../driver/guest-memory.ts";

/** From the lowest address that is touched to the end of the highest. */
export interface Extent {
  start: number;
  end: number;
}

export const touches = (a: Extent, b: Extent): boolean => a.start < b.end && b.start < a.end;

/** A run of guest memory and where in the body its bytes are. */
interface Piece {
  readonly address: number;
  readonly at: number;
  readonly length: number;
}

/** Where the rows of `entry` lie in guest memory; what is beyond the backing lies nowhere. */
function* piecesOf({ backing }: RecordedResource, entry: Entry<"bytes">): Generator<Piece> {
  const { offsetLow, offsetHigh, rowBytes, stride, body } = entry;
  if (backing === null || rowBytes === 0) return;
  let [run, runStart] = [0, 0];
  // Rows without a gap are one.
  const step = rowBytes === stride ? body.length : rowBytes;
  for (let at = 0, row = offsetLow + offsetHigh * 2 ** 32; at < body.length; at += step, row += stride) {
    const length = Math.min(step, body.length - at);
    for (let done = 0; done < length;) {
      const offset = row + done;
      while (run < backing.length && offset >= runStart + backing[run]!.length) {
        runStart += backing[run++]!.length;
      }
      // Rows may lie on each other.
      while (run > 0 && offset < runStart) runStart -= backing[--run]!.length;
      const held = backing[run];
      if (held === undefined) return;
      const inRun = offset - runStart;
      const count = Math.min(length - done, held.length - inRun);
      yield { address: held.address + inRun, at: at + done, length: count };
      done += count;
    }
  }
}

/** Widens `extent` by what `entry` touches. */
export function widen(extent: Extent, resource: RecordedResource, entry: Entry<"bytes">): void {
  for (const { address, length } of piecesOf(resource, entry)) {
    extent.start = Math.min(extent.start, address);
    extent.end = Math.max(extent.end, address + length);
  }
}

/** Writes the body of `entry`; returns false where some of it was no memory of the guest. */
export function place(memory: GuestMemory, resource: RecordedResource, entry: Entry<"bytes">): boolean {
  const { body } = entry;
  let isWhole = true;
  for (const { address, at, length } of piecesOf(resource, entry)) {
    const region = memory.regions.find((one) => one.holds(address, length));
    if (region === undefined) isWhole = false;
    else memory.bytesAt(address, length).set(body.subarray(at, at + length));
  }
  return isWhole;
}
