// An evening landscape with drifting balloons and a panel of bars: a picture that depends on the frame number alone.
// Only what moves is drawn again, so that damage is as small as a desktop's.

import type { Rectangle } from "../driver/commands.ts";

type Colour = number;

interface Balloon {
  radius: number;
  colour: Colour;
  /** Fractions of the picture, and turns per frame. */
  height: number;
  phase: number;
  speed: number;
}

const balloons: readonly Balloon[] = [
  { radius: 0.062, colour: 0xe4572e, height: 0.3, phase: 0, speed: 1 / 420 },
  { radius: 0.045, colour: 0xf3a712, height: 0.42, phase: 0.35, speed: 1 / 560 },
  { radius: 0.034, colour: 0x76b041, height: 0.2, phase: 0.62, speed: 1 / 700 },
  { radius: 0.026, colour: 0x17bebb, height: 0.5, phase: 0.82, speed: 1 / 850 },
];

const skyTop = 0x16213e;
const skyBottom = 0xf7a072;
const hills: readonly { base: number; swing: number; waves: number; colour: Colour }[] = [
  { base: 0.66, swing: 0.06, waves: 2.3, colour: 0x5b4b73 },
  { base: 0.76, swing: 0.045, waves: 3.7, colour: 0x3b3355 },
  { base: 0.88, swing: 0.03, waves: 5.1, colour: 0x241f3a },
];
const barCount = 12;

/** Draws into `pixels` (0x00RRGGBB, row by row) of `width` × `height`. */
export class Landscape {
  private readonly background: Uint32Array;
  private previous: Rectangle[] = [];
  private drawn = false;

  constructor(
    private readonly pixels: Uint32Array,
    readonly width: number,
    readonly height: number,
  ) {
    this.background = new Uint32Array(width * height);
    this.paintBackground();
  }

  /** Draws frame `frame` over whichever was drawn before; returns the rectangles that changed. */
  draw(frame: number): Rectangle[] {
    const first = !this.drawn;
    if (first) this.pixels.set(this.background);
    this.drawn = true;
    for (const rectangle of this.previous) this.restore(rectangle);
    const now = [...balloons.map((one) => this.paintBalloon(one, frame)), this.paintPanel(frame)];
    const damage = first ? [{ x: 0, y: 0, width: this.width, height: this.height }] : this.merge(now);
    this.previous = now;
    return damage;
  }

  /** Where the scene's pointer is at `frame`: a figure of eight. */
  pointerAt(frame: number): { x: number; y: number } {
    const turn = (frame / 240) * 2 * Math.PI;
    return {
      x: Math.round(this.width * (0.5 + 0.38 * Math.sin(turn))),
      y: Math.round(this.height * (0.5 + 0.3 * Math.sin(2 * turn))),
    };
  }

  private paintBackground(): void {
    const { width, height, background } = this;
    for (let y = 0; y < height; y++) {
      background.fill(blend(skyTop, skyBottom, Math.min(1, y / (height * 0.8))), y * width, (y + 1) * width);
    }
    const sun = { x: width * 0.7, y: height * 0.62, radius: height * 0.13 };
    this.fillCircle(background, sun.x, sun.y, sun.radius * 1.35, 0xffd9a0, 0.25);
    this.fillCircle(background, sun.x, sun.y, sun.radius, 0xffe8c2, 1);
    for (const { base, swing, waves, colour } of hills) {
      for (let x = 0; x < width; x++) {
        const at = (x / width) * waves * 2 * Math.PI;
        const top = Math.round(height * (base + swing * (Math.sin(at) + 0.4 * Math.sin(2.7 * at + 1))));
        for (let y = Math.max(0, top); y < height; y++) background[y * width + x] = colour;
      }
    }
  }

  private paintBalloon({ radius, colour, height, phase, speed }: Balloon, frame: number): Rectangle {
    const reach = radius * this.height;
    const x = ((phase + frame * speed) % 1) * (this.width + 4 * reach) - 2 * reach;
    const y = this.height * (height + 0.04 * Math.sin((phase + frame * speed * 3) * 2 * Math.PI));
    this.fillCircle(this.pixels, x, y, reach, colour, 1);
    this.fillCircle(this.pixels, x - reach * 0.3, y - reach * 0.35, reach * 0.35, 0xffffff, 0.35);
    this.fillBox(x - reach * 0.22, y + reach * 1.35, reach * 0.44, reach * 0.34, 0x4a3728);
    this.fillBox(x - reach * 0.2, y + reach * 0.9, Math.max(1, reach * 0.04), reach * 0.45, 0x4a3728);
    this.fillBox(x + reach * 0.16, y + reach * 0.9, Math.max(1, reach * 0.04), reach * 0.45, 0x4a3728);
    return this.clip(x - reach - 1, y - reach - 1, 2 * reach + 3, reach * 2.75 + 3);
  }

