// Rules about words: those of comments, nouns that must mean one thing, and names of tests.

import { lineAt } from "../../../scripts/lib/source.ts";
import type { Finding, Tree } from "./tree.ts";

interface Word {
  readonly pattern: RegExp;
  /** What says it better. */
  readonly say: string;
}

/** Words that comments do not use. */
const words: readonly Word[] = [
  { pattern: /\b(?:TODO|FIXME|XXX|HACK)\b/g, say: "what is true today: what is left to do is an issue's" },
  {
    pattern: /\b(?:simply|obviously|basically|of course|please note|note that)\b/gi,
    say: "nothing in its place",
  },
  { pattern: /\b(?:white|black)list/gi, say: '"allowed", "refused"' },
  { pattern: /\bcolors?\b/gi, say: '"colour"' },
  { pattern: /\bbackends?\b/g, say: '"back-end"' },
  { pattern: /\bfrontends?\b/g, say: '"front-end"' },
  { pattern: /\bissue #?\d+/gi, say: "the reason itself: the code speaks of the project alone" },
];

/** As {@link words}, in docstrings of the product and the lab. */
const docWords: readonly Word[] = [
  {
    pattern:
      /\bAnswers (?:whether|true|false|null|undefined|why|how|what|a function)\b|\banswers (?:true|false|null)\b/g,
    say: '"returns": a function returns, who was asked answers',
  },
];

/** Comments with words that mean something else, or nothing. */
export function bannedWords({ sources }: Tree): Finding[] {
  return [...sources.values()].flatMap(({ path, text, comments }) =>
    comments.flatMap((comment) => {
      const isDoc = comment.text.startsWith("/**") && /^(?:src|lab)\//.test(path);
      const plain = comment.text.replace(/`[^`]*`|"[^"]*"/g, (quoted) => " ".repeat(quoted.length));
      return (isDoc ? [...words, ...docWords] : words).flatMap(({ pattern, say }) =>
        Array.from(plain.matchAll(pattern), ({ index, 0: word }) => ({
          path,
          line: lineAt(text, comment.start + index),
          what: `not "${word}", say ${say}`,
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

/** Nouns that more than one file of the product declares: each has one meaning, which CONTRIBUTING.md gives. */
export function nounsOfTwoMeanings(tree: Tree): Finding[] {
  const declared = tree
    .under("src/")
    .flatMap(({ path, code }) =>
      Array.from(code.matchAll(noun), ({ index, 1: name }) => ({ path, name, line: lineAt(code, index) })),
    );
  return declared
    .filter(({ name, path }) => declared.some((other) => other.name === name && other.path !== path))
    .map(({ path, line, name }) => ({
      path,
      line,
      what: `another file has a "${name}" too: say what this one is`,
    }));
}

const titles = /\b(?:test|it|describe)(?:\.\w+)*(?:\((?:[^()]|\([^()]*\))*\))?\(\s*(["`])/g;

/** Names of tests that are no sentences. */
export function oddTestNames(tree: Tree): Finding[] {
  return tree.under("test/").flatMap(({ path, code, text }) =>
    Array.from(code.matchAll(titles), ({ index, 0: call, 1: quote }) => {
      const start = index + call.length;
      const title = text.slice(start, code.indexOf(quote!, start)).replaceAll(/\$\{[^}]*\}/g, "x");
      const why = whyOdd(title);
      return why === null ? [] : { path, line: lineAt(text, index), what: `"${title}": ${why}` };
    }).flat(),
  );
}

function whyOdd(title: string): string | null {
  if (/^[a-z0-9]+(?:_[a-z0-9]+){3,}$/.test(title))
    return 'a sentence with spaces, such as "a copied image is shown"';
  if (/\bshould\b/.test(title)) return 'say what is, not what "should" be';
  return title.endsWith(".") ? "no full stop" : null;
}

/** Tests that do not run, or keep others from running. */
export function heldTests(tree: Tree): Finding[] {
  return tree.under("test/").flatMap(({ path, code }) =>
    Array.from(
      code.matchAll(/\b(?:test|it|describe)\.(?:only|skip|todo|failing)\b/g),
      ({ index, 0: call }) => ({
        path,
        line: lineAt(code, index),
        what: `${call}: a test runs, or goes`,
      }),
    ),
  );
}
