// Whether who holds the guest is still there: a browser that is stopped, or a machine that sleeps, closes no connection.

const lookNs = 2e9;
/** Looks without a sign of life. They are counted, not timed: an inspector that was stopped itself has heard nobody. */
const looksMax = 6;

/** What of a socket is needed to know. */
export interface WatchedSocket {
  ping(): unknown;
  getBufferedAmount(): number;
}

export class Vigil {
  private nextLook = 0;
  private unanswered = 0;
  private unsent = 0;

  constructor(private readonly socket: WatchedSocket) {}

  /** The other side has said something. */
  heard(): void {
    this.unanswered = 0;
  }

  /** Asks now and then. Returns whether the other side has gone without a word. */
  isOver(ns: number): boolean {
    if (ns < this.nextLook) return false;
    this.nextLook = ns + lookNs;
    const unsent = this.socket.getBufferedAmount();
    // One that reads slowly comes to the question late.
    if (unsent < this.unsent) this.heard();
    this.unsent = unsent;
    this.socket.ping();
    return ++this.unanswered > looksMax;
  }
}
