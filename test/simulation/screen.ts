// What the display has been given, against what the model says that it shows.

import type { DisplayPeer } from "../../lab/vmm/display-peer.ts";
import type { Framebuffer } from "../../lab/vmm/display-scanout.ts";
import { Mismatch } from "./answers.ts";
import type { DrawnSurface } from "./drawn-surface.ts";
import { type Model, scanoutCount } from "./model.ts";
import type { ModelCursor } from "./model-parts.ts";

const rgb = 0xff_ffff;

/** Compares every scanout and cursor; throws a {@link Mismatch} of the first pixel that differs. Returns the pixels that are not black. */
export function compareScreen(display: DisplayPeer, model: Model): number {
  let drawn = 0;
  if (display.violations.length > 0) throw new Mismatch(`the display was sent: ${display.violations[0]}`);
  for (let scanout = 0; scanout < scanoutCount; scanout++) {
    drawn += comparePicture(`scanout ${scanout}`, display.framebuffer(scanout), model.picture(scanout));
    compareCursor(display, model, scanout);
  }
  return drawn;
}

type Picture = Framebuffer | null;

/** Throws a {@link Mismatch} of the first pixel that differs. Returns the pixels that are not black. */
function comparePicture(what: string, shown: Picture, expected: Picture): number {
  const [has, wants] = [sizeOf(shown), sizeOf(expected)];
  if (has !== wants) throw new Mismatch(`${what} is ${has}, not ${wants}`);
  if (shown === null || expected === null) return 0;
  const at = expected.pixels.findIndex((pixel, index) => pixel !== (shown.pixels[index]! & rgb));
  if (at < 0) return expected.pixels.reduce((sum, pixel) => sum + (pixel === 0 ? 0 : 1), 0);
  const [x, y] = [at % expected.width, Math.floor(at / expected.width)];
  const [is, not] = [shown.pixels[at]! & rgb, expected.pixels[at]!];
  throw new Mismatch(`${what} has 0x${is.toString(16)} at ${x},${y} of ${wants}, not 0x${not.toString(16)}`);
}

const sizeOf = (picture: Picture): string =>
  picture === null ? "off" : `${picture.width}x${picture.height}`;

function compareCursor(display: DisplayPeer, model: Model, scanout: number): void {
  const shown = display.cursors[scanout]!;
  const expected = model.cursors[scanout]!;
  if (!expected.isKnown) return;
  const has = shown.visible ? `at ${shown.x},${shown.y}, hot ${shown.hotX},${shown.hotY}` : "hidden";
  const wants = expected.isVisible
    ? `at ${expected.x},${expected.y}, hot ${expected.hotX},${expected.hotY}`
    : "hidden";
  if (has !== wants) throw new Mismatch(`the cursor of scanout ${scanout} is ${has}, not ${wants}`);
  if (!expected.isVisible) return;
  compareImage(`the cursor of scanout ${scanout}`, shown.pixels, expected);
}

/** Throws a {@link Mismatch} of the first pixel of a cursor's image that differs. */
function compareImage(what: string, pixels: Uint32Array, { image, others }: ModelCursor): void {
  const differs = (one: Uint32Array): number =>
    one.findIndex((pixel, index) => pixel !== (pixels[index]! & rgb));
  const at = differs(image!);
  if (at < 0 || others.some((one) => differs(one) < 0)) return;
  throw new Mismatch(`${what} has another pixel ${at}`);
}

/** What a pointer was last told of its cursor, and in answer to which event. */
export interface ShownCursor {
  serial: number;
  surface: DrawnSurface | null;
  hotX: number;
  hotY: number;
}

/** Compares a scanout's window, if any; throws a {@link Mismatch}. Returns whether there is one. */
export function compareWindow(window: DrawnSurface | undefined, model: Model, scanout: number): boolean {
  const expected = model.picture(scanout);
  const what = `the window of scanout ${scanout}`;
  comparePicture(what, window?.picture() ?? null, expected);
  if (window === undefined || expected === null) return false;
  const { wanted, scale } = window;
  const isStretched = wanted.isFixed && wanted.width > 0 && wanted.height > 0;
  const { width, height } = isStretched ? wanted : expected;
  const sides = [width, height].map((side) =>
    isStretched ? side : Math.max(1, Math.round((side * 120) / scale)),
  );
  if (window.hasViewport && window.destination !== sides.join("x"))
    throw new Mismatch(`${what} is drawn as ${window.destination}, not as ${sides.join("x")}`);
  return true;
}

/** Compares the cursor of a pointer that is over a window since the event `serial`; throws a {@link Mismatch}. */
export function comparePointer(
  { scanout, scale }: DrawnSurface,
  serial: number,
  shown: ShownCursor | null,
  model: Model,
): void {
  const expected = model.cursors[scanout]!;
  if (!expected.isKnown) return;
  const what = `the pointer over scanout ${scanout}`;
  if (shown?.serial !== serial) throw new Mismatch(`${what} is told nothing`);
  const { surface, hotX, hotY } = shown;
  if ((surface !== null) !== expected.isVisible)
    throw new Mismatch(`${what} has ${expected.isVisible ? "no" : "a"} cursor`);
  if (surface === null) return;
  const [x, y] = [expected.hotX, expected.hotY].map((at) => Math.round(at / (scale / 120)));
  if (hotX !== x || hotY !== y)
    throw new Mismatch(`${what} has its hot spot at ${hotX},${hotY}, not at ${x},${y}`);
  compareImage(what, surface.picture().pixels, expected);
}
