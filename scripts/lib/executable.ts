// How the executable is made: https://bun.com/docs/bundler/executables.

import { join } from "node:path";

const root = join(import.meta.dir, "../..");
/** Where an executable's files lie when it runs. */
const inside = "file:///$bunfs/root";

/** Writes it to `path`. Throws with what the bundler has to say. */
export async function buildExecutable(path: string): Promise<void> {
  const workers = [
    ...new Bun.Glob("src/actors/*/main.ts").scanSync(root),
    "lab/replay/live/stream-reader.ts",
  ];
  await Bun.build({
    // The first is what it runs; the others lie beside it under their paths.
    entrypoints: ["bin/main.ts", ...workers].map((entry) => join(root, entry)),
    root,
    target: "bun",
    format: "esm",
    minify: true,
    bytecode: true,
    // Each thread loads what it needs of what all share, and programs what they need.
    splitting: true,
    env: "disable",
    compile: {
      outfile: path,
      // What lies in a caller's directory has no say.
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
    },
    plugins: [keepsPlaces],
  });
}

/**
 * A bundle has one URL for all its modules, that of its entry. Workers are named from where they are started: each module keeps
 * the place that it has in the checkout.
 */
const keepsPlaces: Bun.BunPlugin = {
  name: "modules keep their places",
  setup(build) {
    build.onLoad({ filter: /\/(?:bin|src|lab)\/.*\.ts$/ }, async ({ path }) => {
      const text = await Bun.file(path).text();
      const url = JSON.stringify(`${inside}${path.slice(root.length)}`);
      return { loader: "ts", contents: text.replaceAll(/\bimport\.meta\.url\b/g, url) };
    });
  },
};
