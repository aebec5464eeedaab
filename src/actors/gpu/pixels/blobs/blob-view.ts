// A blob as one layout reads it: what scanouts show of it. Each layout is a surface of its own at the display.

import { flat } from "../form.ts";
import type { Showable, Pixels } from "../pixels.ts";
import { BlobLayout } from "./layout.ts";

export class BlobView implements Showable {
  readonly layout: BlobLayout;
  readonly shape = flat;
  readonly width: number;
  readonly height: number;
  readonly format: number;
  readonly pixels: Pixels;
  scanouts = 0;

  /** `id` is the resource's. */
  constructor(
    readonly id: number,
    layout: BlobLayout,
    make: (view: BlobView) => Pixels,
  ) {
    this.layout = new BlobLayout().copy(layout);
    this.width = layout.width;
    this.height = layout.height;
    this.format = layout.format;
    this.pixels = make(this);
  }
}
