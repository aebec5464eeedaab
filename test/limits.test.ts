// The table of limits (src/config-limits.ts): each is driven to its edge by a test, and told of in docs/limits.md.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { flagOf } from "../src/config-flag.ts";
import type { Setting } from "../src/config-settings.ts";
import { limits } from "../src/config-limits.ts";
import { untold } from "./support/limit-test.ts";
import { byteText } from "../src/config-values.ts";

const root = join(import.meta.dir, "..");
const all: [string, Setting][] = Object.entries<Setting>(limits);

test("each limit has a test that goes beyond it", () => {
  const tested = new Set(
    [...new Bun.Glob("test/**/*.test.ts").scanSync({ cwd: root })].flatMap((path) =>
      Array.from(
        readFileSync(join(root, path), "utf8").matchAll(/\blimitTest\(\s*"(\w+)"/g),
        ([, name]) => name!,
      ),
    ),
  );
  expect(all.map(([name]) => name).filter((name) => !tested.has(name))).toEqual([]);
});

test("docs/limits.md tells of each limit with its unit and default, what happens beyond, and whom that touches", () => {
  const page = readFileSync(join(root, "docs/limits.md"), "utf8");
  const rows = page.split("\n").filter((line) => line.startsWith("| `--"));
  const told = rows.map((row) =>
    row
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim()),
  );
  const wanted = all.map(([name, { value, help, kind }]) => {
    const fallback = kind.read(undefined) as number;
    return [`\`--${flagOf(name)}\``, value, value === "BYTES" ? byteText(fallback) : `${fallback}`, help];
  });
  expect(told.map((cells) => cells.slice(0, 4))).toEqual(wanted as string[][]);
  for (const cells of told) {
    expect(cells).toHaveLength(6);
    expect(cells.slice(4).every((cell) => cell !== "")).toBe(true);
  }
});

test("those that no line of the log tells of are few, and docs/limits.md says so of each", () => {
  const page = readFileSync(join(root, "docs/limits.md"), "utf8");
  const [, said] = /but for ((?:`[\w-]+`(?:, | and )?)+)/.exec(page)!;
  expect(untold.map((name) => `--${flagOf(name)}`)).toEqual(
    Array.from(said!.matchAll(/`([^`]+)`/g), ([, flag]) => flag!),
  );
});
