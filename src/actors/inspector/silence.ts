// What the tap knows of a ctrl queue that does not answer: it is in the midst of a command, and others wait.

import type { CommandRecord } from "./feed.ts";
import type { FenceRecord, Inventory, UnansweredRecord } from "./inventory-feed.ts";

/** Of commands without an answer at `ns`, those of the ctrl queue, which has been silent for so long. */
export function silence(
  all: readonly CommandRecord[],
  ns: number,
  silentMs: number,
): Pick<Inventory, "fences" | "unanswered"> {
  const own = all.filter(({ queue }) => queue === "ctrl-queue");
  const running = own.findLast(({ parkedNs }) => parkedNs === 0);
  return {
    fences: own.filter(({ waitsFor }) => waitsFor > 0).map((one) => fenceOf(one, ns)),
    unanswered:
      running === undefined
        ? { command: "", type: "", context: 0, contextName: "", resource: 0, ageMs: silentMs }
        : unansweredOf(running, ns),
  };
}

const fenceOf = (
  { id, type, fields, contextName, waitsFor, parkedNs, moves }: CommandRecord,
  ns: number,
): FenceRecord => ({
  ...{
    fence: waitsFor,
    state: moves.findLast(({ machine }) => machine === "fence")?.to ?? "",
    command: id,
    type,
  },
  contextName,
  ...{ context: Number(fields["contextId"] ?? 0), ring: Number(fields["ringIndex"] ?? 0) },
  ageMs: (ns - parkedNs) / 1e6,
});

const unansweredOf = (
  { id, type, fields, contextName, takenNs }: CommandRecord,
  ns: number,
): UnansweredRecord => ({
  ...{
    command: id,
    type,
    context: Number(fields["contextId"] ?? 0),
    contextName,
    resource: Number(fields["resourceId"] ?? 0),
  },
  ageMs: (ns - takenNs) / 1e6,
});
