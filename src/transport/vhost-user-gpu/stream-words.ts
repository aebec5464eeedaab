// Where a display socket's stream stands, in shared words: a display that takes over from one that crashed finishes
// the message that is half sent and reads the reply that is half received, before it says anything of its own.

export const StreamWord = {
  /** 1 when the stream broke and must not be used again. */
  broken: 0,
  /** 1 once the VMM has said its protocol features, which are in the next word. */
  negotiated: 1,
  features: 2,
  /** Bit n: request n is sent and has no reply yet. */
  outstanding: 3,
  /** The scanout that the outstanding GET_EDID asks about. */
  edidScanout: 4,
  /** Bit n: the VMM shows something on scanout n. */
  shown: 5,
  /** The message being sent: all its bytes, those still to send, and its first ones. */
  messageBytes: 6,
  messageOwed: 7,
  messageHead: 8,
  /** The reply being received: its bytes so far, and its header. */
  replyBytes: 16,
  replyHeader: 17,
  count: 20,
} as const;

/** Words of a message's head: its header and at most five fields; what follows is pixels. */
export const headWords = 8;

export const isOutstanding = (words: Int32Array, request: number): boolean =>
  (words[StreamWord.outstanding]! & (1 << request)) !== 0;

export function setOutstanding(words: Int32Array, request: number, outstanding: boolean): void {
  const bit = 1 << request;
  if (outstanding) words[StreamWord.outstanding]! |= bit;
  else words[StreamWord.outstanding]! &= ~bit;
}
