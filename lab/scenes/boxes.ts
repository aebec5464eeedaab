// Boxes that bounce before a sky, and a pointer: what the program in lab/kvm/guest draws (picture.c), by whole numbers alone. A
// picture depends on the size and the frame's number.

import { cursorSize } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import type { Rectangle } from "../driver/commands.ts";
import { union } from "./landscape.ts";

interface Box {
  /** In sixteenths of the picture's height. */
  size: readonly [width: number, height: number];
  /** Pixels a frame, and where on its way it begins. */
  speed: readonly [x: number, y: number];
  start: readonly [x: number, y: number];
  colour: number;
}

const boxes: readonly Box[] = [
  { size: [4, 3], speed: [3, 2], start: [0, 17], colour: 0xe4572e },
  { size: [3, 3], speed: [2, 3], start: [90, 40], colour: 0xf3a712 },
  { size: [2, 3], speed: [4, 1], start: [200, 5], colour: 0x76b041 },
  { size: [2, 2], speed: [1, 4], start: [33, 120], colour: 0x17bebb },
  { size: [3, 1], speed: [5, 3], start: [310, 60], colour: 0x8e6ccf },
  { size: [1, 1], speed: [3, 5], start: [150, 90], colour: 0xfafafa },
];
const edge = 2;
const edgeColour = 0x202028;
/** Red, green and blue at the top, and how much is added towards the bottom. */
const sky = [
  [20, 90],
  [30, 110],
  [80, 130],
] as const;
const pointerSpeed = { x: 3, y: 2 } as const;
const arrowHeight = 32;

/** Draws into `pixels` (0x00RRGGBB, row by row) of `width` × `height`. */
export class Boxes {
  private places: Rectangle[] = [];

  constructor(
    private readonly pixels: Uint32Array,
    readonly width: number,
    readonly height: number,
  ) {}

  /** Draws frame `frame` over whichever was drawn before; returns the rectangles that changed. */
  draw(frame: number): Rectangle[] {
    const all = { x: 0, y: 0, width: this.width, height: this.height };
    const before = this.places;
    for (const place of before.length === 0 ? [all] : before) this.fillSky(place);
    this.places = boxes.map((box) => this.placeOf(box, frame));
    this.places.forEach((place, index) => this.drawBox(place, boxes[index]!.colour));
    return before.length === 0 ? [all] : this.places.map((place, index) => union(place, before[index]!));
  }

  /** Where the scene's pointer is at `frame`. */
  pointerAt(frame: number): { x: number; y: number } {
    return {
      x: bounce(pointerSpeed.x * frame, this.width - 1),
      y: bounce(Math.floor(this.height / 3) + pointerSpeed.y * frame, this.height - 1),
    };
  }

  private placeOf({ size, speed, start }: Box, frame: number): Rectangle {
    const [width, height] = size.map((part) => Math.floor((part * this.height) / 16)) as [number, number];
    return {
      x: bounce(start[0] + frame * speed[0], this.width - width),
      y: bounce(start[1] + frame * speed[1], this.height - height),
      width,
      height,
    };
  }

  private drawBox({ x, y, width, height }: Rectangle, colour: number): void {
    this.fill({ x, y, width, height }, () => edgeColour);
    this.fill({ x: x + edge, y: y + edge, width: width - 2 * edge, height: height - 2 * edge }, () => colour);
  }

  private fillSky(area: Rectangle): void {
    this.fill(area, (y) =>
      sky.reduce((colour, [top, more]) => (colour << 8) | (top + Math.floor((y * more) / this.height)), 0),
    );
  }

  private fill({ x, y, width, height }: Rectangle, colourOf: (y: number) => number): void {
    for (let row = y; row < y + height; row++) {
      const start = row * this.width + x;
      this.pixels.fill(colourOf(row), start, start + width);
    }
  }
}

/** Draws the pointer's image into `pixels`, 0xAARRGGBB; the rest stays transparent. Its hot spot is the tip, 0,0. */
export function drawPlainArrow(pixels: Uint32Array): void {
  for (let y = 0; y < arrowHeight; y++) {
    for (let x = 0; x <= y; x++) {
      const isEdge = x === 0 || x === y || y === arrowHeight - 1;
      pixels[y * cursorSize + x] = isEdge ? 0xff101018 : 0xfffafafa;
    }
  }
}

/** There and back between 0 and `range`. */
function bounce(way: number, range: number): number {
  const at = range === 0 ? 0 : way % (2 * range);
  return at <= range ? at : 2 * range - at;
}
