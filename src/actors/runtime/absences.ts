// Who is gone just now, for an actor that starts meanwhile: it was told of nothing.

import type { WorkerName } from "../registry.ts";
import type { RuntimeMessage } from "./mailbox.ts";

export class Absences {
  private readonly returns = new Map<WorkerName, boolean>();

  /** `name` has crashed, and has a successor or none. */
  lost(name: WorkerName, returns: boolean): void {
    this.returns.set(name, returns);
  }

  /** Its successor has lines to its peers. */
  linked(name: WorkerName): void {
    this.returns.delete(name);
  }

  /** What one that starts has to hear of those of its peers that are gone. */
  among(peers: readonly WorkerName[]): RuntimeMessage[] {
    return peers.flatMap((peer) => {
      const returns = this.returns.get(peer);
      return returns === undefined ? [] : [{ runtime: "peer-lost", peer, returns }];
    });
  }
}
