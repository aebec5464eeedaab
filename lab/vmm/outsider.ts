// Tells a server of somebody outside of it, for its inspector to show beside the actors: counts, for as long as this is open.

import { createConnection, type Socket } from "node:net";

export class Outsider {
  private readonly socket: Socket;

  /** Connects to a server's control socket; one that is not there, or goes, has nobody to show it to. */
  constructor(
    controlPath: string,
    private readonly name: string,
  ) {
    this.socket = createConnection(controlPath);
    this.socket.on("error", () => undefined);
    // Answers are told to nobody.
    this.socket.resume();
  }

  tell(state: string, counters: Readonly<Record<string, number>>): void {
    if (this.socket.writable)
      this.socket.write(`${JSON.stringify({ command: "outsider", name: this.name, state, counters })}\n`);
  }

  close(): void {
    this.socket.destroy();
  }
}
