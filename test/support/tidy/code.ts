// Rules about lengths, exceptions, and what a file of the hot path may not do.

import { join } from "node:path";
import { closing, lineAt } from "../../../scripts/lib/source.ts";
import { type Finding, root, type Tree } from "./tree.ts";

const written = ["src/", "lab/", "bench/", "scripts/"];

/** The lines of each file that is longer than `most`. Tests, and what a script makes, may be of any length. */
export function longFiles(tree: Tree, most: number): Map<string, number> {
  const lengths = tree
    .under(...written)
    .filter(({ text }) => !/^\/\/[^\n]*Made by scripts\//.test(text))
    .map(({ path, text }): [string, number] => [path, text.split("\n").length - 1]);
  return new Map(lengths.filter(([, lines]) => lines > most));
}

/** The lines of the longest function of each file that has a long one, by oxlint: see oxlint.json for what is long. */
export function longFunctions(): Map<string, number> {
  const config = join(import.meta.dir, "oxlint.json");
  const lint = Bun.spawnSync(["node_modules/.bin/oxlint", "-c", config, "-f", "json", ...written], {
    cwd: root,
  });
  const { diagnostics } = JSON.parse(lint.stdout.toString()) as {
    diagnostics: readonly { filename: string; message: string }[];
  };
  const longest = new Map<string, number>();
  for (const { filename, message } of diagnostics) {
    const lines = Number(/\((\d+)\)/.exec(message)![1]);
    longest.set(filename, Math.max(lines, longest.get(filename) ?? 0));
  }
  return longest;
}

/** `catch` that neither looks at what was thrown, nor throws, nor says in a comment why there is nothing to do. */
export function blindCatches(tree: Tree): Finding[] {
  return tree.under(...written).flatMap(({ path, code, text, comments }) =>
    Array.from(code.matchAll(/\bcatch\s*(?:\([^)]*\)\s*)?\{|\.catch\(/g), ({ index, 0: whole }) => {
      const open = index + whole.length - 1;
      const end = closing(code, open);
      const looks = /\bthrow\b|\binstanceof\b|\bif \(|\basRefusal\(/.test(code.slice(open, end));
      if (looks || comments.some(({ start }) => start > open && start < end)) return [];
      const what =
        "let through what is not expected (check, else throw), or say in a comment why all is expected";
      return { path, line: lineAt(text, index), what };
    }).flat(),
  );
}

/** Files of those folders that run at start, for what is rare, or in tests alone. */
const cold =
  /\/(?:storage\/(?:probe|gbm-storage)|queue\/held-answers|virgl\/(?:start|capsets|exporter|callbacks)|venus\/(?:probe|render-server|venus|llvmpipe-memory)|messages|manifest)\.ts$/;

/** Files and folders that run for every command or message of a guest. */
const hot = [
  "src/transport/virtio/",
  "src/actors/queue/",
  "src/actors/gpu/commands/",
  "src/actors/gpu/model/",
  "src/actors/gpu/pixels/",
  "src/actors/gpu/renderer/transfer.ts",
  "src/actors/gpu/renderer/virgl/",
  "src/actors/gpu/ctrl-queue.ts",
  "src/actors/cursor/",
  "src/actors/machines/lifecycle.ts",
  "src/actors/machines/table.ts",
  "src/actors/runtime/mailbox.ts",
  "src/actors/runtime/shared-words.ts",
  "src/actors/runtime/tap/",
  "src/picture/pixels.ts",
  "src/picture/damage.ts",
];

const bigInt = "BigInt: use two u32 halves, or a Number below 2^53";
const allocates = "allocates: loop, or use memory made once";
const slow: readonly { readonly pattern: RegExp; readonly what: string }[] = [
  { pattern: /\b\d[\d_]*n\b|\bBigInt\(|\bBig(?:Ui|I)nt64Array\b|\b[gs]etBig/g, what: bigInt },
  { pattern: /\.(?:map|filter|flatMap|slice|concat|split|join|bind|entries)\(/g, what: allocates },
  { pattern: /\bArray\.from\(|\bObject\.(?:keys|values|entries|fromEntries)\(|\bJSON\./g, what: allocates },
  { pattern: /[[{(,]\s*\.\.\.\w/g, what: allocates },
];

/** The code with spaces for what runs once: statements of the module itself, and constructors. */
function withoutSetUp(code: string): string {
  const kept: string[] = Array.from(code, (char) => (char === "\n" ? char : " "));
  const bodyOf = (from: number): [number, number] => {
    const open = code.indexOf("{", from);
    return open < 0 ? [0, 0] : [open, closing(code, open)];
  };
  const heads =
    /^(?:export )?(?:abstract )?(?:async )?(?:class \w+|function\*? \w+\(|const \w+ = (?:async )?\()/gm;
  for (const { index, 0: head } of code.matchAll(heads)) {
    const parameters = index + head.length - 1;
    const [open, end] = bodyOf(head.endsWith("(") ? closing(code, parameters) : parameters);
    for (let at = open; at < end; at++) kept[at] = code[at]!;
  }
  for (const { index, 0: head } of code.matchAll(/\bconstructor\(/g)) {
    const [open, end] = bodyOf(closing(code, index + head.length - 1));
    for (let at = open; at < end; at++) if (code[at] !== "\n") kept[at] = " ";
  }
  return kept.join("");
}

/** What files of the hot path do that is not for what runs with each command. */
export function slowInHotFiles(tree: Tree): Finding[] {
  const files = tree.under(...hot).filter(({ path }) => !cold.test(path));
  return files.flatMap(({ path, code, imports }) => [
    ...slow.flatMap(({ pattern, what }) =>
      Array.from(withoutSetUp(code).matchAll(pattern), ({ index, 0: found }) => ({
        path,
        line: lineAt(code, index),
        what: `"${found}" in a file of the hot path: ${what}`,
      })),
    ),
    ...imports
      .filter(({ from }) => from === "xstate")
      .map(({ line }) => ({
        path,
        line,
        what: "xstate is for the compiler of machines alone: use its tables",
      })),
  ]);
}
