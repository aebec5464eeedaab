// Lists of a real guest's pages, as short text: "+3*4" is four pages that begin three after the end of those before, and
// "-5" one that begins five earlier.

import { type GuestRange, pageBytes } from "../../../lab/driver/guest-memory.ts";

/** Recorded of a guest: which it was, and its buffers' pages. */
export interface Recording {
  about: string;
  /** Guest-physical addresses in bytes, as the VMM shared them. */
  regions: { guestAddress: number; size: number }[];
  buffers: Record<string, string>;
}

export function encodePages(entries: readonly GuestRange[]): string {
  let follows = 0;
  const parts = entries.map(({ address, length }) => {
    const [first, count] = [address / pageBytes, Math.ceil(length / pageBytes)];
    const step = first - follows;
    follows = first + count;
    return `${step < 0 ? "" : "+"}${step.toString(36)}${count === 1 ? "" : `*${count.toString(36)}`}`;
  });
  return parts.join("");
}

export function decodePages(text: string): GuestRange[] {
  let follows = 0;
  return [...text.matchAll(/([+-])([\da-z]+)(?:\*([\da-z]+))?/g)].map(([, sign, step, pages = "1"]) => {
    const first = follows + Number.parseInt(`${sign!}${step!}`, 36);
    const count = Number.parseInt(pages, 36);
    follows = first + count;
    return { address: first * pageBytes, length: count * pageBytes };
  });
}
