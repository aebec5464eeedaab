// What a command is about to touch: resources, contexts and scanouts, as they are before it runs.

import type { CommandRecord, Inventory, Touch } from "./feed.ts";

/** Resources of a context that are named one by one. */
const drawnMax = 32;

type Kind = Touch["kind"];
/** What each command does to what its fields name. */
type Effects = Partial<Record<Kind, string>>;

const made = { resource: "is made" };
const written = { resource: "is written from the guest's memory", context: "does it" };

const effects: Readonly<Record<string, Effects>> = {
  RESOURCE_CREATE_2D: made,
  RESOURCE_CREATE_3D: made,
  RESOURCE_CREATE_BLOB: made,
  RESOURCE_UNREF: { resource: "is freed" },
  RESOURCE_ATTACH_BACKING: { resource: "is given its backing" },
  RESOURCE_DETACH_BACKING: { resource: "loses its backing" },
  TRANSFER_TO_HOST_2D: written,
  TRANSFER_TO_HOST_3D: written,
  TRANSFER_FROM_HOST_3D: { resource: "is read to the guest's memory", context: "does it" },
  RESOURCE_FLUSH: { resource: "is shown as it is now" },
  SET_SCANOUT: { resource: "is shown", scanout: "shows it" },
  SET_SCANOUT_BLOB: { resource: "is shown", scanout: "shows it" },
  CTX_CREATE: { context: "is made" },
  CTX_DESTROY: { context: "ends" },
  CTX_ATTACH_RESOURCE: { context: "may use it from now on", resource: "is attached" },
  CTX_DETACH_RESOURCE: { context: "may use it no longer", resource: "is detached" },
  SUBMIT_3D: { context: "runs a stream" },
  RESOURCE_MAP_BLOB: { resource: "is mapped" },
  RESOURCE_UNMAP_BLOB: { resource: "is unmapped" },
};

/** What `command` touches of what there is. */
export function touchesOf(command: CommandRecord, inventory: Inventory): Touch[] {
  const { resourceId, contextId, scanoutId } = command.fields;
  const known = effects[command.type] ?? {};
  const touches: Touch[] = [];
  const add = (kind: Kind, id: unknown, how: string | undefined): void => {
    if (how !== undefined && typeof id === "number")
      touches.push({ kind, id, how, ...stateOf(kind, id, inventory) });
  };
  if (resourceId !== 0) add("resource", resourceId, known.resource);
  add("scanout", scanoutId, resourceId === 0 ? "goes off" : known.scanout);
  if (contextId !== 0) add("context", contextId, known.context);
  for (const { kind, id, how } of followers(command, inventory)) add(kind, id, how);
  return touches;
}

/** What a command does to those that it does not name. */
function followers(
  { type, fields }: CommandRecord,
  { resources }: Inventory,
): Pick<Touch, "kind" | "id" | "how">[] {
  const { resourceId, contextId, scanoutId } = fields;
  switch (type) {
    case "RESOURCE_FLUSH":
    case "RESOURCE_UNREF": {
      const shown = resources.find(({ id }) => id === resourceId)?.scanouts ?? [];
      return shown.map((id) => ({
        kind: "scanout",
        id,
        how: type === "RESOURCE_UNREF" ? "goes off" : "shows it",
      }));
    }
    case "SET_SCANOUT":
    case "SET_SCANOUT_BLOB":
      return resources
        .filter(({ id, scanouts }) => id !== resourceId && scanouts.includes(Number(scanoutId)))
        .map(({ id }) => ({ kind: "resource", id, how: `is no longer on scanout ${scanoutId}` }));
    case "SUBMIT_3D":
    case "CTX_DESTROY": {
      const how = type === "SUBMIT_3D" ? "may be read or drawn to" : "is detached";
      const attached = resources.filter(({ contexts }) => contexts.includes(Number(contextId)));
      return attached.slice(0, drawnMax).map(({ id }) => ({ kind: "resource", id, how }));
    }
    default:
      return [];
  }
}

/** What there is of it before. */
function stateOf(kind: Kind, id: number, { resources, contexts }: Inventory): Pick<Touch, "state" | "what"> {
  if (kind === "context") {
    const context = contexts.find((one) => one.id === id);
    return { state: context?.state ?? "absent", what: context?.name ?? "" };
  }
  if (kind === "scanout") {
    const shown = resources.find(({ scanouts }) => scanouts.includes(id));
    return {
      state: shown === undefined ? "off" : "on",
      what: shown === undefined ? "" : `resource ${shown.id}`,
    };
  }
  const resource = resources.find((one) => one.id === id);
  if (resource === undefined) return { state: "absent", what: "" };
  const { state, width, height, format } = resource;
  return { state, what: `${width}×${height} ${format}` };
}
