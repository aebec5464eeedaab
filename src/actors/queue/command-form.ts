// How the commands of a device type begin and how they are answered: all that a queue needs to know of what it serves.

export interface CommandForm {
  /** Every request and every response begin with a header of so many bytes, a multiple of four. */
  readonly headerBytes: number;
  /** The response type of success without a body, and the first of those that are errors: all from there on. */
  readonly ok: number;
  readonly firstError: number;
  /** The one success whose body cannot be had by running the request again, and the bytes of that body, a multiple of four. */
  readonly lasting: { readonly type: number; readonly bodyBytes: number };
  /** What a chain earns that makes no sense, and a request that is longer than there is memory for. */
  readonly malformed: number;
  readonly tooLong: number;
  /** Writes a response's header, in little-endian words, to the request of which `request` are at least the header's. */
  writeHeader(response: Uint32Array, type: number, request: Uint32Array): void;
}
