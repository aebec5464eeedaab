// What setup.sh installs for a server without guests is all that the server may miss.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "../..");

test("every package that the server names as missing is among those that setup.sh installs", () => {
  const named = new Set<string>();
  for (const file of new Bun.Glob("src/**/*.ts").scanSync({ cwd: root, absolute: true })) {
    const text = readFileSync(file, "utf8");
    for (const [, packages] of text.matchAll(/apt-get install ([a-z0-9. +-]+)/g)) {
      for (const one of packages!.trim().split(/\s+/)) named.add(one);
    }
    for (const [, one] of text.matchAll(/\bpackage: "([a-z0-9.+-]+)"/g)) named.add(one!);
  }
  const setup = readFileSync(join(root, "setup.sh"), "utf8");
  const installed = /^runtime_packages=\((.*)\)$/m.exec(setup)![1]!.split(/\s+/);
  expect(named.size).toBeGreaterThanOrEqual(5);
  expect([...named].filter((one) => !installed.includes(one))).toEqual([]);
});
