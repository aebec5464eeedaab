// A test of one limit: at it all is well, one more is refused, and nobody else suffers. test/limits.test.ts sees to it that
// there is one for each.

import { test } from "bun:test";
import type { limits } from "../../src/config-limits.ts";

export function limitTest(limit: keyof typeof limits, title: string, body: () => unknown): void {
  test(`${limit}: ${title}`, body as () => Promise<void>);
}
