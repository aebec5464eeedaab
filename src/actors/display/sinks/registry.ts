// The kinds of sinks that there are. Nothing else knows any of them by name.

import type { ActorContext } from "../../runtime/actor.ts";
import type { SinkKind } from "./sink.ts";
import { vmmKind } from "./vmm/kind.ts";
import { waylandKind } from "./wayland/kind.ts";

/** In the order of their words in `ActorContext.keep`. */
const kinds: readonly SinkKind[] = [vmmKind, waylandKind];

/** A kind with its code. */
export interface LoadedKind {
  readonly kind: SinkKind;
  readonly Opener: Awaited<ReturnType<SinkKind["load"]>>;
}

/** Loads the kinds that the settings may ask for, and no other. */
export const loadSinks = (config: ActorContext["config"]): Promise<LoadedKind[]> =>
  Promise.all(
    kinds.filter((kind) => kind.isWanted(config)).map(async (kind) => ({ kind, Opener: await kind.load() })),
  );
