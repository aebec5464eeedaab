// What a test guest is told to do, and what its outputs must show after each step.

import type { Image } from "../../../lab/qemu/image.ts";
import { expectedPattern, paintedOver } from "./pattern.ts";
import type { QemuGuest } from "../../../lab/qemu/qemu-guest.ts";
import { type Screen, waitForScreen } from "./screen.ts";

export interface Step {
  name: string;
  /** Commands of the program in the guest. */
  commands: readonly string[];
  /** Output → frame. */
  screens: ReadonlyMap<number, Image>;
}

const patched = paintedOver(expectedPattern(1024, 768, 40), { x: 101, y: 63, width: 297, height: 205 }, 77);
const secondHead = expectedPattern(640, 480, 22);
const secondPatched = paintedOver(secondHead, { x: 0, y: 479, width: 640, height: 1 }, 99);

/** In this order, on one guest with two outputs. */
export const steps: readonly Step[] = [
  step("a pattern", ["pattern 0 1024 768 3"], [[0, expectedPattern(1024, 768, 3)]]),
  step("twenty page flips", ["flip 0 20 40"], [[0, expectedPattern(1024, 768, 40)]]),
  step("a partial update", ["dirty 0 101 63 297 205 77"], [[0, patched]]),
  step("a lower resolution", ["pattern 0 800 600 11"], [[0, expectedPattern(800, 600, 11)]]),
  step("an odd and higher resolution", ["pattern 0 1366 770 5"], [[0, expectedPattern(1366, 770, 5)]]),
  step(
    "a second head",
    ["pattern 1 640 480 22"],
    [
      [0, expectedPattern(1366, 770, 5)],
      [1, secondHead],
    ],
  ),
  step(
    "an update of the second head alone",
    ["dirty 1 0 479 640 1 99"],
    [
      [0, expectedPattern(1366, 770, 5)],
      [1, secondPatched],
    ],
  ),
  step(
    "a pattern after the driver was unbound and bound again",
    ["unbind", "bind", "pattern 0 1280 800 31"],
    [[0, expectedPattern(1280, 800, 31)]],
  ),
];

/** Runs the step and waits for its frames on `screen`; answers them as that gave them. */
export async function runStep(
  guest: QemuGuest,
  { commands, screens }: Step,
  screen: Screen = guest,
): Promise<Map<number, Image>> {
  for (const command of commands) await guest.run(command);
  const shown = new Map<number, Image>();
  for (const [head, expected] of screens) shown.set(head, await waitForScreen(screen, head, expected));
  return shown;
}

function step(name: string, commands: readonly string[], screens: readonly [number, Image][]): Step {
  return { name, commands, screens: new Map(screens) };
}
