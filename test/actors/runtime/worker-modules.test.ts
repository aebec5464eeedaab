// What an actor loads before it runs: each module costs memory once an actor, for as long as the server lives.
import { expect, test } from "bun:test";
import { dirname, join, relative } from "node:path";
import { entries } from "../../../src/actors/registry.ts";

const root = join(import.meta.dir, "../../..");
const transpiler = new Bun.Transpiler({ loader: "ts" });

/** Packages and the runtime's own modules that a file brings with it, each by the last file on the way there. */
async function loadedWith(entry: string): Promise<Map<string, string>> {
  const packages = new Map<string, string>();
  const files = new Set([entry]);
  for (const file of files) {
    if (!file.endsWith(".ts")) continue;
    for (const { path, kind } of transpiler.scanImports(await Bun.file(file).text())) {
      if (kind !== "import-statement") continue;
      if (path.startsWith(".")) files.add(join(dirname(file), path));
      else packages.set(path, relative(root, file));
    }
  }
  return packages;
}

for (const [name, entry] of Object.entries(entries)) {
  test(`${name} loads neither xstate nor zod`, async () => {
    const loaded = await loadedWith(entry().pathname);

    expect(loaded.get("node:worker_threads")).toBeDefined();
    expect([loaded.get("xstate"), loaded.get("zod")]).toEqual([undefined, undefined]);
  });
}

// The ctrl queue reads /proc and /dev at start, and the inspector what the process takes; the recorder writes a file.
const readers = ["ctrl-queue", "inspector", "recorder"];
for (const [name, entry] of Object.entries(entries).filter(([name]) => !readers.includes(name))) {
  test(`${name} loads no module for files, which takes half a MiB`, async () => {
    expect((await loadedWith(entry().pathname)).get("node:fs")).toBeUndefined();
  });
}
