// Turns a finite lifecycle machine into the table that workers look up: xstate says it once, the hot path reads bytes.
import type { AnyMachineSnapshot, AnyStateMachine, AnyStateNode, EventFrom, StateValue } from "xstate";
import { getAdjacencyMap } from "xstate/graph";
import { withDescendants } from "./nodes.ts";
import { isAccepted, refusalOf } from "./refusal.ts";
import { type CompiledMachine, refusalValue } from "./table.ts";

const STATES_MAX = 127;

/** Throws if the machine is more than states and events, has too many states, or refuses an event without a code. */
export function compile<Machine extends AnyStateMachine>(
  machine: Machine,
): CompiledMachine<EventFrom<Machine>["type"] & string> {
  rejectUnlessFinite(machine);
  const events = eventsOf(machine);
  const reachable = getAdjacencyMap(machine as AnyStateMachine, {
    events: events.map((type) => ({ type })),
    serializeState: stateName,
    serializeEvent: (event) => event.type,
  });
  const states = Object.keys(reachable);
  if (states.length > STATES_MAX) fail(machine, `has ${states.length} states; a table holds ${STATES_MAX}`);

  const next = new Uint8Array(states.length * events.length);
  for (const [row, { state, transitions }] of Object.values(reachable).entries()) {
    for (const [column, event] of events.entries()) {
      next[row * events.length + column] = isAccepted(state, { type: event })
        ? states.indexOf(stateName(transitions[event as keyof typeof transitions].state))
        : refusalOrFail(machine, state, event);
    }
  }
  return {
    name: machine.id,
    states,
    events: events as (EventFrom<Machine>["type"] & string)[],
    initial: 0,
    next,
  };
}

/** All events, sorted; `machine.events` leaves out those that are taken without a change (`EVENT: {}`). */
export function eventsOf(machine: AnyStateMachine): string[] {
  return [
    ...new Set(withDescendants(machine.root).flatMap((node) => [...node.transitions.keys()])),
  ].toSorted();
}

/** "cpu2d.backed" for nested states, "started+enabled" for parallel ones, in the order of definition. */
export function stateName(snapshot: AnyMachineSnapshot): string {
  return nameOf(snapshot.machine.root, snapshot.value);
}

function nameOf(node: AnyStateNode, value: StateValue): string {
  if (typeof value === "string") return value;
  const children = Object.keys(node.states).filter((key) => key in value);
  const names = children.map((key) => {
    const inner = value[key];
    if (node.type === "parallel") return nameOf(node.states[key]!, inner as StateValue);
    return `${key}.${nameOf(node.states[key]!, inner as StateValue)}`;
  });
  return names.join("+");
}

function refusalOrFail(machine: AnyStateMachine, snapshot: AnyMachineSnapshot, event: string): number {
  const code = refusalOf(snapshot, event);
  return code
    ? refusalValue(code)
    : fail(machine, `refuses ${event} in "${stateName(snapshot)}" without a code`);
}

function rejectUnlessFinite(machine: AnyStateMachine): void {
  if (machine.config.context !== undefined) fail(machine, "has context");
  for (const node of withDescendants(machine.root)) {
    const where = `in "${node.path.join(".")}"`;
    const transitions = [...node.transitions.values()].flat();
    if (node.always?.length || node.after.length > 0) fail(machine, `moves without an event ${where}`);
    if (transitions.some((one) => one.guard)) fail(machine, `has a guard ${where}`);
    if (node.entry.length + node.exit.length > 0 || transitions.some((one) => one.actions.length > 0)) {
      fail(machine, `has an action ${where}`);
    }
    if (node.invoke.length > 0) fail(machine, `invokes an actor ${where}`);
    if (node.type === "history") fail(machine, `has a history state ${where}`);
    if (node.transitions.has("*")) fail(machine, `has a wildcard event ${where}`);
  }
}

function fail(machine: AnyStateMachine, what: string): never {
  throw new Error(`The ${machine.id} machine can't be compiled: it ${what}`);
}
