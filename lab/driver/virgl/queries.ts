// Queries: counters that the renderer keeps for the guest, and writes into the backing of a buffer of CUSTOM use.

import { Ccmd, ObjectType } from "./protocol.ts";
import type { CommandStream } from "./stream.ts";

/** PIPE_QUERY_*. */
export const QueryType = { OCCLUSION_COUNTER: 0 } as const;

/** `resourceId`: the buffer that the result is written into, from its first byte on. */
export function createQuery(
  stream: CommandStream,
  handle: number,
  resourceId: number,
  type: number = QueryType.OCCLUSION_COUNTER,
): void {
  stream.begin(Ccmd.CREATE_OBJECT, ObjectType.QUERY);
  stream.word(handle);
  stream.word(type);
  stream.word(0); // offset
  stream.word(resourceId);
  stream.end();
}

export function beginQuery(stream: CommandStream, handle: number): void {
  stream.begin(Ccmd.BEGIN_QUERY);
  stream.word(handle);
  stream.end();
}

export function endQuery(stream: CommandStream, handle: number): void {
  stream.begin(Ccmd.END_QUERY);
  stream.word(handle);
  stream.end();
}

export function getQueryResult(stream: CommandStream, handle: number): void {
  stream.begin(Ccmd.GET_QUERY_RESULT);
  stream.word(handle);
  stream.word(1); // wait
  stream.end();
}
