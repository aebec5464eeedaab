// The rules of the house (CONTRIBUTING.md), held by reading the source. What was worse when a rule came has its number in
// tidy.json, which only shrinks: after a clean-up run `TIDY=lower bun test test/tidy.test.ts`.

import { expect, test } from "bun:test";
import { circles, deadFiles, unusedExports, upwardImports } from "./support/tidy/imports.ts";
import { longer, worse } from "./support/tidy/ratchet.ts";
import {
  bannedWords,
  blindCatches,
  longFiles,
  longFunctions,
  nounsOfTwoMeanings,
  oddTestNames,
  slowInHotFiles,
} from "./support/tidy/text.ts";

const fileLines = 300;
/** As support/tidy/oxlint.json says. */
const functionLines = 50;

test("imports point down", () => expect(worse("upward imports", upwardImports())).toEqual([]));

test("no imports form a circle", () => expect(worse("circles", circles())).toEqual([]));

test("every export is imported somewhere", () =>
  expect(worse("unused exports", unusedExports())).toEqual([]));

test("every file is reached from a command, an actor or a test", () =>
  expect(worse("dead files", deadFiles())).toEqual([]));

test("files are short", () => {
  const advice = `split it by reason to change, ${fileLines} lines are enough`;
  expect(longer("file lines", longFiles(fileLines), fileLines, advice)).toEqual([]);
});

test("functions are short", () => {
  const advice = `split the longest function, ${functionLines} lines are enough`;
  expect(longer("function lines", longFunctions(), functionLines, advice)).toEqual([]);
});

test("comments use the words of the house", () => expect(worse("banned words", bannedWords())).toEqual([]));

test("a noun has one meaning", () =>
  expect(worse("nouns of two meanings", nounsOfTwoMeanings())).toEqual([]));

test("what is caught is checked, thrown on, or explained", () =>
  expect(worse("blind catches", blindCatches())).toEqual([]));

test("files of the hot path hold to what it allows", () =>
  expect(worse("slow in hot files", slowInHotFiles())).toEqual([]));

test("tests are named by sentences", () => expect(worse("odd test names", oddTestNames())).toEqual([]));
