// The rules of tidy.test.ts themselves: each finds what it is there for, and lets the rest be.

import { describe, expect, test } from "bun:test";
import { blindCatches, longFiles, slowInHotFiles } from "./support/tidy/code.ts";
import { circles, upwardImports } from "./support/tidy/imports.ts";
import { Ratchet } from "./support/tidy/ratchet.ts";
import { type Finding, Tree } from "./support/tidy/tree.ts";
import { deadFiles, unusedExports } from "./support/tidy/unused.ts";
import { bannedWords, heldTests, nounsOfTwoMeanings, oddTestNames } from "./support/tidy/words.ts";

/** Where a rule finds something in files of these texts. */
function found(rule: (tree: Tree) => Finding[], files: Record<string, string>): string[] {
  return rule(Tree.of(files)).map(({ path, line }) => `${path}:${line}`);
}

const from = (...paths: string[]): string => paths.map((path) => `import { a } from "${path}";\n`).join("");

describe("imports", () => {
  const leaf = "export const a = 1;\n";

  test.each([
    ["ffi of anybody", "src/ffi/x.ts", "src/transport/os/a.ts"],
    ["os of a ring", "src/transport/os/x.ts", "src/transport/virtio/a.ts"],
    ["a ring of a wire", "src/transport/virtio/x.ts", "src/transport/wire/a.ts"],
    ["transport of an actor", "src/transport/wire/x.ts", "src/actors/queue/a.ts"],
    ["transport of a picture", "src/transport/wire/x.ts", "src/picture/a.ts"],
    ["pictures of a ring", "src/picture/x.ts", "src/transport/virtio/a.ts"],
    ["an actor of a command line", "src/actors/queue/x.ts", "src/cli/a.ts"],
    ["the lab of an actor", "lab/driver/x.ts", "src/actors/queue/a.ts"],
    ["a model of an outlet", "src/actors/gpu/model/x.ts", "src/actors/gpu/outlets/a.ts"],
    ["pixels of the model", "src/actors/gpu/pixels/x.ts", "src/actors/gpu/model/a.ts"],
    ["a command of what wires all", "src/actors/gpu/commands/x.ts", "src/actors/gpu/a.ts"],
  ])("%s point up", (_, importer, imported) => {
    const up = "../".repeat(importer.split("/").length - 1);
    const files = { [importer]: from(up + imported), [imported]: leaf };
    expect(found(upwardImports, files)).toEqual([`${importer}:1`]);
  });

  test.each([
    ["src/cli/x.ts", "src/actors/queue/a.ts"],
    ["src/actors/queue/x.ts", "src/picture/a.ts"],
    ["src/actors/gpu/x.ts", "src/actors/gpu/commands/a.ts"],
    ["src/actors/gpu/commands/x.ts", "src/actors/gpu/renderer/a.ts"],
    ["src/picture/x.ts", "src/transport/wire/virtio-gpu/a.ts"],
    ["src/transport/wire/x.ts", "src/transport/virtio/a.ts"],
    ["lab/driver/x.ts", "src/transport/wire/a.ts"],
    ["test/x.ts", "src/cli/a.ts"],
  ])("%s may import %s", (importer, imported) => {
    const up = "../".repeat(importer.split("/").length - 1);
    expect(found(upwardImports, { [importer]: from(up + imported), [imported]: leaf })).toEqual([]);
  });

  test("an actor knows of another its messages, its manifest and its counters alone", () => {
    const own = {
      "src/actors/bridge/main.ts": "",
      "src/actors/bridge/messages.ts": leaf,
      "src/actors/bridge/peer.ts": leaf,
    };
    const files = {
      ...own,
      "src/actors/gpu/main.ts": from("../bridge/messages.ts", "../bridge/peer.ts"),
      "src/actors/runtime/host.ts": from("../bridge/peer.ts"),
    };
    expect(found(upwardImports, files)).toEqual(["src/actors/gpu/main.ts:2", "src/actors/runtime/host.ts:1"]);
  });

  test("a worker's entry is named, and not imported", () => {
    const files = {
      "src/transport/os/x.ts": 'new URL("../../actors/queue/a.ts", import.meta.url);\n',
      "src/actors/queue/a.ts": leaf,
    };
    expect(found(upwardImports, files)).toEqual([]);
  });

  test("circles are found through types and whole chains, and what only leads to one is none", () => {
    const files = {
      "src/a.ts": 'import type { B } from "./b.ts";\n',
      "src/b.ts": `${leaf}export { c } from "./c.ts";\n`,
      "src/c.ts": 'await import("./a.ts");\n',
      "src/d.ts": from("./a.ts"),
    };
    expect(found(circles, files)).toEqual(["src/a.ts:1", "src/b.ts:2", "src/c.ts:1"]);
  });
});

