// Rules about lengths, words, exceptions and what a file of the hot path may not do.

import { join } from "node:path";
import { closing, lineAt, type Source } from "../../../scripts/lib/source.ts";
import { type Finding, root, sources, under } from "./tree.ts";

const isGenerated = ({ text }: Source): boolean => /^\/\/[^\n]*Made by scripts\//.test(text);

/** The lines of each file that is longer than `most`. Tests, and what a script generates, may be of any length. */
export function longFiles(most: number): Map<string, number> {
  const lengths = under("src/", "lab/", "bench/", "scripts/")
    .filter((source) => !isGenerated(source))
    .map(({ path, text }): [string, number] => [path, text.split("\n").length - 1]);
  return new Map(lengths.filter(([, lines]) => lines > most));
}

/** The lines of the longest function of each file that has a long one, by oxlint: see oxlint.json for what is long. */
export function longFunctions(): Map<string, number> {
  const folders = ["src", "lab", "bench", "scripts"];
  const config = join(import.meta.dir, "oxlint.json");
  const lint = Bun.spawnSync(["node_modules/.bin/oxlint", "-c", config, "-f", "json", ...folders], {
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

/** Words that comments do not use, and what says it better. */
const words: readonly { readonly pattern: RegExp; readonly say: string }[] = [
  { pattern: /\b(?:TODO|FIXME|XXX|HACK)\b/g, say: "what is true today: what is left to do is an issue's" },
  {
    pattern: /\b(?:simply|obviously|basically|of course|please note|note that)\b/gi,
    say: "nothing in its place",
  },
  { pattern: /\b(?:white|black)list/gi, say: '"allowed", "refused"' },
  { pattern: /\bcolors?\b/gi, say: '"colour"' },
  { pattern: /\bfile descriptors?\b/gi, say: '"descriptor"' },
  { pattern: /\bbackends?\b/g, say: '"back-end"' },
  { pattern: /\bfrontends?\b/g, say: '"front-end"' },
  { pattern: /\bissue #?\d+/gi, say: "the reason itself: the code speaks of the project alone" },
];

/** As {@link words}, in docstrings of the product and the lab. */
const docWords: typeof words = [
  {
    pattern:
      /\bAnswers (?:whether|true|false|null|undefined|why|how|what|a function)\b|\banswers (?:true|false|null)\b/g,
    say: '"returns": a function returns, who was asked answers',
  },
];

/** Comments with words that mean something else, or nothing. */
export function bannedWords(): Finding[] {
  return [...sources.values()].flatMap(({ path, text, comments }) =>
    comments.flatMap((comment) => {
      const isDoc = comment.text.startsWith("/**") && /^(?:src|lab)\//.test(path);
      const plain = comment.text.replace(/`[^`]*`|"[^"]*"/g, (quoted) => " ".repeat(quoted.length));
      return (isDoc ? [...words, ...docWords] : words).flatMap(({ pattern, say }) =>
        Array.from(plain.matchAll(pattern), (match) => ({
          path,
          line: lineAt(text, comment.start + match.index),
          what: `not "${match[0]}", say ${say}`,
        })),
      );
    }),
  );
}

const nouns = ["Request", "Answer", "Device", "Session", "Config", "Picture", "Surface"];
const noun = new RegExp(
  `^[ \\t]*(?:export )?(?:abstract )?(?:class|interface|type|enum|const|function) (${nouns.join("|")})\\b`,
  "gm",
);

/** Nouns that are declared by more than one file of the product: each has one meaning, which CONTRIBUTING.md gives. */
export function nounsOfTwoMeanings(): Finding[] {
  const declared = under("src/").flatMap(({ path, code }) =>
    Array.from(code.matchAll(noun), (match) => ({ path, name: match[1]!, line: lineAt(code, match.index) })),
  );
  return declared
    .filter(({ name, path }) => declared.some((other) => other.name === name && other.path !== path))
    .map(({ path, line, name }) => ({
      path,
      line,
      what: `another file has a "${name}" too: say what this one is`,
    }));
}

/** `catch` blocks that neither look at what was thrown, nor throw, nor say why there is nothing to do. */
export function blindCatches(): Finding[] {
  return under("src/", "lab/", "bench/", "scripts/").flatMap(({ path, code, text }) =>
    Array.from(code.matchAll(/\bcatch\s*(\([^)]*\)\s*)?\{|\.catch\(/g), ({ index, 0: whole }) => {
      const open = index + whole.length - 1;
      const body = code.slice(open, closing(code, open));
      const said =
        text.slice(open, closing(code, open)) !== body &&
        /\/\/|\/\*/.test(text.slice(open, closing(code, open)));
      const looks = /\bthrow\b|\binstanceof\b|\bif \(|\bas(?:Refusal|Error)\(/.test(body);
      if (looks || said) return [];
      const what =
        "let through what is not expected (check, else throw), or say in a comment why all is expected";
      return { path, line: lineAt(code, index), what };
    }).flat(),
  );
}

/** Files and folders that run for every command or message of a guest. */
const hot = [
  "src/transport/virtio/",
  "src/actors/queue/",
  "src/actors/gpu/commands/",
  "src/actors/gpu/model/",
  "src/actors/gpu/ctrl-queue.ts",
  "src/actors/cursor/",
  "src/actors/machines/table.ts",
  "src/actors/runtime/mailbox.ts",
  "src/actors/runtime/shared-words.ts",
  "src/picture/pixels.ts",
  "src/picture/damage.ts",
];

const slow: readonly { readonly pattern: RegExp; readonly what: string }[] = [
  {
    pattern: /\b\d[\d_]*n\b|\bBigInt\(|\bBig(?:Ui|I)nt64Array\b|\bgetBig/g,
    what: "BigInt: use two u32 halves, or a Number below 2^53",
  },
  { pattern: /from "xstate"/g, what: "xstate is for the compiler of machines alone: use its tables" },
  {
    pattern: /\.(?:map|filter|flatMap|slice|concat|split|join|bind|entries)\(/g,
    what: "allocates: loop, or use memory made once",
  },
  {
    pattern: /\bArray\.from\(|\bObject\.(?:keys|values|entries|fromEntries)\(|\bJSON\./g,
    what: "allocates: loop, or use memory made once",
  },
  { pattern: /[[{(,]\s*\.\.\.\w/g, what: "a spread allocates: copy fields, or use memory made once" },
];

/** What files of the hot path do that is not for a path that runs for each command. */
export function slowInHotFiles(): Finding[] {
  return under(...hot).flatMap(({ path, code, text }) =>
    slow.flatMap(({ pattern, what }) =>
      Array.from((pattern.source.startsWith("from") ? text : code).matchAll(pattern), (match) => ({
        path,
        line: lineAt(text, match.index),
        what: `"${match[0]}" in a file of the hot path: ${what}`,
      })),
    ),
  );
}

const titles = /\b(?:test|it|describe)(?:\.\w+)*(?:\((?:[^()]|\([^()]*\))*\))?\(\s*(["`])/g;

/** Names of tests that are no sentences. */
export function oddTestNames(): Finding[] {
  return under("test/").flatMap(({ path, code, text }) =>
    Array.from(code.matchAll(titles), (match) => {
      const start = match.index + match[0].length;
      const title = text.slice(start, code.indexOf(match[1]!, start));
      const odd = (what: string): Finding => ({
        path,
        line: lineAt(text, match.index),
        what: `"${title}": ${what}`,
      });
      if (/^[a-z0-9]+(?:_[a-z0-9]+){3,}$/.test(title))
        return odd('a sentence with spaces, such as "a copied image is shown"');
      if (/\bshould\b/.test(title)) return odd('say what is, not what "should" be');
      if (title.endsWith(".")) return odd("no full stop");
      return [];
    }).flat(),
  );
}
