// What requests are read by: a payload of the right length, sizes that are some, and the one descriptor of the right kind.

import { isEventfd } from "../../os/fds.ts";
import { notStream } from "../../os/unix-socket.ts";
import type { Message } from "./channel.ts";
import { requestName } from "./protocol.ts";
import { ProtocolError } from "./protocol-error.ts";

/** The payload, which has to have so many bytes. Throws a {@link ProtocolError} otherwise, as all of these do. */
export function sized(message: Message, bytes: number): DataView {
  if (message.payload.byteLength !== bytes) throw sizeError(message);
  return message.payload;
}

export function sizeError({ request, payload }: Message): ProtocolError {
  return new ProtocolError(`${requestName(request)} has a payload of ${payload.byteLength} bytes`);
}

/** A u64 of the payload as a Number; 2^53 or more is no address and no size. */
export function readSize(payload: DataView, offset: number, what: string): number {
  const value = payload.getBigUint64(offset, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER))
    throw new ProtocolError(`${what} 0x${value.toString(16)} is too large`);
  return Number(value);
}

/** The only descriptor that the message may bring. */
export function fdOf({ request, fds }: Message): number {
  if (fds.length !== 1)
    throw new ProtocolError(`${requestName(request)} brought ${fds.length} descriptors instead of one`);
  return fds[0]!;
}

/** As {@link fdOf}, for a descriptor that one side signals and the other waits for. */
export function eventfdOf(message: Message): number {
  const fd = fdOf(message);
  if (isEventfd(fd)) return fd;
  throw new ProtocolError(`${requestName(message.request)} brought a descriptor that is no eventfd`);
}

/** As {@link fdOf}, for one that is written to: what is no stream would fail later and elsewhere. */
export function streamOf(message: Message): number {
  const fd = fdOf(message);
  const instead = notStream(fd);
  if (instead === "") return fd;
  throw new ProtocolError(
    `${requestName(message.request)} brought ${instead} where a connected Unix stream socket is due`,
  );
}
