// What a process may do by who it is: capabilities, and what it could become by running another program.

import { ptr } from "bun:ffi";
import {
  confinement,
  LINUX_CAPABILITY_VERSION_3,
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAPBSET_DROP,
  PR_CAPBSET_READ,
  PR_SET_NO_NEW_PRIVS,
} from "../../../ffi/confinement.ts";
import { errno, RLIMIT_CORE, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_RTPRIO } from "../../../ffi/libc.ts";
import { checked, SystemError } from "../errors.ts";
import { numberOf, ownArchitecture } from "./calls.ts";

const Capability = { CHOWN: 0, DAC_OVERRIDE: 1 } as const;
export type CapabilityName = keyof typeof Capability;

/** No program that this process runs, or becomes, has more rights than it. */
export function forgoNewPrivileges(): void {
  checked(confinement.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl", "forgoing new privileges");
}

/**
 * Gives up this thread's capabilities but for those of `kept`, in the bounding set as well where that is allowed: root that runs a
 * program has no more than these. Throws a {@link SystemError}.
 */
export function dropCapabilities(kept: readonly CapabilityName[]): void {
  const numbers = kept.map((name) => Capability[name]) as readonly number[];
  // Without CAP_SETPCAP nobody may, and has none to lose either.
  for (let one = 0; confinement.prctl(PR_CAPBSET_READ, one, 0, 0, 0) >= 0; one++)
    if (!numbers.includes(one) && confinement.prctl(PR_CAPBSET_DROP, one, 0, 0, 0) < 0) break;
  confinement.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  const had = ownCapabilities();
  // Where there are none, other sandboxes may not even let it be said.
  if (had.every((word) => word === 0)) return;
  const mask = numbers.reduce((sum, one) => sum | (1 << one), 0);
  // Effective, permitted, inheritable; the low 32 of them, and the high.
  const left = Uint32Array.of(had[0]! & mask, had[1]! & mask, 0, 0, 0, 0);
  call("capset", left);
}

function ownCapabilities(): Uint32Array {
  const words = new Uint32Array(6);
  call("capget", words);
  return words;
}

function call(name: "capget" | "capset", words: Uint32Array): void {
  if (ownArchitecture === null) throw new SystemError(name, 0, "an architecture that nothing is known of");
  const header = Uint32Array.of(LINUX_CAPABILITY_VERSION_3, 0);
  const result = confinement.syscall(numberOf(ownArchitecture, name)!, ptr(header), ptr(words), 0, 0, 0, 0);
  if (result < 0) throw new SystemError(name, errno(), "giving up capabilities");
}

/** No core file with a guest's memory in it, no message queues, no turn before others. */
export function lowerLimits(): void {
  const none = new BigUint64Array(2);
  for (const limit of [RLIMIT_CORE, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_RTPRIO])
    checked(confinement.setrlimit(limit, none), "setrlimit", "lowering limits");
}
