// The tap of an actor that has a process of its own: memory that only this process and the server have, where the server's area of all
// taps has that actor's. So that process sees no other actor's.

import { closeFd, createMemfd } from "../../transport/os/fds.ts";
import type { NativeMemory } from "../../transport/os/native-memory.ts";
import { tapBytes, tapsBytes } from "./tap/layout.ts";

export class OuterTap {
  /** As long as the area of all, of which nothing else is touched. */
  fd: number;

  /** `taps` is the area of all. */
  constructor(
    private readonly taps: NativeMemory,
    private readonly slot: number,
  ) {
    this.fd = createMemfd("fencepost-tap", tapsBytes);
    this.put();
  }

  /** Moves what lies there, which the inspector goes on with, to memory that the process before does not have. It has ended. */
  renew(): void {
    const left = new Uint8Array(this.taps.view(this.at, tapBytes)).slice();
    closeFd(this.fd);
    this.fd = createMemfd("fencepost-tap", tapsBytes);
    this.put();
    new Uint8Array(this.taps.view(this.at, tapBytes)).set(left);
  }

  close(): void {
    closeFd(this.fd);
  }

  private get at(): number {
    return this.slot * tapBytes;
  }

  private put(): void {
    this.taps.replaceShared(this.fd, this.at, tapBytes);
  }
}
