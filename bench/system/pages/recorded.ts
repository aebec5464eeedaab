// The pages of a real guest's buffers, as scripts/record-pages.ts has recorded them.

import type { GuestRange, RegionLayout } from "../../../lab/driver/guest-memory.ts";
import { decodePages, type Recording } from "./page-list.ts";
import recording from "./recorded.json";

const { buffers, regions }: Recording = recording;

/** The memory that the guest had. */
export const recordedRegions: readonly RegionLayout[] = regions;

export function recordedPages(buffer: string): GuestRange[] {
  const text = buffers[buffer];
  if (text === undefined) throw new RangeError(`no guest's "${buffer}" is recorded`);
  return decodePages(text);
}
