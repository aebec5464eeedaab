// Which command of the recording each of the server's is, since the replay began where it did.

import { MonotonicClock } from "../../../src/transport/os/monotonic-clock.ts";
import type { CommandStep } from "../../../src/recording/steps.ts";
import type { Progress } from "../playback.ts";
import type { ReplayGuest } from "../replay-guest.ts";

interface Sent {
  /** Of the server: it counts a queue's commands from 1. */
  readonly theirs: number[];
  readonly ours: number[];
}

export class Journal {
  /** When it began, of CLOCK_MONOTONIC: what the server did before is not what has led here. */
  sinceNs = 0;
  private readonly clock = new MonotonicClock();
  private sent: readonly Sent[] = nothingSent();

  constructor(private readonly replay: () => ReplayGuest | null) {}

  readonly began = (): void => {
    this.sinceNs = this.clock.now();
    this.sent = nothingSent();
  };

  readonly played = ({ command: { queue } }: CommandStep, { commands }: Readonly<Progress>): void => {
    const { theirs, ours } = this.sent[queue]!;
    theirs.push(this.replay()!.guest.queues[queue as 0 | 1]!.submitted);
    ours.push(commands - 1);
  };

  /** The recording's number of the `number`th command of a queue; null where the replay has sent it itself. */
  numberOf(queue: 0 | 1, number: number): number | null {
    const { theirs, ours } = this.sent[queue]!;
    let [low, high] = [0, theirs.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (theirs[middle]! < number) low = middle + 1;
      else high = middle;
    }
    return theirs[low] === number ? ours[low]! : null;
  }
}

const nothingSent = (): readonly Sent[] => [0, 1].map(() => ({ theirs: [], ours: [] }));
