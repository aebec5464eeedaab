// Takes the pixels out of a recording's entries, and leaves their sizes: what was on the screen is nobody's business then.

import type { Entry } from "../transport/wire/record/entries.ts";
import { Command, Submit3d } from "../transport/wire/virtio-gpu/protocol.ts";

/** RESOURCE_INLINE_WRITE of a virgl stream, whose data follow so many words: resource, level, usage, strides and a box. */
const inlineWrite = { command: 9, words: 11 };

/** The body of `entry` without pixels: a copy where there were any. */
export function blankBody({ kind, body }: Entry): Uint8Array {
  switch (kind) {
    case "bytes":
    case "blobBytes":
    case "pixels":
    case "cursor":
      return new Uint8Array(body.length);
    case "frame":
      // A checksum tells whether a guess is right.
      return new Uint8Array(0);
    case "command":
      return blankStream(body);
    default:
      return body;
  }
}

function blankStream(request: Uint8Array): Uint8Array {
  if (request.length < Submit3d.bytes) return request;
  const copy = new Uint8Array(request);
  const view = new DataView(copy.buffer);
  if (view.getUint32(0, true) !== Command.SUBMIT_3D) return request;
  for (let at: number = Submit3d.bytes; at + 4 <= copy.length;) {
    const header = view.getUint32(at, true);
    const end = at + 4 + (header >>> 16) * 4;
    if ((header & 0xff) === inlineWrite.command) copy.fill(0, at + 4 + inlineWrite.words * 4, end);
    at = end;
  }
  return copy;
}
