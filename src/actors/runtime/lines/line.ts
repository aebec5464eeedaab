// What carries messages between two actors: a message port where both are threads of one process, and mapped memory where
// one of them has a process of its own.

import { Refusal } from "../../../transport/os/errors.ts";

export interface Line {
  /**
   * Sends a message, the descriptors in it included, which are the receiver's from here on. `number` counts those to this
   * receiver, of which it has taken all up to `taken`, modulo 2^32.
   */
  send(message: object, transfer: MessagePort[], number: number, taken: number): void;
  /** The next message; undefined when there is none now. */
  take(): object | undefined;
  /** Lets what waits for room go, as far as there is some now. */
  flush(): void;
  /** The other end is gone: what is under way is lost, and its descriptors are closed. */
  close(taken: number): void;
  /** This end ends in order: what it has sent may still be taken. */
  leave(): void;
  /** Whether a receiver that runs the engine's event loop has to be rung, too. */
  readonly wakesBell: boolean;
}

/** One end of a line that nobody has taken yet. A port is to be transferred along; descriptors are the receiver's. */
export type LineEnd =
  { kind: "port"; port: MessagePort } | { kind: "rings"; memoryFd: number; socketFd: number; side: 0 | 1 };

/** The other end of a line does not keep to what both have agreed upon. */
export class LineError extends Refusal {
  override name = "LineError";
}
