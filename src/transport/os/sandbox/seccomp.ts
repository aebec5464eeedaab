// A filter of system calls for all threads of this process, those to come included.

import { ptr } from "bun:ffi";
import {
  confinement,
  SECCOMP_FILTER_FLAG_TSYNC,
  SECCOMP_GET_ACTION_AVAIL,
  SECCOMP_RET_ERRNO,
  SECCOMP_SET_MODE_FILTER,
} from "../../../ffi/confinement.ts";
import { EINVAL, ENOSYS, errno } from "../../../ffi/libc.ts";
import { Refusal, SystemError } from "../errors.ts";
import { encode } from "./bpf.ts";
import { numberOf, ownArchitecture } from "./calls.ts";
import { compile, type Policy } from "./filter.ts";

/** What this host lacks for a filter, in words; null where nothing is. */
export function filterLack(): string | null {
  if (ownArchitecture === null) return `no system calls are known of ${process.arch}`;
  const action = Uint32Array.of(SECCOMP_RET_ERRNO);
  const number = numberOf(ownArchitecture, "seccomp")!;
  if (confinement.syscall(number, SECCOMP_GET_ACTION_AVAIL, 0, ptr(action), 0, 0, 0) === 0) return null;
  return errno() === ENOSYS || errno() === EINVAL
    ? "the kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)"
    : "another sandbox keeps filters of system calls from this process";
}

/**
 * Lets this process call what `policy` says and no more, for good. This process must have given up new privileges. Throws a {@link Refusal}
 * where the kernel does not do it.
 */
export function filterCalls(policy: Policy): void {
  if (ownArchitecture === null) throw new Refusal(filterLack()!);
  const bytes = encode(compile(policy, ownArchitecture));
  // struct sock_fprog: a count of 16 bits, and a pointer at offset 8.
  const program = new BigUint64Array([BigInt(bytes.length / 8), BigInt(ptr(bytes))]);
  const number = numberOf(ownArchitecture, "seccomp")!;
  const result = confinement.syscall(
    number,
    SECCOMP_SET_MODE_FILTER,
    SECCOMP_FILTER_FLAG_TSYNC,
    ptr(program),
    0,
    0,
    0,
  );
  if (result > 0) throw new Refusal(`thread ${result} has a filter of its own, and takes none of ours`);
  if (result < 0) throw new SystemError("seccomp", errno(), "filtering system calls");
}
