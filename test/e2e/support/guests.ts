// Where the test guests are not built, their tests are left out, with a word on how to have them; in CI they fail.

import { test } from "bun:test";
import { missingParts } from "../../../lab/qemu/cache.ts";

/** Defines tests with `define` where there are guests for them. */
export function whereGuestsAre(define: () => void): void {
  const missing = missingParts();
  if (missing.length === 0) return define();
  const text = missing.join(", ");
  if (!process.env["CI"]) return test.skip(`guests are missing, run ./setup.sh (${text})`, () => {});
  test("the guests are there", () => {
    throw new Error(`missing: ${text}; run ./setup.sh`);
  });
}