  /** Bars that rise and fall, over lines of what could be text. */
  private paintPanel(frame: number): Rectangle {
    const unit = this.height / 60;
    const box = this.clip(unit * 2, this.height - unit * 16, unit * 30, unit * 14);
    this.fillBox(box.x, box.y, box.width, box.height, 0x11131f);
    const barWidth = (box.width - unit * 2) / barCount;
    for (let bar = 0; bar < barCount; bar++) {
      const level = 0.5 + 0.5 * Math.sin(frame / 14 + bar * 0.7);
      const barHeight = unit * (0.5 + 5.5 * level);
      const x = box.x + unit + bar * barWidth;
      this.fillBox(
        x,
        box.y + unit * 7 - barHeight,
        barWidth * 0.7,
        barHeight,
        blend(0x17bebb, 0xe4572e, level),
      );
    }
    for (let line = 0; line < 4; line++) {
      let x = box.x + unit;
      const y = box.y + unit * (8 + line * 1.4);
      for (let word = 0; x < box.x + box.width - unit * 5; word++) {
        const length = unit * (1 + ((line * 7 + word * 5 + (frame >> 5)) % 4));
        this.fillBox(x, y, length, Math.max(1, unit * 0.6), word % 5 === 0 ? 0x8be9c8 : 0x7d87a8);
        x += length + unit * 0.6;
      }
    }
    return box;
  }

  /** Each mover's old and new place in one rectangle. */
  private merge(now: readonly Rectangle[]): Rectangle[] {
    return now
      .map((rectangle, index) => union(rectangle, this.previous[index]!))
      .filter(({ width, height }) => width > 0 && height > 0);
  }

  private restore({ x, y, width, height }: Rectangle): void {
    for (let row = y; row < y + height; row++) {
      const start = row * this.width + x;
      this.pixels.set(this.background.subarray(start, start + width), start);
    }
  }

  private fillBox(x: number, y: number, width: number, height: number, colour: Colour): void {
    const box = this.clip(x, y, width, height);
    for (let row = box.y; row < box.y + box.height; row++) {
      const start = row * this.width + box.x;
      this.pixels.fill(colour, start, start + box.width);
    }
  }

  private fillCircle(
    target: Uint32Array,
    x: number,
    y: number,
    radius: number,
    colour: Colour,
    opacity: number,
  ): void {
    const { width, height } = this;
    for (let row = Math.max(0, Math.ceil(y - radius)); row <= Math.min(height - 1, y + radius); row++) {
      const half = Math.sqrt(radius * radius - (row - y) ** 2);
      const from = row * width + Math.max(0, Math.round(x - half));
      const to = row * width + Math.min(width, Math.round(x + half));
      if (opacity === 1) {
        if (to > from) target.fill(colour, from, to);
      } else for (let at = from; at < to; at++) target[at] = blend(target[at]!, colour, opacity);
    }
  }

  private clip(x: number, y: number, width: number, height: number): Rectangle {
    const left = Math.min(this.width, Math.max(0, Math.round(x)));
    const top = Math.min(this.height, Math.max(0, Math.round(y)));
    const right = Math.min(this.width, Math.max(left, Math.round(x + width)));
    const bottom = Math.min(this.height, Math.max(top, Math.round(y + height)));
    return { x: left, y: top, width: right - left, height: bottom - top };
  }
}

/** The smallest rectangle around both; an empty one adds nothing. */
export function union(a: Rectangle, b: Rectangle): Rectangle {
  if (a.width === 0 || a.height === 0) return b;
  if (b.width === 0 || b.height === 0) return a;
  const x = Math.min(a.x, b.x);
  const y = Math.min(a.y, b.y);
  return {
    x,
    y,
    width: Math.max(a.x + a.width, b.x + b.width) - x,
    height: Math.max(a.y + a.height, b.y + b.height) - y,
  };
}

/** `from` at 0, `to` at 1. */
function blend(from: Colour, to: Colour, amount: number): Colour {
  const mix = (shift: number) => {
    const start = (from >>> shift) & 0xff;
    return Math.round(start + (((to >>> shift) & 0xff) - start) * amount) << shift;
  };
  return mix(16) | mix(8) | mix(0);
}
