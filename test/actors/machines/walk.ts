// Drives a table by names, so that a test reads as a sequence of commands.
import {
  type CompiledMachine,
  eventIndex,
  isRefused,
  refusalCodes,
  step,
} from "../../../src/actors/machines/table.ts";

/** The state after the events, or the code with which the first refused one was answered. */
export function after<Event extends string>(
  machine: CompiledMachine<Event>,
  ...events: NoInfer<Event>[]
): string {
  let state = machine.initial;
  for (const event of events) {
    const answer = step(machine, state, eventIndex(machine, event));
    if (isRefused(answer)) return `${event}: ${refusalCodes[answer & 0x7f]}`;
    state = answer;
  }
  return machine.states[state]!;
}
