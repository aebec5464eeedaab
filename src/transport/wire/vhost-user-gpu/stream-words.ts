// Where a display socket's stream stands, in shared words: a display that takes over from one that crashed finishes
// the message that is half sent and reads the reply that is half received, before it says anything of its own.

import { scanoutsMax } from "../virtio-gpu/protocol.ts";
import { DisplayRequest } from "./protocol.ts";

/** Words of a message's head: its header and at most twelve fields; what follows is pixels. */
export const headWords = 15;

export const StreamWord = {
  /** 1 when the stream broke and must not be used again. */
  broken: 0,
  /** 1 once the VMM has said its protocol features, which are in the next word. */
  negotiated: 1,
  features: 2,
  /** Bit n: request n is sent and has no reply yet. DMABUF_UPDATEs are counted below. */
  outstanding: 3,
  /** The scanout that the outstanding GET_EDID asks about. */
  edidScanout: 4,
  /** Bit n: the VMM may be showing pixels, or a dma-buf, on scanout n. */
  shown: 5,
  shownByDmabuf: 6,
  /** How many DMABUF_UPDATEs have no reply yet, and their scanouts, the oldest first: one a scanout at most. */
  updates: 7,
  updateScanouts: 8,
  /** The message being sent: all its bytes, those still to send, and its first ones. */
  messageBytes: 8 + scanoutsMax,
  messageOwed: 9 + scanoutsMax,
  messageHead: 10 + scanoutsMax,
  /** The reply being received: its bytes so far, and its header. */
  replyBytes: 10 + scanoutsMax + headWords,
  replyHeader: 11 + scanoutsMax + headWords,
  /** How many displays in a row have taken the stream over from one that crashed. */
  takeovers: 14 + scanoutsMax + headWords,
  /** The number of the socket that all of this is of. */
  socket: 15 + scanoutsMax + headWords,
  count: 16 + scanoutsMax + headWords,
} as const;

/** Whether a reply to `request` is owed. */
export function isOutstanding(words: Int32Array, request: number): boolean {
  if (request === DisplayRequest.DMABUF_UPDATE) return words[StreamWord.updates] !== 0;
  return (words[StreamWord.outstanding]! & (1 << request)) !== 0;
}

export function setOutstanding(words: Int32Array, request: number, outstanding: boolean): void {
  const bit = 1 << request;
  if (outstanding) words[StreamWord.outstanding]! |= bit;
  else words[StreamWord.outstanding]! &= ~bit;
}

/** The scanouts whose DMABUF_UPDATE has no reply yet, the oldest first; a view of `words`. */
export function unansweredUpdates(words: Int32Array): Int32Array {
  return words.subarray(StreamWord.updateScanouts, StreamWord.updateScanouts + words[StreamWord.updates]!);
}

/** A DMABUF_UPDATE of `scanout` is sent. Throws RangeError when more are unanswered than there are scanouts. */
export function pushUpdate(words: Int32Array, scanout: number): void {
  const count = words[StreamWord.updates]!;
  if (count === scanoutsMax) throw new RangeError("a DMABUF_UPDATE before an older one was answered");
  words[StreamWord.updateScanouts + count] = scanout;
  words[StreamWord.updates] = count + 1;
}

/** The oldest DMABUF_UPDATE is answered; returns its scanout, which no reply names. */
export function shiftUpdate(words: Int32Array): number {
  const unanswered = unansweredUpdates(words);
  const scanout = unanswered[0]!;
  unanswered.copyWithin(0, 1);
  words[StreamWord.updates]!--;
  return scanout;
}
