// What people ask of the outputs while a guest runs, as they type it: `1280x800,off` or `1=1920x1080`.

import { integer, Kind, readMode, ValueError } from "../config-values.ts";
import { scanoutsMax } from "../transport/wire/virtio-gpu/protocol.ts";

/** Null: the size that it had last. */
type Size = { width: number; height: number } | null;

export interface OutputChange {
  output: number;
  isOn: boolean;
  size: Size;
}

export interface OutputChanges {
  changes: OutputChange[];
  /** Whether outputs that are not named go off; else they stay as they are. */
  isAll: boolean;
}

const wanted = 'want modes, as in "1280x800,off", or outputs with theirs, as in "1=1920x1080,2=off,3=on"';
const outputKind = integer(0, scanoutsMax - 1);

/** Text of which {@link parseOutputs} makes sense. */
export const OutputsText = new Kind((given): string => {
  if (typeof given !== "string") throw new ValueError(wanted);
  parseOutputs(given);
  return given;
});

/** What lies between commas or spaces: modes in the order of the outputs, or `N=MODE`. Throws a {@link ValueError}. */
export function parseOutputs(text: string): OutputChanges {
  const words = text.split(/[\s,]+/).filter((word) => word !== "");
  const named = words.filter((word) => word.includes("="));
  if (words.length === 0 || (named.length > 0 && named.length < words.length)) throw new ValueError(wanted);
  if (words.length > scanoutsMax) throw new ValueError(`want ${scanoutsMax} outputs at most`);
  if (named.length === 0) return { changes: words.map((word, output) => change(output, word)), isAll: true };
  const changes = words.map((word) => {
    const [output = "", ...mode] = word.split("=");
    return change(outputKind.read(output), mode.join("="));
  });
  if (new Set(changes.map(({ output }) => output)).size < changes.length)
    throw new ValueError("want each output once");
  return { changes, isAll: false };
}

function change(output: number, mode: string): OutputChange {
  if (mode === "off" || mode === "on") return { output, isOn: mode === "on", size: null };
  return { output, isOn: true, size: readMode(mode) };
}
