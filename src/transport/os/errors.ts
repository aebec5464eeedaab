// System call failures as exceptions with the call, the errno name and what was attempted.

import { constants } from "node:os";
import { errno } from "../../ffi/libc.ts";

const errnoNames = new Map(Object.entries(constants.errno).map(([name, code]) => [code, name]));

export class SystemError extends Error {
  readonly code: string;

  constructor(
    readonly call: string,
    readonly errno: number,
    doing: string,
  ) {
    const code = errnoNames.get(errno) ?? `errno ${errno}`;
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
