// The state of a device as a VMM takes it along: read from a pipe, or written to one, as QEMU does.

import { Conveyor } from "../../src/transport/os/conveyor.ts";
import { closeFd, createPipe } from "../../src/transport/os/fds.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { RequestType, StateReply, StateTransfer } from "../../src/transport/wire/vhost-user/protocol.ts";
import { stateTransfer } from "./vhost-user-payloads.ts";
import type { VhostUserFrontend } from "./vhost-user-frontend.ts";

const pipeBytes = 64 * 1024;
/** Of a state that is saved: its pages are made when touched. */
const stateBytesMax = 2 ** 30;

/** The back-end does not give its state, or not all of it. */
class StateMissing extends Error {
  override name = "StateMissing";
}

/** Has the state saved to `fd`, or loaded from it; returns whether that begins. The caller still owns `fd`. */
export function beginTransfer(
  frontend: VhostUserFrontend,
  direction: number,
  fd: number,
  phase: number = StateTransfer.stopped,
): boolean {
  const { payload } = frontend.ask(RequestType.SET_DEVICE_STATE_FD, stateTransfer(direction, phase), [fd]);
  const answer = Number(payload.getBigUint64(0, true));
  if ((answer & StateReply.noFd) === 0) throw new Error("the back-end has a channel of its own");
  return (answer & 0xff) === 0;
}

/** Returns whether the last transfer went well. */
export const checkTransfer = (frontend: VhostUserFrontend): boolean =>
  frontend.ask(RequestType.CHECK_DEVICE_STATE).payload.getBigUint64(0, true) === 0n;

/** The state of a device whose rings are stopped. Throws where it is not given, or not all of it. */
export function saveState(frontend: VhostUserFrontend): Uint8Array<ArrayBuffer> {
  const [reader, writer] = createPipe(pipeBytes);
  const isBegun = begun(frontend, StateTransfer.save, writer);
  const state = carried(frontend, reader, NativeMemory.allocate(stateBytesMax), "in");
  if (!isBegun) throw new StateMissing("no state is saved");
  if (!checkTransfer(frontend)) throw new StateMissing("the state is not all there");
  return state;
}

/** The same; null where it is not given, or not all of it. */
export function stateIfSaved(frontend: VhostUserFrontend): Uint8Array<ArrayBuffer> | null {
  try {
    return saveState(frontend);
  } catch (error) {
    if (error instanceof StateMissing) return null;
    throw error;
  }
}

/** Gives a device whose rings are stopped the state of another. Returns whether it takes that. */
export function loadState(frontend: VhostUserFrontend, state: Uint8Array): boolean {
  const [reader, writer] = createPipe(pipeBytes);
  const isBegun = begun(frontend, StateTransfer.load, reader);
  if (!isBegun || state.length === 0) closeFd(writer);
  else {
    const memory = NativeMemory.allocate(state.length);
    new Uint8Array(memory.view()).set(state);
    carried(frontend, writer, memory, "out");
  }
  return isBegun && checkTransfer(frontend);
}

/** As {@link beginTransfer}, with an end that is the back-end's alone from then on: its other one sees when that is closed. */
function begun(frontend: VhostUserFrontend, direction: number, fd: number): boolean {
  try {
    return beginTransfer(frontend, direction, fd);
  } finally {
    closeFd(fd);
  }
}

/** Carries it by our end of a pipe, while others have their turns, and closes that. Returns what was carried. */
function carried(
  { pump }: VhostUserFrontend,
  fd: number,
  memory: NativeMemory,
  direction: "in" | "out",
): Uint8Array<ArrayBuffer> {
  let count = -1;
  const conveyor = new Conveyor(pump.epoll, fd, memory, direction, (_, bytes) => {
    count = bytes;
    // It would be ready for ever.
    pump.epoll.remove(fd);
  });
  try {
    pump.until(() => count >= 0, "the device's state");
    return new Uint8Array(memory.view()).slice(0, count);
  } finally {
    conveyor.close();
  }
}
