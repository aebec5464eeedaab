// What a VMM does to a device amid its guest's commands: it pauses the VM, resets the device, and lies on the display's socket.

import { type Chance, mutated, oneIn, pick, word } from "../../lab/fuzz/chance.ts";
import type { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import type { DisplayPeerOptions } from "../../lab/vmm/display-options.ts";
import {
  DisplayRequest,
  Header,
  replyBytes,
  replyFlag,
} from "../../src/transport/wire/vhost-user-gpu/protocol.ts";
import { Mismatch } from "./answers.ts";

/** Stops both rings; returns where. Throws a {@link Mismatch}. */
export function stopRings({ frontend, queues }: SyntheticGuest): number[] {
  queues.forEach((_, index) => frontend.setVringEnable(index, false));
  const bases = queues.map((_, index) => frontend.getVringBase(index));
  queues.forEach((queue, index) => {
    queue.collect();
    // What was taken is answered by then.
    const { base } = queue.ring;
    if (base !== bases[index]) throw new Mismatch(`ring ${index} stops at ${bases[index]}, not ${base}`);
  });
  return bases;
}

/** Has both rings go on where they stopped. */
export function restartRings(guest: SyntheticGuest, bases: readonly number[]): void {
  bases.forEach((base, index) => guest.startRing(index, base));
  bases.forEach((_, index) => guest.frontend.setVringEnable(index, true));
}

/** Stops both rings, and has them go on after `meanwhile`. Throws a {@link Mismatch}. */
export function pauseVm(guest: SyntheticGuest, meanwhile: () => void): void {
  const bases = stopRings(guest);
  meanwhile();
  restartRings(guest, bases);
}

/** Ends a driver amid what it does, by RESET_DEVICE or ring by ring, and starts another one. */
export function restartDriver(guest: SyntheticGuest, byReset: boolean): void {
  if (byReset) guest.frontend.resetDevice();
  else guest.stop();
  guest.display!.free();
  for (const queue of guest.queues) queue.reset();
  guest.start();
}

/** A VMM's display, which need not know much, nor tell the truth of it. */
export function anyDisplay(chance: Chance): DisplayPeerOptions {
  return {
    features: chance(4),
    modes: Array.from({ length: chance(17) }, () => ({
      x: word(chance),
      y: word(chance),
      width: word(chance),
      height: word(chance),
    })),
    edid: Uint8Array.from({ length: 128 * chance(9) }, () => chance(256)),
    answersDisplayInfo: !oneIn(chance, 4),
    answersEdid: !oneIn(chance, 4),
  };
}

const questions = [
  DisplayRequest.GET_PROTOCOL_FEATURES,
  DisplayRequest.GET_DISPLAY_INFO,
  DisplayRequest.GET_EDID,
  DisplayRequest.DMABUF_UPDATE,
];

/** An answer that nobody has asked for, or that makes no sense, or some bytes of one. */
export function anyLie(chance: Chance): Uint8Array {
  const request = pick(chance, questions);
  const size = replyBytes[request]!;
  const answer = new Uint8Array(Header.bytes + size);
  const view = new DataView(answer.buffer);
  view.setUint32(Header.request, request, true);
  view.setUint32(Header.flags, replyFlag, true);
  view.setUint32(Header.size, size, true);
  return oneIn(chance, 2) ? answer : mutated(chance, answer, answer.length);
}
