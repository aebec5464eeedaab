// A line between two threads of one process: descriptors are numbers that both understand.

import { receiveMessageOnPort } from "node:worker_threads";
import { closeFd } from "../../../transport/os/fds.ts";
import type { Line } from "./line.ts";
import { descriptorsIn, UnderWay } from "./under-way.ts";

export class PortLine implements Line {
  readonly wakesBell = false;
  /** What sent messages gave away. */
  private readonly underWay = new UnderWay();

  constructor(private readonly port: MessagePort) {}

  send(message: object, transfer: MessagePort[], number: number, taken: number): void {
    this.port.postMessage(message, transfer);
    const fds = descriptorsIn(message);
    if (fds.length > 0) this.underWay.add(number, fds, taken);
  }

  take(): object | undefined {
    return receiveMessageOnPort(this.port)?.message as object | undefined;
  }

  /** A port always has room. */
  flush(): void {}

  /** The port goes with its thread. */
  leave(): void {}

  close(taken: number): void {
    this.underWay.close(taken);
    for (let message = this.take(); message !== undefined; message = this.take()) {
      for (const fd of descriptorsIn(message)) closeFd(fd);
    }
    this.port.close();
  }
}
