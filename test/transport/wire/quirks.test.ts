// The oddities of VMMs are told in one place, and each is named where it is acted on.
import { expect, test } from "bun:test";
import { Glob } from "bun";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { quirks } from "../../../src/transport/wire/quirks.ts";

const root = join(import.meta.dir, "../../..");
const named = new Map<string, string[]>();
for (const path of new Glob("src/**/*.ts").scanSync(root)) {
  if (path.endsWith("wire/quirks.ts")) continue;
  for (const [, name] of readFileSync(join(root, path), "utf8").matchAll(/quirks\.([a-z]\w*)/g)) {
    if (name !== "ts") named.set(name!, [...(named.get(name!) ?? []), path]);
  }
}

test("every quirk is named where it is acted on", () => {
  expect(Object.keys(quirks).filter((name) => !named.has(name))).toEqual([]);
});

test("every quirk that is named is told of", () => {
  expect([...named].filter(([name]) => !(name in quirks))).toEqual([]);
});

test("every quirk says whose it is, of which versions, and how it is known", () => {
  for (const quirk of Object.values(quirks))
    for (const text of Object.values(quirk)) expect(text).not.toBe("");
});
