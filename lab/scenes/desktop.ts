// What a desktop changes while somebody works: letters that are typed, and a window that is moved.

import type { GpuDriver, Image } from "../driver/gpu-driver.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";

const size = { width: 1280, height: 800 };
const letter = { width: 8, height: 16 };
const window = { width: 408, height: 308 };
/** Pixels that the window is moved by, right and down. */
const step = { x: 12, y: 5 };
const background = 0x0033_4455;

export class Desktop {
  private readonly image: Image;
  private letters = 0;
  private moves = 0;

  /** Shows itself on scanout 0, as resource `id`. */
  constructor(
    private readonly gpu: GpuDriver,
    id: number,
  ) {
    this.image = gpu.createImage(id, Format.B8G8R8X8, size.width, size.height);
    this.image.pixels.fill(background);
    gpu.show(0, this.image);
  }

  /** A letter in the lower part of the screen, of a colour of its own. */
  type(): void {
    const columns = size.width / letter.width;
    const rows = 16;
    const place = this.letters % (columns * rows);
    const area = {
      x: (place % columns) * letter.width,
      y: size.height - (rows - Math.floor(place / columns)) * letter.height,
      ...letter,
    };
    this.fill(area, colourOf(++this.letters));
    this.gpu.present(this.image, area);
  }

  /** The window, farther along; what it leaves is background again. */
  move(): void {
    const from = placeOf(this.moves);
    const to = placeOf(++this.moves);
    this.fill({ ...from, ...window }, background);
    this.fill({ ...to, ...window }, colourOf(this.moves));
    const x = Math.min(from.x, to.x);
    const y = Math.min(from.y, to.y);
    const right = Math.max(from.x, to.x) + window.width;
    const bottom = Math.max(from.y, to.y) + window.height;
    this.gpu.present(this.image, { x, y, width: right - x, height: bottom - y });
  }

  private fill(area: { x: number; y: number; width: number; height: number }, colour: number): void {
    for (let y = area.y; y < area.y + area.height; y++) {
      const from = y * size.width + area.x;
      this.image.pixels.fill(colour, from, from + area.width);
    }
  }
}

/** One of 2^24 colours for each number, unlike its neighbours'. */
const colourOf = (number: number): number => (number * 2_654_435) & 0xff_ffff;

const placeOf = (moves: number): { x: number; y: number } => ({
  x: (moves * step.x) % (size.width - window.width),
  y: (moves * step.y) % (size.height - window.height - 16 * letter.height),
});
