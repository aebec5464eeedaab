// A picture that the renderer shares with another process: a dma-buf and how its pixels lie.

export interface DmabufPicture {
  /** The receiver's to close. */
  fd: number;
  /** Bytes from one row to the next, and before the first. */
  stride: number;
  offset: number;
  /** DRM_FORMAT_*. */
  fourcc: number;
  /** The halves of the DRM format modifier. */
  modifierHigh: number;
  modifierLow: number;
}

/** DRM_FORMAT_MOD_INVALID: the driver knows the layout, and tells nobody. */
export const modifierInvalid = { modifierHigh: 0x00ff_ffff, modifierLow: 0xffff_ffff } as const;

/** Whether the picture makes no sense to somebody who is not told its modifier: it is not linear. */
export function needsModifier({ modifierHigh, modifierLow }: DmabufPicture): boolean {
  const isLinear = modifierHigh === 0 && modifierLow === 0;
  const isInvalid =
    modifierHigh === modifierInvalid.modifierHigh && modifierLow === modifierInvalid.modifierLow;
  return !isLinear && !isInvalid;
}
