// Standard output for what comes without end: bounded while nobody reads it, and done when whoever did has gone.

import { stdout } from "node:process";

const unsentBytesMax = 1024 * 1024;
/** The last lines may wait so long for a reader. */
const lastLinesMs = 1_000;

export class Output {
  private dropped = 0;
  private isClosed = false;
  private closed = (): void => {};

  constructor() {
    stdout.on("error", () => {
      // Nobody reads any more, such as head(1).
      this.isClosed = true;
      this.closed();
    });
  }

  onClosed(call: () => void): void {
    this.closed = call;
  }

  write(lines: readonly string[]): void {
    if (lines.length === 0 || this.isClosed) return;
    if (stdout.writableLength > unsentBytesMax) this.dropped += lines.length;
    else stdout.write(`${lines.join("\n")}\n`);
  }

  /** Lines that were dropped since the last call. */
  takeDropped(): number {
    const { dropped } = this;
    this.dropped = 0;
    return dropped;
  }

  /** Waits until all is written, or it takes too long. */
  async end(): Promise<void> {
    if (this.isClosed || stdout.writableLength === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = resolve;
    stdout.write("", () => resolve());
    await Promise.race([promise, Bun.sleep(lastLinesMs)]);
  }
}
