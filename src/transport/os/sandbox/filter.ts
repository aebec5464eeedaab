// A seccomp filter of what a process may call, as a program for the kernel.

import { SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO } from "../../../ffi/confinement.ts";
import { ENOSYS, EPERM } from "../../../ffi/libc.ts";
import { Assembler, type Instruction, type Label, seccompData } from "./bpf.ts";
import { type Architecture, type CallName, numbersOf } from "./calls.ts";

/**
 * What one argument has to be: its low 32 bits, less those outside of `mask`, one of `is`, or anything but `isNot`. The kernel takes no
 * more than these 32 bits of any argument that is checked here.
 */
export interface Check {
  readonly argument: 0 | 1 | 2 | 3 | 4 | 5;
  readonly mask?: number;
  readonly is?: readonly number[];
  readonly isNot?: number;
}

/** Allowed where all checks of one of the alternatives hold; without any, always. */
export type Rule = readonly (readonly Check[])[];

export interface Policy {
  readonly rules: Partial<Record<CallName, Rule>>;
  /** Those for which libraries have something else to do where the kernel has none of them. */
  readonly missing: readonly CallName[];
}

export const always: Rule = [];

const allow = SECCOMP_RET_ALLOW;
const refuse = SECCOMP_RET_ERRNO | EPERM;
const haveNone = SECCOMP_RET_ERRNO | ENOSYS;

/** Refuses with EPERM, and no signal: a program that asks is told, and goes on. */
export function compile(policy: Policy, architecture: Architecture): Instruction[] {
  const code = new Assembler();
  const isOurs = code.label();
  code.load(seccompData.arch);
  code.jumpEqual(architecture.audit, isOurs, null);
  // Calls of another ABI, such as those of 32 bits, have other numbers.
  code.ret(refuse);
  code.place(isOurs);
  code.load(seccompData.nr);
  // The kernel remembers of which calls it need not ask: for the others there is little before them.
  const rules = Object.entries(policy.rules).toSorted(
    ([, one], [, other]) => Number(other.length > 0) - Number(one.length > 0),
  );
  for (const [name, rule] of rules) {
    for (const number of numbersOf(architecture, name as CallName)) {
      const next = code.label();
      code.jumpEqual(number, null, next);
      addRule(code, rule);
      code.place(next);
    }
  }
  for (const name of policy.missing) {
    for (const number of numbersOf(architecture, name)) {
      const next = code.label();
      code.jumpEqual(number, null, next);
      code.ret(haveNone);
      code.place(next);
    }
  }
  code.ret(refuse);
  return code.assemble();
}

function addRule(code: Assembler, rule: Rule): void {
  for (const alternative of rule) {
    const other = code.label();
    for (const check of alternative) addCheck(code, check, other);
    code.ret(allow);
    code.place(other);
  }
  code.ret(rule.length === 0 ? allow : refuse);
}

function addCheck(code: Assembler, { argument, mask, is, isNot }: Check, otherwise: Label): void {
  const holds = code.label();
  code.load(seccompData.argumentLow(argument));
  if (mask !== undefined) code.and(mask);
  if (isNot !== undefined) code.jumpEqual(isNot, otherwise, null);
  if (is === undefined) return;
  for (const [index, value] of is.entries())
    code.jumpEqual(value, holds, index === is.length - 1 ? otherwise : null);
  code.place(holds);
}
