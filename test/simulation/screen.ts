// What the display has been given, against what the model says that it shows.

import type { DisplayPeer } from "../../lab/vmm/display-peer.ts";
import { Mismatch } from "./answers.ts";
import { type Model, scanoutCount } from "./model.ts";

const rgb = 0xff_ffff;

/** Compares every scanout and cursor; throws a {@link Mismatch} of the first pixel that differs. Returns the pixels that are not black. */
export function compareScreen(display: DisplayPeer, model: Model): number {
  let drawn = 0;
  if (display.violations.length > 0) throw new Mismatch(`the display was sent: ${display.violations[0]}`);
  for (let scanout = 0; scanout < scanoutCount; scanout++) {
    drawn += comparePicture(display, model, scanout);
    compareCursor(display, model, scanout);
  }
  return drawn;
}

function comparePicture(display: DisplayPeer, model: Model, scanout: number): number {
  const shown = display.framebuffer(scanout);
  const expected = model.picture(scanout);
  const [has, wants] = [sizeOf(shown), sizeOf(expected)];
  if (has !== wants) throw new Mismatch(`scanout ${scanout} is ${has}, not ${wants}`);
  if (shown === null || expected === null) return 0;
  const at = expected.pixels.findIndex((pixel, index) => pixel !== (shown.pixels[index]! & rgb));
  if (at < 0) return expected.pixels.reduce((sum, pixel) => sum + (pixel === 0 ? 0 : 1), 0);
  const [x, y] = [at % expected.width, Math.floor(at / expected.width)];
  const [is, not] = [shown.pixels[at]! & rgb, expected.pixels[at]!];
  throw new Mismatch(
    `scanout ${scanout} has 0x${is.toString(16)} at ${x},${y} of ${wants}, not 0x${not.toString(16)}`,
  );
}

const sizeOf = (picture: { width: number; height: number } | null): string =>
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
  const differs = (image: Uint32Array): number =>
    image.findIndex((pixel, index) => pixel !== (shown.pixels[index]! & rgb));
  const at = differs(expected.image!);
  if (at < 0 || expected.others.some((image) => differs(image) < 0)) return;
  throw new Mismatch(`the cursor of scanout ${scanout} has another pixel ${at}`);
}
