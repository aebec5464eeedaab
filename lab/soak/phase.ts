// What a phase is: a few seconds at most of one thing that guests, front-ends and hosts do.

import type { Stage } from "./stage.ts";

export interface Phase {
  readonly name: string;
  /** Whose death it needs or risks: it waits until that is forgiven. */
  readonly kills?: string;
  /** Whether it needs a renderer of 3D. */
  readonly is3d?: boolean;
  /** Begins and ends with the screen shown, and nothing else there. Throws what is wrong. */
  run(stage: Stage): void | Promise<void>;
}
