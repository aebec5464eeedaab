// What a desktop changes while somebody works: letters that are typed, and a window that is moved, by turns.

import type { GpuDriver, Image } from "../driver/gpu-driver.ts";
import type { Rectangle } from "../driver/commands.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";

const size = { width: 1280, height: 800 };
const letter = { width: 8, height: 16 };
const window = { width: 408, height: 308 };
/** Rows of letters, at the lower end. */
const rows = 16;
/** Pixels that the window is moved by, right and down. */
const step = { x: 12, y: 5 };
const background = 0x0033_4455;

/** What an update changes: what it is drawn of, and all of what is flushed. */
export interface DesktopUpdate {
  area: Rectangle;
  /** Drawn in this order; the last has a colour that no other update has. */
  fills: readonly (Rectangle & { colour: number })[];
}

/** The update with that number, from 1 on: each has its own place, and depends on no other. */
export function desktopUpdate(number: number): DesktopUpdate {
  const colour = (number * 2_654_435) & 0xff_ffff;
  const half = number >> 1;
  if (number % 2 === 0) {
    const columns = size.width / letter.width;
    const place = half % (columns * rows);
    const x = (place % columns) * letter.width;
    const y = size.height - (rows - Math.floor(place / columns)) * letter.height;
    const area = { x, y, ...letter };
    return { area, fills: [{ ...area, colour }] };
  }
  const [from, to] = [placeOf(half), placeOf(half + 1)];
  const [x, y] = [Math.min(from.x, to.x), Math.min(from.y, to.y)];
  const right = Math.max(from.x, to.x) + window.width;
  const bottom = Math.max(from.y, to.y) + window.height;
  return {
    area: { x, y, width: right - x, height: bottom - y },
    fills: [
      { ...from, ...window, colour: background },
      { ...to, ...window, colour },
    ],
  };
}

/** Where the window is after so many moves. */
const placeOf = (moves: number): { x: number; y: number } => ({
  x: (moves * step.x) % (size.width - window.width),
  y: (moves * step.y) % (size.height - window.height - rows * letter.height),
});

export class Desktop {
  private readonly image: Image;

  /** Shows itself on scanout 0, as resource `id`. */
  constructor(
    private readonly gpu: GpuDriver,
    id: number,
  ) {
    this.image = gpu.createImage(id, Format.B8G8R8X8, size.width, size.height);
    this.image.pixels.fill(background);
    gpu.show(0, this.image);
  }

  /** Draws and flushes the update with that number. */
  show(number: number): void {
    const { area, fills } = desktopUpdate(number);
    for (const { x, y, width, height, colour } of fills) {
      for (let row = y; row < y + height; row++) {
        const from = row * size.width + x;
        this.image.pixels.fill(colour, from, from + width);
      }
    }
    this.gpu.present(this.image, area);
  }
}