describe("what nobody uses", () => {
  test("an export that is imported nowhere is found, and one that is passed on is not", () => {
    const files = {
      "src/a.ts": "export const used = 1;\nexport function idle() {}\nexport class Passed {}\n",
      "src/index.ts": 'export { Passed, idle } from "./a.ts";\n',
      "src/b.ts": 'import { type Passed as P } from "./index.ts";\nimport { used } from "./a.ts";\n',
    };
    expect(found(unusedExports, files)).toEqual(["src/a.ts:2"]);
  });

  test("a type may be exported for the declaration that it is part of", () => {
    const files = {
      "src/a.ts":
        "export interface Options {}\nexport interface Idle {}\nexport const run = (o: Options) => o;\n",
      "src/b.ts": 'import * as a from "./c.ts";\nimport { run } from "./a.ts";\n',
      "src/c.ts": "export const anything = 1;\n",
    };
    expect(found(unusedExports, files)).toEqual(["src/a.ts:2"]);
  });

  test("a file is alive by a command, an actor's name or a shell; one that only tests use is not the product's", () => {
    const files = {
      "package.json": '{ "scripts": { "demo": "bun lab/demo.ts" } }',
      "src/cli/server.ts": 'new URL("../actors/main.ts", import.meta.url);\n',
      "src/actors/main.ts": "",
      "src/picture/tested.ts": "export const a = 1;\n",
      "src/picture/dead.ts": "// See dead.ts and src/picture/dead.ts.\n",
      "lab/demo.ts": "",
      "test/a.test.ts": from("../src/picture/tested.ts"),
    };
    expect(found(deadFiles, files)).toEqual(["src/picture/dead.ts:1", "src/picture/tested.ts:1"]);
  });
});

describe("words", () => {
  test("comments are searched, and neither code nor what is quoted", () => {
    const text = [
      "// A frontend.",
      'const backend = "frontend"; // as `backend` and "color" say',
      "/** Returns it.",
      " * Answers true at once. */",
      "// Answers true at once.",
      "const pattern = /[/]* TODO/; // FIXME",
    ].join("\n");
    expect(found(bannedWords, { "src/a.ts": text })).toEqual(["src/a.ts:1", "src/a.ts:4", "src/a.ts:6"]);
  });

  test("a noun that two files declare is found in both", () => {
    const files = {
      "src/a.ts": "\nexport class Request {}\n",
      "src/b.ts": "type Request = 1;\nclass Answer {}\n",
    };
    expect(found(nounsOfTwoMeanings, files)).toEqual(["src/a.ts:2", "src/b.ts:1"]);
  });

  test("names of tests that are no sentences are found", () => {
    const text = [
      'test("a_name_of_one_word", () => {});',
      'test.each([[1, "(x"]])("it should work", () => {});',
      "describe(`ends.`, () => {});",
      "test(`${name}_is_one_too`, () => {});",
      'test("draw_vbo", () => {});',
      'test("a sentence with SET_SCANOUT_BLOB_AND_MORE", () => {});',
    ].join("\n");
    expect(found(oddTestNames, { "test/a.test.ts": text })).toEqual(
      [1, 2, 3, 4].map((line) => `test/a.test.ts:${line}`),
    );
  });

  test("tests that are held are found", () => {
    const text =
      'test("runs", () => {});\ntest.only("a", () => {});\ndescribe.skip("b", () => {});\n// test.skip\n';
    expect(found(heldTests, { "test/a.test.ts": text })).toEqual(["test/a.test.ts:2", "test/a.test.ts:3"]);
  });
});

