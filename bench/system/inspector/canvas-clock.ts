// When the inspector's page has painted what: watches its canvas from inside of the page, by the page's own clock.

import type { InspectorPage } from "../../../lab/browser/inspector-page.ts";
import { MonotonicClock } from "../../../src/transport/os/monotonic-clock.ts";

/** A pixel that has its colour, 0xRRGGBB, when what is waited for is on the canvas. */
export interface Mark {
  x: number;
  y: number;
  colour: number;
}

const handshakes = 50;
/** Marks before and after the newest that was seen among which others are looked for: a second's. */
const around = 30;

/**
 * Runs in the page. What is put onto a canvas is looked through for marks; those are painted when the frame with them has
 * been handed on, which is when a message comes that the frame's callback has sent.
 */
const watcher = `(marks) => {
  const painted = (window.paintedMs = new Array(marks.length).fill(0));
  let newest = 0;
  const { port1, port2 } = new MessageChannel();
  const waiting = [];
  port1.onmessage = () => {
    const now = performance.now();
    for (const mark of waiting.shift()) painted[mark] = now;
  };
  const put = CanvasRenderingContext2D.prototype.putImageData;
  CanvasRenderingContext2D.prototype.putImageData = function (image, left, top) {
    put.call(this, image, left, top);
    const found = [];
    const end = Math.min(marks.length, newest + ${around});
    for (let mark = Math.max(0, newest - ${around}); mark < end; mark++) {
      const [x, y] = [marks[mark].x - left, marks[mark].y - top];
      if (painted[mark] !== 0 || x < 0 || y < 0 || x >= image.width || y >= image.height) continue;
      const at = 4 * (y * image.width + x);
      const [red, green, blue] = image.data.subarray(at, at + 3);
      if (((red << 16) | (green << 8) | blue) !== marks[mark].colour) continue;
      found.push(mark);
      painted[mark] = -1;
    }
    if (found.length === 0) return;
    newest = Math.max(newest, ...found);
    requestAnimationFrame(() => {
      waiting.push(found);
      port2.postMessage(0);
    });
  };
}`;

export class CanvasClock {
  private constructor(
    private readonly page: InspectorPage["page"],
    /** What the page's clock is behind CLOCK_MONOTONIC, and by how much that may be wrong at most; in milliseconds. */
    private readonly behindMs: number,
    readonly errorMs: number,
  ) {}

  static async watch({ page }: InspectorPage, marks: readonly Mark[]): Promise<CanvasClock> {
    await page.evaluate(`(${watcher})(${JSON.stringify(marks)})`);
    const clock = new MonotonicClock();
    let best = { behindMs: 0, errorMs: Infinity };
    // The answer that took the least time says the most.
    for (let handshake = 0; handshake < handshakes; handshake++) {
      const before = clock.now() / 1e6;
      const theirs = await page.evaluate<number>("performance.now()");
      const after = clock.now() / 1e6;
      const errorMs = (after - before) / 2;
      if (errorMs < best.errorMs) best = { behindMs: (before + after) / 2 - theirs, errorMs };
    }
    clock.close();
    return new CanvasClock(page, best.behindMs, best.errorMs);
  }

  /** When each mark was painted, by CLOCK_MONOTONIC in milliseconds; Infinity for those that never were. */
  async paintedMs(): Promise<number[]> {
    const painted = await this.page.evaluate<number[]>("window.paintedMs");
    return painted.map((ms) => (ms > 0 ? ms + this.behindMs : Infinity));
  }
}
