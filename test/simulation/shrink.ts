// A seed that fails, with as few of its steps as still do: halves are left out, then quarters, down to single steps.

import { type Outcome, type Plan, simulate, stepsOfSeed } from "./simulate.ts";

/** Runs that a seed is worth. */
const runsMax = 200;

/** Returns the steps that are left, and what comes of them. `run` is what is tried with fewer steps. */
export function shrink(
  plan: Plan,
  run: (plan: Plan) => Pick<Outcome, "failure"> = simulate,
): { steps: readonly number[]; failure: string } {
  let steps: readonly number[] = plan.only === undefined ? all() : [...plan.only];
  let { failure } = run(plan);
  let runs = 1;
  for (let size = Math.ceil(steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < steps.length && runs < runsMax; runs++) {
      const fewer = steps.toSpliced(at, size);
      const found = run({ ...plan, only: new Set(fewer) }).failure;
      if (found === "") at += size;
      else [steps, failure] = [fewer, found];
    }
  }
  return { steps, failure };
}

const all = (): number[] => Array.from({ length: stepsOfSeed }, (_, step) => step);
