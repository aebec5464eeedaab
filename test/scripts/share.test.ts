// Manual pages and completions say what the programs say.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { programs } from "../../bin/programs.ts";
import { flagsOf, readHelp } from "../../scripts/lib/share/help-page.ts";
import { writeShare } from "../../scripts/lib/share/index.ts";
import { flagOf } from "../../src/config-flag.ts";
import { settings } from "../../src/config-settings.ts";

const launcher = join(import.meta.dir, "../../bin/fencepost");
let share: string;
beforeAll(() => {
  share = mkdtempSync(join(tmpdir(), "fencepost-share-"));
  writeShare(share, [launcher]);
});
afterAll(() => rmSync(share, { recursive: true }));

const read = (path: string): string => readFileSync(join(share, path), "utf8");

function output(...command: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { env: { ...process.env, LC_ALL: "C.UTF-8" } });
  expect({ exitCode, stderr: stderr.toString() }).toEqual({ exitCode: 0, stderr: "" });
  return stdout.toString();
}

describe("help is read", () => {
  const page = readHelp(`Does it.

Usage: x FILE [--json]
       x -o OUT

Flags:
  -n, --scanout N   which,
                    of many
  --fast, --slow    how
  --far-too-long-for-it WORD  a text
  --inspect[=[ADDRESS:]PORT]
                    shows it
  --scene 2d|3d     what

Said at the end.
Exit codes: 0 done,
1 not.`);

  test("with its parts", () => {
    expect(page).toMatchObject({
      usage: ["x FILE [--json]", "x -o OUT"],
      intro: ["Does it."],
      notes: ["Said at the end."],
      exitCodes: "0 done, 1 not.",
    });
    expect(page.sections).toHaveLength(1);
    expect(page.sections[0]).toMatchObject({
      heading: "Flags",
      rows: [{ term: "-n, --scanout N", text: "which, of many" }, {}, {}, { text: "shows it" }, {}],
    });
  });

  test("with its flags, and what their values are", () => {
    expect(flagsOf(page).map(({ names, value, isOptional }) => [names.join(), value, isOptional])).toEqual([
      ["-n,--scanout", "N", false],
      ["--fast", null, false],
      ["--slow", null, false],
      ["--far-too-long-for-it", "WORD", false],
      ["--inspect", "[ADDRESS:]PORT", true],
      ["--scene", "2d|3d", false],
      ["--json", null, false],
      ["-o", "OUT", false],
    ]);
  });
});

test("every program has a page that man shows without a complaint", () => {
  const pages = readdirSync(join(share, "man/man1")).toSorted();
  expect(pages).toEqual(
    ["fencepost.1", ...Object.keys(programs).map((program) => `fencepost-${program}.1`)].toSorted(),
  );
  for (const page of pages) {
    const path = join(share, "man/man1", page);
    const shown = output(
      "man",
      "--warnings",
      "--encoding=UTF-8",
      "--troff-device=utf8",
      "--local-file",
      path,
    );
    // What is bold, a terminal prints twice.
    const plain = shown.replaceAll(/.[\b]/g, "");
    for (const part of ["NAME", "SYNOPSIS", "DESCRIPTION", "SEE ALSO"]) expect(plain).toContain(part);
  }
});

test("every setting is in the server's page, with its default, and no path of this user's", () => {
  const page = read("man/man1/fencepost-serve.1").replaceAll("\\-", "-");
  for (const name of Object.keys(settings)) expect(page).toMatch(new RegExp(`--${flagOf(name)}\\b`));
  expect(page).toContain("(default: $XDG_RUNTIME_DIR/fencepost.sock)");
  expect(page).toContain(".SH EXIT STATUS\n0 stopped as asked");
  expect(page).not.toContain(tmpdir());
});

describe("bash", () => {
  const complete = (...words: string[]): string[] => {
    const path = join(share, "bash-completion/completions/fencepost");
    const script =
      'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _fencepost; printf "%s\\n" "${COMPREPLY[@]}"';
    return output("bash", "-c", script, "bash", path, "fencepost", ...words)
      .split("\n")
      .filter(Boolean);
  };

  test.each([
    [[""], [...Object.keys(programs), "help"]],
    [["tr"], ["trace-info", "trace-trim"]],
    [
      ["help", "tr"],
      ["trace-info", "trace-trim"],
    ],
    [["--rend"], ["--renderer", "--render-node", "--render-server"]],
    [
      ["serve", "--rend"],
      ["--renderer", "--render-node", "--render-server"],
    ],
    [["serve", "--renderer", "v"], ["virgl"]],
    [["--renderer", "=", "s"], ["software"]],
    [
      ["--storage", "="],
      ["auto", "gbm", "udmabuf", "memfd"],
    ],
    [["--poll-us", ""], []],
    [["ctl", "scr"], ["screenshot"]],
    [
      ["ctl", "trace", ""],
      ["start", "stop"],
    ],
    [["ctl", "outp"], ["outputs"]],
    [["ctl", "outputs", ""], ["set"]],
    [["ctl", "kill", "dis"], ["display"]],
    [["ctl", "--control-path", "a", "log-level", "w"], ["warning"]],
    [
      ["demo", "--se"],
      ["--seconds", "--server"],
    ],
    [
      ["demo", "--scene", ""],
      ["2d", "3d"],
    ],
    [["trace-info", "--j"], ["--json"]],
    [["replay", "/etc/passw"], expect.arrayContaining(["/etc/passwd"])],
    [["replay", "--png", "/et"], ["/etc"]],
  ] as [string[], string[]][])("completes %j", (words, found) => expect(complete(...words)).toEqual(found));
});

test("fish completes programs, flags and their values", () => {
  const path = join(share, "fish/vendor_completions.d/fencepost.fish");
  const complete = (line: string): string[] =>
    output("fish", "--no-config", "-c", `source ${path}; complete -C '${line}'`)
      .split("\n")
      .filter(Boolean)
      .map((found) => found.split("\t")[0]!);
  expect(complete("fencepost tr")).toEqual(["trace-info", "trace-trim"]);
  expect(complete("fencepost --rendere")).toEqual(["--renderer"]);
  expect(complete("fencepost serve --renderer v")).toEqual(["virgl"]);
  expect(complete("fencepost ctl kill dis")).toEqual(["display"]);
  expect(complete("fencepost demo --scene ")).toEqual(["2d", "3d"]);
});

test("zsh reads its completion, which knows every flag of the server", () => {
  const path = join(share, "zsh/vendor-completions/_fencepost");
  output("zsh", "-n", path);
  const text = read("zsh/vendor-completions/_fencepost");
  for (const name of Object.keys(settings)) expect(text).toMatch(new RegExp(`--${flagOf(name)}[=[-]`));
});
