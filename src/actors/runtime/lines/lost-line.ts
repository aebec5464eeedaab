// The line to an actor that is gone, until it has a successor: what it is sent is lost.

import { closeFd } from "../../../transport/os/fds.ts";
import type { Line } from "./line.ts";
import { descriptorsIn } from "./under-way.ts";

export const lostLine: Line = {
  wakesBell: false,
  send(message) {
    descriptorsIn(message).forEach(closeFd);
  },
  take: () => undefined,
  flush() {},
  leave() {},
  close() {},
};
