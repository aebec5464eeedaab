// The documents, and the commands that they tell their readers to type.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const root = join(import.meta.dir, "../../..");

export const documents = [
  "README.md",
  "CONTRIBUTING.md",
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** What stands in a document's blocks for shells: a command each, whose lines are joined, without its comment. */
export const commandsOf = (document: string): string[] =>
  commandsIn(readFileSync(join(root, document), "utf8"));

export function commandsIn(text: string): string[] {
  const blocks = Array.from(text.matchAll(/^```sh\n(.*?)^```$/gms), ([, block]) => block!);
  return blocks
    .flatMap((block) =>
      block
        .replaceAll(/\\\n\s*/g, "")
        .replaceAll(/\|\n\s*/g, "| ")
        .split("\n"),
    )
    .map((line) => line.replace(/(?:^|\s+)#\s.*$/, "").trim())
    .filter((line) => line !== "");
}
