// A guest whose driver does what a recording says, over the vhost-user socket: made when the first command comes, and started
// anew where the recorded one was.

import { DeviceTimeout } from "../driver/pump.ts";
import type { CommandQueue } from "../driver/command-queue.ts";
import type { Rectangle } from "../driver/commands.ts";
import { SyntheticGuest } from "../driver/synthetic-guest.ts";
import type { Run } from "../../src/recording/recorded-resource.ts";
import { Refusal } from "../../src/transport/os/errors.ts";
import { frontEnds } from "../../src/transport/wire/front-ends.ts";
import { SessionClosed } from "../vmm/message-channel.ts";
import { ownLayout, recordedLayout } from "./guest-layout.ts";

export interface GuestSetup {
  readonly socketPath: string;
  readonly outputs: readonly { width: number; height: number }[];
  /** Told of what the display was given. */
  readonly drawn: (scanoutId: number, rectangle: Rectangle) => void;
  /** How long a command may take, in milliseconds. */
  readonly patienceMs: number;
}

/** What a player waits for before it goes on. */
export interface Wait {
  happened(): boolean;
  readonly what: string;
  /** Whoever waits is woken when so many more chains of a queue are done. */
  readonly chains: number;
}

const bit = (index: number): bigint => 1n << BigInt(index);
const ofDevice = 24;

export class ReplayGuest {
  readonly guest: SyntheticGuest;

  private constructor(
    { socketPath, outputs, drawn, patienceMs }: GuestSetup,
    memory: readonly Run[],
    features: number,
  ) {
    let x = 0;
    const modes = outputs.map(({ width, height }) => ({ x: (x += width) - width, y: 0, width, height }));
    const recorded = recordedLayout(memory);
    this.guest = SyntheticGuest.boot(socketPath, {
      memory: [ownLayout(recorded), ...recorded],
      gpuFeatures: bitsOf(features),
      memorySlots: true,
      // What the recorded guest mapped is mapped, though nobody looks there.
      sharedMemoryBit: frontEnds.current.sharedMemoryBit,
      display: { drawn, ...(modes.length > 0 ? { modes } : {}) },
      patienceMs,
    });
  }

  /** Connects and starts. Throws where the server does not play its part. */
  static start(setup: GuestSetup, memory: readonly Run[], features: number): ReplayGuest {
    return explained(() => new ReplayGuest(setup, memory, features));
  }

  /** Names of device features that the recorded guest used and this device lacks. */
  lacks(features: number): number[] {
    return bitsOf(features).filter((index) => !this.guest.has(index));
  }

  /** The driver starts from nothing, with `features`. */
  restart(features: number): void {
    const { guest } = this;
    explained(() => {
      guest.stop();
      guest.frontend.window?.reset();
      guest.display?.free();
      for (const queue of guest.queues) queue.reset(0);
      const ofTransport = (guest.features >> BigInt(ofDevice)) << BigInt(ofDevice);
      const wanted = bitsOf(features).reduce((sum, one) => sum | bit(one), 0n);
      guest.features = ofTransport | (wanted & guest.offered);
      guest.start();
    });
  }

  /** Memory is now so: what is gone is taken from the device, what is new given. */
  setMemory(memory: readonly Run[]): void {
    const { guest } = this;
    const wanted = recordedLayout(memory);
    const [own, ...have] = guest.memory.regions;
    // It stays where it was when the guest was started.
    const { guestAddress: from, end } = own!;
    if (wanted.some(({ guestAddress, size }) => guestAddress < end && guestAddress + size > from)) {
      const where = "the recorded guest has memory now where that of the replay lies";
      throw new Refusal(`${where}: trim the recording to what follows`);
    }
    const isSame = (a: { guestAddress: number; size: number }, b: { guestAddress: number; size: number }) =>
      a.guestAddress === b.guestAddress && a.size === b.size;
    explained(() => {
      for (const region of have.filter((one) => !wanted.some((other) => isSame(one, other)))) {
        guest.hotRemove(region);
        guest.memory.removeRegion(region);
      }
      for (const layout of wanted) if (!have.some((one) => isSame(one, layout))) guest.hotAdd(layout);
    });
  }

  /** Waits, while what is done is collected. Throws where the server is gone, or hangs. */
  until(wait: Wait): void {
    const { patienceMs } = this.guest.pump;
    if (!this.serve(wait, patienceMs)) throw new Refusal(`${wait.what}: nothing after ${patienceMs} ms`);
  }

  /** As {@link until}, for `ms` at most. Returns whether it has happened. */
  serve({ happened, chains }: Wait, ms: number): boolean {
    const { pump, frontend, queues } = this.guest;
    const deadline = performance.now() + ms;
    for (;;) {
      for (const queue of queues) {
        queue.collect();
        // What was answered between that look and the request for an interrupt is told by none.
        while (!happened() && enableCall(queue, chains)) queue.collect();
      }
      if (frontend.closed) throw new Refusal("the server hung up");
      if (happened()) return true;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) return false;
      explained(() => pump.epoll.wait(Math.ceil(leftMs)));
    }
  }

  close(): void {
    this.guest.close();
  }
}

const enableCall = ({ ring }: CommandQueue, chains: number): boolean =>
  ring.enableCall(Math.max(1, Math.min(chains, ring.inFlight)));

const bitsOf = (features: number): number[] =>
  Array.from({ length: ofDevice }, (_, index) => index).filter((index) => (features & (1 << index)) !== 0);

/** What a peer does wrong is one sentence for whoever asked for the replay. */
function explained<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof DeviceTimeout || error instanceof SessionClosed)) throw error;
    throw new Refusal(error.message, { cause: error });
  }
}
