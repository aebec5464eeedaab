// What may be thrown and answered: refusals, and among them system calls that failed. Anything else that is thrown is a bug.

import { errno } from "../../ffi/libc.ts";

/**
 * What a guest, a peer or the host does not let us do, in words for the operator. The only kind of exception that may be
 * caught and answered: see {@link asRefusal}.
 */
export class Refusal extends Error {
  override name = "Refusal";
}

/** What was caught, where it is a refusal; a bug goes on up. */
export function asRefusal(caught: unknown): Refusal {
  if (caught instanceof Refusal) return caught;
  throw caught;
}

/** A system call that failed, with its name, the errno's and what was attempted. */
export class SystemError extends Refusal {
  readonly code: string;

  constructor(
    readonly call: string,
    readonly errno: number,
    doing: string,
  ) {
    const code = errnoName(errno) ?? `errno ${errno}`;
    super(`${doing}: ${call} failed with ${code}`);
    this.name = "SystemError";
    this.code = code;
  }
}

/** Passes a system call's result through, or throws a {@link SystemError} when it is negative. */
export function checked(result: number, call: string, doing: string): number {
  if (result < 0) throw new SystemError(call, errno(), doing);
  return result;
}

function errnoName(code: number): string | undefined {
  // Loaded when something has failed: most actors never need it.
  const { constants } = process.getBuiltinModule("node:os");
  return Object.entries(constants.errno).findLast(([, one]) => one === code)?.[0];
}
