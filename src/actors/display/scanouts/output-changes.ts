// What becomes of the wish for other outputs, in words, and the account of those that there are.

import type { DisplayMode } from "../../gpu/messages.ts";
import type { OutputChanges } from "../../output-changes.ts";
import type { Scanout } from "./scanout.ts";

/** Why the outputs cannot be so, or "". */
export function refusalOf({ changes }: OutputChanges, isVmms: boolean, count: number): string {
  if (isVmms)
    return "the VMM shows the picture and says the modes: resize its window, or set its options (docs/outputs.md)";
  const beyond = changes.find(({ output, isOn }) => isOn && output >= count);
  if (beyond === undefined) return "";
  const there = count === 1 ? "there is output 0 alone" : `there are outputs 0 to ${count - 1}`;
  return `${there}: a server started with --scanouts ${beyond.output + 1} has output ${beyond.output}`;
}

/** Each output, with the size of the picture that the guest shows there. */
export const outputsAccount = (modes: readonly DisplayMode[], scanouts: readonly Scanout[]) =>
  modes.map(({ enabled: isOn, ...mode }, output) => {
    const view = scanouts[output]?.view ?? null;
    const shows = view && { width: view.width, height: view.height };
    return { output, isOn, ...mode, shows };
  });
