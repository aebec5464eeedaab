// DRM's names for pixels: a fourcc, and a modifier that says how they lie in memory (include/uapi/drm/drm_fourcc.h).

import { Format } from "../transport/wire/virtio-gpu/protocol.ts";

const fourcc = (name: string): number =>
  (name.charCodeAt(0) |
    (name.charCodeAt(1) << 8) |
    (name.charCodeAt(2) << 16) |
    (name.charCodeAt(3) << 24)) >>>
  0;

/** Four bytes a pixel. DRM names a little-endian word's parts from the highest down. */
export const Fourcc = {
  XRGB8888: fourcc("XR24"),
  ARGB8888: fourcc("AR24"),
  XBGR8888: fourcc("XB24"),
  ABGR8888: fourcc("AB24"),
  RGBX8888: fourcc("RX24"),
  RGBA8888: fourcc("RA24"),
  BGRX8888: fourcc("BX24"),
  BGRA8888: fourcc("BA24"),
} as const;

/** The virtio formats with the same bytes. */
const formats: Readonly<Record<number, number>> = {
  [Fourcc.XRGB8888]: Format.B8G8R8X8,
  [Fourcc.ARGB8888]: Format.B8G8R8A8,
  [Fourcc.XBGR8888]: Format.R8G8B8X8,
  [Fourcc.ABGR8888]: Format.R8G8B8A8,
  [Fourcc.RGBX8888]: Format.X8B8G8R8,
  [Fourcc.RGBA8888]: Format.A8B8G8R8,
  [Fourcc.BGRX8888]: Format.X8R8G8B8,
  [Fourcc.BGRA8888]: Format.A8R8G8B8,
};

/** The virtio format whose pixels have the same bytes as `code`'s, if there is one. */
export const formatOfFourcc = (code: number): number | undefined => formats[code];

const fourccs = new Map(Object.entries(formats).map(([code, format]) => [format, Number(code)]));

/** The DRM format whose pixels have the same bytes as a virtio format's, if there is one. */
export const fourccOfFormat = (format: number): number | undefined => fourccs.get(format);

/** Whether pixels have red, green and blue at the same bytes; alpha may be in use or not. */
export function hasSameColours(one: number, other: number): boolean {
  const opaque = (code: number): number => opaqueFourccs.get(code) ?? code;
  return opaque(one) === opaque(other);
}

const opaqueFourccs = new Map<number, number>([
  [Fourcc.ARGB8888, Fourcc.XRGB8888],
  [Fourcc.ABGR8888, Fourcc.XBGR8888],
  [Fourcc.RGBA8888, Fourcc.RGBX8888],
  [Fourcc.BGRA8888, Fourcc.BGRX8888],
]);

/** "XR24"; what is no letter or digit becomes a dot. */
export const fourccName = (code: number): string =>
  String.fromCharCode(code & 0xff, (code >>> 8) & 0xff, (code >>> 16) & 0xff, code >>> 24).replace(
    /[^0-9A-Za-z ]/g,
    ".",
  );

/** The halves of a format modifier. */
export interface Modifier {
  readonly modifierHigh: number;
  readonly modifierLow: number;
}

/** DRM_FORMAT_MOD_LINEAR: rows one after the other. */
export const isLinear = ({ modifierHigh, modifierLow }: Modifier): boolean =>
  modifierHigh === 0 && modifierLow === 0;

/** DRM_FORMAT_MOD_INVALID: how the pixels lie is known to the driver alone. */
export const implicitModifier: Modifier = { modifierHigh: 0x00ff_ffff, modifierLow: 0xffff_ffff };

export const isImplicit = ({ modifierHigh, modifierLow }: Modifier): boolean =>
  modifierHigh === implicitModifier.modifierHigh && modifierLow === implicitModifier.modifierLow;

/** Whether the pixels make no sense to somebody who is not told the modifier. */
export const needsModifier = (modifier: Modifier): boolean => !isLinear(modifier) && !isImplicit(modifier);

/** "0x0100000000000002". */
export const modifierName = ({ modifierHigh, modifierLow }: Modifier): string =>
  `0x${hex(modifierHigh)}${hex(modifierLow)}`;

const hex = (word: number): string => word.toString(16).padStart(8, "0");
