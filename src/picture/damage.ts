// The part of a scanout that someone has yet to show, or to be told of. One bounding rectangle: guests merge the damage
// of a frame the same way, and whoever keeps up has merged nothing by the time it sends.

/** Pixels; x and y count from the scanout's top left corner. */
export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A count of bytes, pixels or rows, as a process says it that may be anybody's by now. */
export const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

/** Whether a rectangle, of whoever's numbers, lies in a picture. */
export function isInside(
  { x, y, width, height }: Rect,
  picture: { readonly width: number; readonly height: number },
): boolean {
  const areCounts = isCount(x) && isCount(y) && isCount(width) && isCount(height);
  return areCounts && x + width <= picture.width && y + height <= picture.height;
}

export class Damage {
  left = 0;
  top = 0;
  right = 0;
  bottom = 0;

  get isEmpty(): boolean {
    return this.right === this.left;
  }

  /** Adds a rectangle; numbers, since the ctrl queue does so for every flush and makes no object for it. */
  add(x: number, y: number, width: number, height: number): void {
    if (width === 0 || height === 0) return;
    if (this.isEmpty) {
      this.left = x;
      this.top = y;
      this.right = x + width;
      this.bottom = y + height;
      return;
    }
    this.left = Math.min(this.left, x);
    this.top = Math.min(this.top, y);
    this.right = Math.max(this.right, x + width);
    this.bottom = Math.max(this.bottom, y + height);
  }

  clear(): void {
    this.left = this.top = this.right = this.bottom = 0;
  }
}
