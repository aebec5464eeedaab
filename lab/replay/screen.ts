// What the display of a replay has drawn, for whoever wants to see each picture and not the last of several.

import type { Rectangle } from "../driver/commands.ts";
import type { Framebuffer } from "../vmm/display-scanout.ts";
import type { ReplayGuest } from "./replay-guest.ts";

/** A server whose picture has not come for so long shows none. */
const pictureMs = 10_000;

export class Screen {
  /** Rows of each scanout that are yet to be drawn: from, to. */
  private readonly owed = new Map<number, { from: number; to: number }>();

  /** Told of what was drawn; pictures come from the top down, in one piece or several. */
  readonly drawn = (scanout: number, { y, height }: Rectangle): void => {
    const rows = this.owed.get(scanout);
    if (rows === undefined || y > rows.from) return;
    rows.from = Math.max(rows.from, y + height);
    if (rows.from >= rows.to) this.owed.delete(scanout);
  };

  /** From here on a picture of these rows is expected. */
  expect(scanout: number, { y, height }: Rectangle): void {
    if (height > 0) this.owed.set(scanout, { from: y, to: y + height });
  }

  /** What is expected does not come. */
  forget(): void {
    this.owed.clear();
  }

  get isSettled(): boolean {
    return this.owed.size === 0;
  }

  /** Waits for what is expected. Returns false where it did not come. */
  settle({ guest }: ReplayGuest): boolean {
    const deadline = performance.now() + pictureMs;
    while (this.owed.size > 0) {
      const left = deadline - performance.now();
      if (left <= 0 || guest.frontend.closed) {
        this.forget();
        return false;
      }
      guest.pump.epoll.wait(Math.ceil(left));
    }
    return true;
  }

  /** What `scanout` shows; null while it is off. */
  picture({ guest }: ReplayGuest, scanout: number): Framebuffer | null {
    return guest.display?.framebuffer(scanout) ?? null;
  }
}
