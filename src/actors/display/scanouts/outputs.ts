// The outputs as the device itself knows them, for when no VMM says what they are.

import { generateEdid } from "../../../picture/edid.ts";
import type { DisplayMode } from "../../gpu/messages.ts";

/** Modes of the configured outputs, side by side. */
export function configuredModes(outputs: readonly { width: number; height: number }[]): DisplayMode[] {
  let x = 0;
  return outputs.map(({ width, height }) => {
    const mode = { x, y: 0, width, height, enabled: true };
    x += width;
    return mode;
  });
}

/** Gives output `index` another size, and those right of it another place. */
export function resizeMode(modes: DisplayMode[], index: number, width: number, height: number): void {
  Object.assign(modes[index]!, { width, height });
  let x = 0;
  for (const mode of modes) {
    mode.x = x;
    x += mode.width;
  }
}

/** An EDID that prefers the mode of output `index`; an output without one gets the mode of the first. */
export function edidOf(modes: readonly DisplayMode[], index: number): Uint8Array<ArrayBuffer> {
  const mode = [modes[index], modes[0]].find((one) => one !== undefined && one.width > 0 && one.height > 0);
  return generateEdid(mode?.width ?? 1280, mode?.height ?? 800, index);
}
