// The state of a device as a VMM takes it along: read from a pipe, or written to one, as QEMU does.

import { readFileSync, writeFileSync } from "node:fs";
import { closeFd, createPipe } from "../../src/transport/os/fds.ts";
import { RequestType, StateReply, StateTransfer } from "../../src/transport/wire/vhost-user/protocol.ts";
import { stateTransfer } from "./vhost-user-payloads.ts";
import type { VhostUserFrontend } from "./vhost-user-frontend.ts";

const pipeBytes = 64 * 1024;

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
  try {
    if (!begun(frontend, StateTransfer.save, writer)) throw new StateMissing("no state is saved");
    const state = new Uint8Array(readFileSync(reader));
    if (!checkTransfer(frontend)) throw new StateMissing("the state is not all there");
    return state;
  } finally {
    closeFd(reader);
  }
}

/** Gives a device whose rings are stopped the state of another. Returns whether it takes that. */
export function loadState(frontend: VhostUserFrontend, state: Uint8Array): boolean {
  const [reader, writer] = createPipe(pipeBytes);
  try {
    if (!begun(frontend, StateTransfer.load, reader)) return false;
    writeFileSync(writer, state);
  } finally {
    closeFd(writer);
  }
  return checkTransfer(frontend);
}

/** As {@link beginTransfer}, with an end that is the back-end's alone from then on: its other one sees when that is closed. */
function begun(frontend: VhostUserFrontend, direction: number, fd: number): boolean {
  try {
    return beginTransfer(frontend, direction, fd);
  } finally {
    closeFd(fd);
  }
}
