// All phases.

import type { Phase } from "./phase.ts";
import * as deaths from "./phases/deaths.ts";
import { drawing } from "./phases/drawing.ts";
import * as looks from "./phases/looks.ts";
import { mistakes, visits } from "./phases/mistakes.ts";
import * as pictures from "./phases/pictures.ts";
import * as starts from "./phases/starts.ts";

export const phases: readonly Phase[] = [
  pictures.animation,
  pictures.blobs,
  pictures.pointers,
  pictures.comings,
  drawing,
  starts.reboot,
  starts.newcomer,
  starts.pause,
  starts.memory,
  mistakes,
  ...visits,
  deaths.atRest,
  deaths.amidFrames,
  deaths.amidCommands,
  deaths.amidTakeover,
  deaths.suspension,
  deaths.withContexts,
  ...deaths.throws,
  looks.status,
  looks.screenshot,
  looks.recording,
];
