// A lifecycle machine as plain data, for the hot path: one array read answers "may this happen, and what then?".
// Imports nothing, so that a worker that is posted a table never loads xstate.

/** What a refused event earns; the index is the low part of a refusal in the table (virtio 1.3 §5.7.6.7). */
export const refusalCodes = [
  "ERR_UNSPEC",
  "ERR_OUT_OF_MEMORY",
  "ERR_INVALID_SCANOUT_ID",
  "ERR_INVALID_RESOURCE_ID",
  "ERR_INVALID_CONTEXT_ID",
  "ERR_INVALID_PARAMETER",
  "PROTOCOL",
] as const;

export type RefusalCode = (typeof refusalCodes)[number];

const FIRST_REFUSAL = 0x80;
const FIRST_VIRTIO_ERROR = 0x1200;

/** The table's value for an event that breaks the vhost-user protocol. */
export const PROTOCOL_REFUSAL = FIRST_REFUSAL | refusalCodes.indexOf("PROTOCOL");

/** A machine after `compile`; structured-cloneable, so it can be posted to a worker. */
export interface CompiledMachine<Event extends string = string> {
  readonly name: string;
  /** Readable names, as in "cpu2d.backed"; "+" joins parallel regions, as in "started+enabled". */
  readonly states: readonly string[];
  /** Sorted by name, so an index does not depend on the order of definition. */
  readonly events: readonly Event[];
  readonly initial: number;
  /** `next[state * events.length + event]`: the next state, or 0x80 | an index of `refusalCodes`. */
  readonly next: Uint8Array;
}

/** The next state's index, or a refusal. Changes nothing: the caller stores the state once the work is done. */
export function step(machine: CompiledMachine, state: number, event: number): number {
  return machine.next[state * machine.events.length + event]!;
}

export function isRefused(answer: number): boolean {
  return answer >= FIRST_REFUSAL;
}

/** The virtio error of a refusal (0x1200 to 0x1205); not for PROTOCOL_REFUSAL. */
export function errorCodeOf(refusal: number): number {
  return FIRST_VIRTIO_ERROR + (refusal & ~FIRST_REFUSAL);
}

/** The table's value for a refusal code. */
export function refusalValue(code: RefusalCode): number {
  return FIRST_REFUSAL | refusalCodes.indexOf(code);
}

/** Resolve once at start, not per command. Throws on a name that the machine does not have. */
export function eventIndex<Event extends string>(
  machine: CompiledMachine<Event>,
  name: NoInfer<Event>,
): number {
  return indexIn(machine.name, machine.events, name);
}

/** Resolve once at start, not per command. Throws on a name that the machine does not have. */
export function stateIndex(machine: CompiledMachine, name: string): number {
  return indexIn(machine.name, machine.states, name);
}

/**
 * One byte per state: 1 where the state's name has every given part, so "is it backed?" is one array read.
 * `statesWith(vring, "started", "enabled")` marks "started+enabled" only. Throws where no state matches.
 */
export function statesWith(machine: CompiledMachine, ...parts: string[]): Uint8Array {
  const matches = Uint8Array.from(machine.states, (state) => {
    const own = state.split(/[.+]/);
    return parts.every((part) => own.includes(part)) ? 1 : 0;
  });
  if (!matches.includes(1))
    throw new Error(`The ${machine.name} machine has no state with ${parts.join(" and ")}`);
  return matches;
}

function indexIn(machine: string, names: readonly string[], name: string): number {
  const index = names.indexOf(name);
  if (index < 0) throw new Error(`The ${machine} machine has no "${name}", only ${names.join(", ")}`);
  return index;
}
