// The guest's one loop: whoever waits for something serves the display, the VMM's sockets and interrupts meanwhile.

import { Epoll } from "../../src/transport/os/epoll.ts";

/** Something that the device should have done by now has not happened. */
export class DeviceTimeout extends Error {
  override name = "DeviceTimeout";
}

export class Pump {
  readonly epoll = new Epoll();

  /** `patienceMs`: how long {@link until} waits when it is not told. */
  constructor(readonly patienceMs = 5000) {}

  /** Serves everything until `happened` returns true. Throws a {@link DeviceTimeout} that names `what`. */
  until(happened: () => boolean, what: string, timeoutMs = this.patienceMs): void {
    const deadline = performance.now() + timeoutMs;
    while (!happened()) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw new DeviceTimeout(`${what}: nothing after ${timeoutMs} ms`);
      this.epoll.wait(Math.ceil(leftMs));
    }
  }

  /** Serves everything for `ms` milliseconds: for showing that something does not happen. */
  serve(ms: number): void {
    const deadline = performance.now() + ms;
    for (let leftMs = ms; leftMs > 0; leftMs = deadline - performance.now())
      this.epoll.wait(Math.ceil(leftMs));
  }

  /** Serves what is ready now. */
  drain(): void {
    while (this.epoll.wait(0) > 0);
  }

  close(): void {
    this.epoll.close();
  }
}
