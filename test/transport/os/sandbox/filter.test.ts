// Filters of system calls, as programs: what they let through is what their policy says.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { Assembler, encode } from "../../../../src/transport/os/sandbox/bpf.ts";
import {
  type Architecture,
  architectures,
  type CallName,
  numberOf,
} from "../../../../src/transport/os/sandbox/calls.ts";
import { always, type Check, compile, type Policy } from "../../../../src/transport/os/sandbox/filter.ts";
import { runFilter } from "../../../support/sandbox/bpf-interpreter.ts";

const [allowed, eperm, enosys] = [0x7fff_0000, 0x0005_0001, 0x0005_0026];
const both = Object.entries(architectures) as [string, Architecture][];
const six = [0n, 0n, 0n, 0n, 0n, 0n];

test.each(both)("on %s a call without a rule is refused, one with one is not", (_, architecture) => {
  const program = encode(compile({ rules: { read: always }, missing: ["clone3"] }, architecture));
  const ask = (name: CallName): number =>
    runFilter(program, { nr: numberOf(architecture, name)!, arch: architecture.audit, args: six });
  expect([ask("read"), ask("write"), ask("execve"), ask("clone3")]).toEqual([allowed, eperm, eperm, enosys]);
});

test("calls of another ABI are refused, whatever their number", () => {
  const { x64, arm64 } = architectures;
  const program = encode(compile({ rules: { read: always }, missing: [] }, x64));
  const nr = numberOf(x64, "read")!;
  expect(runFilter(program, { nr, arch: 0x4000_0003, args: six })).toBe(eperm);
  expect(runFilter(program, { nr, arch: arm64.audit, args: six })).toBe(eperm);
  // x32 marks its numbers.
  expect(runFilter(program, { nr: 0x4000_0000 + nr, arch: x64.audit, args: six })).toBe(eperm);
});

test("a call that an architecture does not have is left out there", () => {
  const { arm64 } = architectures;
  expect(numberOf(arm64, "open")).toBeUndefined();
  expect(compile({ rules: { open: always }, missing: [] }, arm64)).toHaveLength(
    compile({ rules: {}, missing: [] }, arm64).length,
  );
});

const word = fc.oneof(
  fc.constantFrom(0, 1, 2, 3, 4, 6, 7, 0x6400, 0xffff_ffff),
  fc.integer({ min: 0, max: 0xffff_ffff }),
);
const checks = fc.record(
  {
    argument: fc.constantFrom(0, 1, 2, 3, 4, 5) as fc.Arbitrary<0>,
    mask: word,
    is: fc.array(word, { minLength: 1, maxLength: 3 }),
    isNot: word,
  },
  { requiredKeys: ["argument"] },
) as fc.Arbitrary<Check>;
const names = ["read", "mmap", "ioctl", "clone"] as const;
const policies = fc.record({
  rules: fc.dictionary(
    fc.constantFrom(...names),
    fc.array(fc.array(checks, { minLength: 1, maxLength: 3 }), { maxLength: 3 }),
  ),
  missing: fc.constant([]),
}) as fc.Arbitrary<Policy>;

/** What a policy means, said the short way. */
function means({ rules }: Policy, name: CallName, args: readonly bigint[]): boolean {
  const rule = rules[name];
  if (rule === undefined) return false;
  return (
    rule.length === 0 ||
    rule.some((alternative) =>
      alternative.every(({ argument, mask = 0xffff_ffff, is, isNot }) => {
        const value = (Number(BigInt.asUintN(32, args[argument]!)) & mask) >>> 0;
        return (is === undefined || is.includes(value)) && (isNot === undefined || value !== isNot);
      }),
    )
  );
}

test("whatever the policy, the program lets through what it means", () => {
  const values = fc.tuple(
    ...six.map(() => fc.oneof(word.map(BigInt), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))),
  );
  fc.assert(
    fc.property(policies, fc.constantFrom(...names), values, (policy, name, args) => {
      const program = encode(compile(policy, architectures.x64));
      const nr = numberOf(architectures.x64, name)!;
      const answer = runFilter(program, { nr, arch: architectures.x64.audit, args });
      expect(answer).toBe(means(policy, name, args) ? allowed : eperm);
    }),
    { numRuns: 2000 },
  );
});

test("a jump that is too far, backwards or to nowhere is a mistake of ours, and told", () => {
  const far = new Assembler();
  const end = far.label();
  far.jumpEqual(1, end, null);
  for (let at = 0; at < 256; at++) far.ret(0);
  far.place(end);
  far.ret(0);
  expect(() => far.assemble()).toThrow("jumps by 256");
  const back = new Assembler();
  const begin = back.label();
  back.place(begin);
  back.jumpEqual(1, begin, null);
  expect(() => back.assemble()).toThrow("jumps by -1");
  const nowhere = new Assembler();
  nowhere.jumpEqual(1, nowhere.label(), null);
  expect(() => nowhere.assemble()).toThrow("to -1");
});
