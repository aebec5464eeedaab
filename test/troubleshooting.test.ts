// What docs/troubleshooting.md says that the log says is what the source says.

import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const source = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => readFileSync(join(root, "src", path), "utf8"))
  // A sentence may go on in the next string.
  .join("\n")
  .replaceAll(/[`"] \+\n\s*[`"]/g, "");

/** What stands between the marks for what differs, where it is enough to tell a sentence by. */
const fragments = (quote: string): string[] =>
  quote
    .split("…")
    .map((part) => part.trim().replace(/^[:;,] */, ""))
    .filter((part) => part.length >= 8);

/** Each is said to be one: "log `…`", or after that ", or `…`". */
const quotes = (text: string): string[] =>
  text
    .split("\n- ")
    .filter((item) => item.startsWith("log "))
    .flatMap((item) => Array.from(item.matchAll(/(?:^log|, or) `([^`]+)`/g), ([, quote]) => quote!));

const page = readFileSync(join(root, "docs/troubleshooting.md"), "utf8");

test("every line of the log that is named is one that the source has", () => {
  const found = quotes(page.replaceAll("\n  ", " "));
  expect(found.length).toBeGreaterThan(12);
  const gone = found.flatMap(fragments).filter((fragment) => !source.includes(fragment));
  expect(gone).toEqual([]);
  expect(fragments("no such line of ours: …").filter((fragment) => source.includes(fragment))).toEqual([]);
});
