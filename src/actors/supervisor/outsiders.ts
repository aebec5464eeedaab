// Who works with the device from outside of this process, such as a VMM, and tells of itself for as long as it is connected to
// the control socket: the inspector shows it beside the actors.

import { integer, Kind, ValueError } from "../../config-values.ts";
import { Refusal } from "../../transport/os/errors.ts";
import { workerNames } from "../registry.ts";

const outsidersMax = 8;
const countersMax = 32;
const count = integer();

/** What is shown of one, as of an actor. */
interface Outsider {
  name: string;
  state: string;
  counters: Record<string, number>;
}

const word = (given: unknown, wanted: string, pattern: RegExp): string => {
  if (typeof given === "string" && pattern.test(given)) return given;
  throw new ValueError(wanted);
};

export const OutsiderName = new Kind((given) => {
  const name = word(given, "want a name of up to 32 of a-z, 0-9 and -", /^[a-z][a-z0-9-]{0,31}$/);
  if (["supervisor", ...workerNames].includes(name))
    throw new ValueError(`${name} is an actor of the server's own`);
  return name;
});

export const OutsiderState = new Kind((given) =>
  word(given, "want a word of up to 32 letters", /^[a-z][a-z-]{0,31}$/),
);

export const Counters = new Kind((given) => {
  if (typeof given !== "object" || given === null || Array.isArray(given))
    throw new ValueError('want an object of counts, such as {"exits":12}');
  const entries = Object.entries(given);
  if (entries.length > countersMax) throw new ValueError(`want ${countersMax} counts at most`);
  return Object.fromEntries(
    entries.map(([name, value]) => [
      word(name, "want names of up to 32 letters and digits", /^[a-zA-Z][a-zA-Z0-9]{0,31}$/),
      count.read(value),
    ]),
  );
});

export class Outsiders {
  /** By who told it: gone when that is. */
  private readonly told = new Map<object, Outsider>();

  /** Of what is told now, in the order in which they came. */
  get all(): Outsider[] {
    return [...this.told.values()];
  }

  /** `teller`'s own, in place of what it told before. Throws a {@link Refusal} where there can be no such one. */
  tell(teller: object, outsider: Outsider): void {
    for (const [other, { name }] of this.told)
      if (other !== teller && name === outsider.name)
        throw new Refusal(`another connection tells of ${name} already`);
    if (!this.told.has(teller) && this.told.size >= outsidersMax)
      throw new Refusal(`${outsidersMax} connections tell of somebody already`);
    this.told.set(teller, outsider);
  }

  forget(teller: object): void {
    this.told.delete(teller);
  }
}
