// What has to be true of all that a recorder leaves on its disks.

import { type Chance, oneIn } from "../../lab/fuzz/chance.ts";
import { SimulatedDisk } from "./disk.ts";
import type { World } from "./world.ts";

/** Has the recorder record and stop. */
export class Recordings {
  /** Entries that were read again. */
  entries = 0;
  private token = 0;
  private disks: SimulatedDisk[] = [];

  constructor(private readonly world: World) {}

  act(chance: Chance): void {
    const { host } = this.world.supervisor;
    if (!this.world.supervisor.isUp("recorder")) return;
    this.token++;
    if (oneIn(chance, 3)) return host.send("recorder", { type: "ask-recording-end", token: this.token });
    const bytesMax = oneIn(chance, 3) ? chance(200_000) : Infinity;
    const pieceMs = oneIn(chance, 3) ? chance(400) : 0;
    const disk = new SimulatedDisk(bytesMax, pieceMs);
    this.disks.push(disk);
    this.world.disk = disk;
    host.send("recorder", { type: "ask-recording", token: this.token, path: disk.name });
  }

  /** Looks at all that have ended. Throws a {@link Mismatch}. */
  check(): void {
    for (const disk of this.disks) if (disk.isOver) this.entries += disk.check();
    this.disks = this.disks.filter(({ isOver }) => !isOver);
  }
}
