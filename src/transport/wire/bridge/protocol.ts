// What a device asks of the resource bridge and is told, whichever of the two wire forms it speaks. docs/bridge.md.
//
// A packet of a SOCK_SEQPACKET socket is one request or one answer. The answer's descriptor, if it has one, comes with it.

export type BridgeRequest =
  /** A resource by its id, a u32, or by its UUID. */
  | { kind: "buffer"; resource: number | string }
  /** A fence by the id that the guest gave it, a u64. */
  | { kind: "fence"; seqno: bigint };

/** Bytes before a plane's first row, and from one row to the next. */
export interface Plane {
  offset: number;
  stride: number;
}

/** `planes` and `modifier` are null where the wire form has no room for them. */
export type BridgeAnswer =
  | { kind: "buffer"; planes: readonly Plane[] | null; modifier: bigint | null }
  | { kind: "fence" }
  | { kind: "invalid" };

/** How requests and answers are written. Decoders return null for what is none, whatever the bytes are. */
export interface WireForm {
  readonly name: "2019" | "json";
  /** Throws RangeError for a request that the form does not know. */
  encodeRequest(request: BridgeRequest): Uint8Array;
  decodeRequest(packet: Uint8Array): BridgeRequest | null;
  encodeAnswer(answer: BridgeAnswer): Uint8Array;
  /** `fds`: how many descriptors came with the packet. The one that the answer is about is the first of them. */
  decodeAnswer(packet: Uint8Array, fds: number): BridgeAnswer | null;
}

/** Bytes of the longest packet that is looked at. */
export const packetBytesMax = 4096;
