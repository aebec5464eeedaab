// The rules of the house (CONTRIBUTING.md), held by reading the source. What was worse when a rule came has its number in
// tidy.json, which only shrinks: after a clean-up run `TIDY=lower bun test test/tidy.test.ts`.

import { afterAll, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { blindCatches, longFiles, longFunctions, slowInHotFiles } from "./support/tidy/code.ts";
import { circles, upwardImports } from "./support/tidy/imports.ts";
import { type Numbers, Ratchet } from "./support/tidy/ratchet.ts";
import { Tree } from "./support/tidy/tree.ts";
import { deadFiles, unusedExports } from "./support/tidy/unused.ts";
import { bannedWords, heldTests, nounsOfTwoMeanings, oddTestNames } from "./support/tidy/words.ts";

const fileLines = 300;
/** As support/tidy/oxlint.json says. */
const functionLines = 50;
const tree = Tree.read();

const file = `${import.meta.dir}/tidy.json`;
const lowers = process.env["TIDY"] === "lower";
const ratchet = new Ratchet(JSON.parse(readFileSync(file, "utf8")) as Numbers, !lowers);
afterAll(() => {
  if (lowers) writeFileSync(file, `${JSON.stringify(ratchet.numbers, null, 2)}\n`);
  else if (ratchet.notes.length > 0) console.log(ratchet.notes.join("\n"));
});

test.each([
  ["imports point down", "upward imports", upwardImports],
  ["no imports form a circle", "circles", circles],
  ["every export is imported somewhere", "unused exports", unusedExports],
  ["every file is reached from a command, an actor or a test", "dead files", deadFiles],
  ["comments use the words of the house", "banned words", bannedWords],
  ["a noun has one meaning", "nouns of two meanings", nounsOfTwoMeanings],
  ["what is caught is checked, thrown on, or explained", "blind catches", blindCatches],
  ["files of the hot path hold to what it allows", "slow in hot files", slowInHotFiles],
  ["tests are named by sentences", "odd test names", oddTestNames],
  ["every test runs", "held tests", heldTests],
] as const)("%s", (_, rule, find) => expect(ratchet.failures(rule, find(tree))).toEqual([]));

test("files are short", () => {
  const advice = `split it by reason to change, ${fileLines} lines are enough`;
  expect(ratchet.lengthFailures("file lines", longFiles(tree, fileLines), fileLines, advice)).toEqual([]);
});

test("functions are short", () => {
  const advice = `split the longest function, ${functionLines} lines are enough`;
  expect(ratchet.lengthFailures("function lines", longFunctions(), functionLines, advice)).toEqual([]);
});
