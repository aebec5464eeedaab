// What the fuzzer says of a target.

import type { Tally } from "./campaign.ts";
import type { Shrinking } from "./shrinking.ts";

export const headings = "target               inputs    batches  inputs/s  deaths  found";

export const lineOf = ({ target, inputs, batches, seconds, deaths, found }: Tally): string =>
  [
    target.padEnd(16),
    String(inputs).padStart(10),
    String(batches).padStart(10),
    String(seconds > 0 ? Math.round(inputs / seconds) : 0).padStart(9),
    String(deaths).padStart(7),
    String(found.length).padStart(6),
  ].join(" ");

export const shrinkingLineOf = (target: string, { attempt, attemptsMax, inputs }: Shrinking): string =>
  `${target}: makes what it found smaller: ${inputs} inputs so far, try ${attempt} of at most ${attemptsMax}; Ctrl-C ends that`;
