// The outputs as the device itself knows them, for when no VMM says what they are: which are on, and their modes.

import { generateEdid } from "../../../picture/edid.ts";
import type { DisplayMode } from "../../gpu/messages.ts";
import type { OutputChanges } from "../../output-changes.ts";
import { scanoutsMax } from "../../../transport/wire/virtio-gpu/protocol.ts";

interface Size {
  width: number;
  height: number;
}

/** What an output has that nobody gave a mode. */
const defaultSize: Size = { width: 1280, height: 800 };

/** Words that outputs keep for a display's successor: one each. */
export const outputWords = scanoutsMax;

export class Outputs {
  /** As the guest is told them, side by side; those that are off have no size. Always the same objects. */
  readonly modes: readonly DisplayMode[];
  /** Of each output, on or off, its last. */
  private readonly sizes: Size[];

  /** The first of `count` outputs have the `configured` modes, unless a predecessor has left others in `words`. */
  constructor(
    count: number,
    configured: readonly Size[],
    private readonly words: Int32Array,
  ) {
    this.sizes = Array.from({ length: count }, (_, index) => ({ ...(configured[index] ?? defaultSize) }));
    this.modes = this.sizes.map((_, index) => ({
      ...{ x: 0, y: 0, width: 0, height: 0 },
      enabled: index < configured.length,
    }));
    this.restore();
    this.arrange();
  }

  get count(): number {
    return this.modes.length;
  }

  isOn(index: number): boolean {
    return this.modes[index]?.enabled ?? false;
  }

  /** How many are on. */
  get lit(): number {
    return this.modes.filter(({ enabled }) => enabled).length;
  }

  /** Does what was asked for, of outputs that there are. Returns whether anything is another way now. */
  change({ changes, isAll }: OutputChanges): boolean {
    const before = JSON.stringify(this.modes);
    if (isAll) for (const mode of this.modes) mode.enabled = false;
    for (const { output, isOn, size } of changes) {
      // One that there is not is off as it is.
      if (output >= this.count) continue;
      if (size !== null) Object.assign(this.sizes[output]!, size);
      this.modes[output]!.enabled = isOn;
    }
    this.arrange();
    this.keep();
    return JSON.stringify(this.modes) !== before;
  }

  private arrange(): void {
    let x = 0;
    this.modes.forEach((mode, index) => {
      const { width, height } = mode.enabled ? this.sizes[index]! : { width: 0, height: 0 };
      Object.assign(mode, { x: mode.enabled ? x : 0, width, height });
      x += width;
    });
  }

  /** A word is zero until something was changed: then it has a size of at most 16,384 each way, and whether it is on. */
  private keep(): void {
    this.sizes.forEach(({ width, height }, index) => {
      this.words[index] = (width << 16) | (height << 1) | (this.modes[index]!.enabled ? 1 : 0);
    });
  }

  private restore(): void {
    this.sizes.forEach((size, index) => {
      const word = this.words[index]!;
      if (word === 0) return;
      Object.assign(size, { width: word >> 16, height: (word >> 1) & 0x7fff });
      this.modes[index]!.enabled = (word & 1) !== 0;
    });
  }
}

/** An EDID that prefers the mode of output `index`; an output without one gets the mode of the first. */
export function edidOf(modes: readonly DisplayMode[], index: number): Uint8Array<ArrayBuffer> {
  const mode = [modes[index], modes[0]].find((one) => one !== undefined && one.width > 0 && one.height > 0);
  const { width, height } = mode ?? defaultSize;
  return generateEdid(width, height, index);
}
