// How a machine says what a refused event earns: `meta.refuse` of its states, the innermost state first.
import type { AnyMachineSnapshot, EventObject } from "xstate";
import type { RefusalCode } from "./table.ts";

/** A state's meta: a code for each event named, and one for all others. A state need not name any. */
export interface RefusalMeta<Event extends string = string> {
  refuse?: { default?: RefusalCode } & { [Name in Event]?: RefusalCode };
}

/** Whether some state takes the event, be it without change (`EVENT: {}`, which `snapshot.can` would deny). */
export function isAccepted(snapshot: AnyMachineSnapshot, event: EventObject): boolean {
  return snapshot.machine.getTransitionData(snapshot, event).length > 0;
}

/** The code for an event that no state takes: an event's own code wins over a default, an inner state over an outer. */
export function refusalOf(snapshot: AnyMachineSnapshot, event: string): RefusalCode | undefined {
  const innermostFirst = snapshot._nodes.toSorted((a, b) => b.path.length - a.path.length);
  const tables = innermostFirst.map((node) => (node.meta as RefusalMeta | undefined)?.refuse ?? {});
  return tables.find((refuse) => refuse[event])?.[event] ?? tables.find((refuse) => refuse.default)?.default;
}