describe("code", () => {
  test("a catch that does nothing about what it caught is found", () => {
    const text = [
      "try { a(); } catch {}",
      "try { a(); } catch (error) { log(error); }",
      "try { a(); } catch (error) { if (isOurs(error)) return; }",
      "try { a(); } catch { throw new Error(); }",
      'try { a(); } catch { b("//"); }',
      "try { a(); } catch { // a() throws only when it is closed",
      "}",
      "await a().catch(() => null);",
    ].join("\n");
    expect(found(blindCatches, { "src/a.ts": text })).toEqual([1, 2, 5, 8].map((line) => `src/a.ts:${line}`));
  });

  test("files of the hot path use no BigInt and no xstate, and allocate nothing", () => {
    const text = [
      'import { assign } from "xstate";',
      "function f(options: { a: number }) {",
      "  const a = 12n + BigInt(3);",
      "  return { ...b };",
      "}",
      "export class A {",
      "  g(): number[] {",
      "    return [1].map(String);",
      "  }",
      "}",
    ].join("\n");
    const at = (path: string): string[] => found(slowInHotFiles, { [path]: text });
    expect(at("src/actors/queue/a.ts").sort()).toEqual(
      [1, 3, 3, 4, 8].map((line) => `src/actors/queue/a.ts:${line}`),
    );
    expect(at("src/actors/session/a.ts")).toEqual([]);
    expect(at("src/actors/queue/messages.ts")).toEqual([]);
  });

  test("what runs once may be as it likes, in a file of the hot path too", () => {
    const text = [
      "const table = [1n].map((one) => [...one]);",
      "export class A {",
      "  constructor(private readonly b: { c: number }) {",
      "    this.d = Array.from(b);",
      "  }",
      "}",
      "const e = `${table} 12n`; // 12n",
    ].join("\n");
    expect(found(slowInHotFiles, { "src/actors/queue/a.ts": text })).toEqual([]);
  });

  test("long files are measured, but neither tests nor what a script makes", () => {
    const long = "\n".repeat(11);
    const files = {
      "src/a.ts": long,
      "src/b.ts": `// Made by scripts/x.ts${long}`,
      "test/c.ts": long,
      "src/d.ts": "\n",
    };
    expect([...longFiles(Tree.of(files), 10)]).toEqual([["src/a.ts", 11]]);
  });
});

describe("numbers of what is worse than a rule", () => {
  const finding = (path: string): Finding => ({ path, line: 7, what: "is wrong" });

  test("what is worse fails, with every finding of its file", () => {
    const ratchet = new Ratchet({ rule: { "a.ts": 1 } }, true);
    expect(ratchet.failures("rule", [finding("a.ts")])).toEqual([]);
    expect(ratchet.failures("rule", [finding("a.ts"), finding("a.ts")])).toEqual([
      "a.ts:7: is wrong",
      "a.ts:7: is wrong",
      "  (2 where test/tidy.json allows 1)",
    ]);
    expect(ratchet.failures("other", [finding("a.ts")])).toHaveLength(2);
  });

  test("what is better is noted, or fails, and lowers the number", () => {
    for (const isStrict of [false, true]) {
      const numbers = { rule: { "a.ts": 3, "b.ts": 1 } };
      const ratchet = new Ratchet(numbers, isStrict);
      const failures = ratchet.failures("rule", [finding("a.ts")]);
      expect((isStrict ? failures : ratchet.notes).map((line) => line.slice(0, 58))).toEqual([
        'test/tidy.json: "rule": "a.ts" can be lowered from 3 to 1:',
        'test/tidy.json: "rule": "b.ts" can be lowered from 1 to no',
      ]);
      expect(isStrict ? ratchet.notes : failures).toEqual([]);
      expect(ratchet.numbers).toEqual({ rule: { "a.ts": 1 } });
    }
  });

  test("lengths may shrink by a tenth before their number must follow", () => {
    const ratchet = new Ratchet({ lines: { "a.ts": 100, "b.ts": 100, "c.ts": 100 } }, true);
    const lengths = new Map(Object.entries({ "a.ts": 91, "b.ts": 89, "d.ts": 51 }));
    const failures = ratchet.lengthFailures("lines", lengths, 50, "split it");
    expect(failures.map((line) => line.slice(0, 35))).toEqual([
      "d.ts: 51 lines: split it",
      "  (51 where test/tidy.json allows 5",
      'test/tidy.json: "lines": "b.ts" can',
      'test/tidy.json: "lines": "c.ts" can',
    ]);
    expect(ratchet.notes).toHaveLength(1);
  });
});
