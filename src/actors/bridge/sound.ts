// Whether what the ctrl queue lends may be handed to a peer: its process may be somebody else's by now, and what it says be anything.
// Nobody but that knows how many rows there are.

import { asRefusal } from "../../transport/os/errors.ts";
import { isAnonymous, isLasting, sizeOfFd } from "../../transport/os/fds.ts";
import type { ResourceBridgeMessage } from "./messages.ts";

const isU32 = (value: unknown): boolean => Number.isInteger(value) && (value as number) >>> 0 === value;

/** Returns why not, or "". */
export function faultOf(answer: ResourceBridgeMessage): string {
  try {
    return answer.type === "buffer" ? faultOfBuffer(answer) : faultOfFence(answer);
  } catch (error) {
    return asRefusal(error).message;
  }
}

function faultOfBuffer(buffer: Extract<ResourceBridgeMessage, { type: "buffer" }>): string {
  const { fd, offset, stride, modifierHigh, modifierLow } = buffer;
  if (![offset, stride, modifierHigh, modifierLow].every(isU32)) return "its layout makes no sense";
  if (!isLasting(fd)) return "its memory could be cut off";
  return sizeOfFd(fd) < offset + Math.max(stride, 1) ? "its memory ends before its first row does" : "";
}

/** A sync file is one of the kernel's own: no file, no socket and no memory. */
const faultOfFence = ({ fd }: ResourceBridgeMessage): string =>
  isAnonymous(fd) ? "" : "its descriptor is no fence";
