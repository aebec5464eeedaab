// How many are in each state of a machine now.

import type { ActorRecord, Inventory } from "../../feed.ts";
import type { Tally } from "./counts.ts";

/** By the name of the state. What can be asked for is; of others it follows from who came and who went. */
export function populationOf(
  machine: string,
  tally: Tally,
  inventory: Inventory,
  actors: readonly ActorRecord[],
): ReadonlyMap<string, number> {
  switch (machine) {
    case "resource":
      return countOf(inventory.resources);
    case "context":
      return countOf(inventory.contexts);
    case "fence":
      return countOf(inventory.fences);
    case "device":
      return countOf(actors.filter(({ name }) => name === "supervisor"));
    case "actor":
      return countOf(actors.filter(({ name }) => name !== "supervisor"));
    default:
      return tally.inside;
  }
}

function countOf(all: readonly { state: string }[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { state } of all) counts.set(state, (counts.get(state) ?? 0) + 1);
  return counts;
}
