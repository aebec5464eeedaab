// Manual pages and completions: made of what the programs themselves say with --help.

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import packageJson from "../../../package.json";
import { programs } from "../../../bin/programs.ts";
import { manifestOf, workerNames } from "../../../src/actors/registry.ts";
import { flagOf } from "../../../src/config-flag.ts";
import { type Setting, settings } from "../../../src/config-settings.ts";
import { ValueError } from "../../../src/config-values.ts";
import { bashCompletion } from "./bash.ts";
import { fishCompletion } from "./fish.ts";
import { type HelpPage, readHelp } from "./help-page.ts";
import { manPage } from "./man-page.ts";
import { type Choices, wordsOf } from "./words.ts";
import { zshCompletion } from "./zsh.ts";

/** Writes them below `folder`, as they lie in /usr/share. `command` is the executable, or what is like it. */
export function writeShare(folder: string, command: readonly string[]): void {
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  const pages = Object.entries(programs).map(([program, { summary }]) => {
    return { program, summary, page: readHelp(helpOf(command, ["help", program])) };
  });
  const { version } = packageJson;
  const names = ["fencepost", ...pages.map(({ program }) => `fencepost-${program}`)];
  const putPage = (name: string, summary: string, page: HelpPage): void => {
    const seeAlso = names.filter((other) => other !== name);
    put(`man/man1/${name}.1`, manPage(page, { name, summary, version, seeAlso }));
  };
  putPage("fencepost", packageJson.description, readHelp(helpOf(command, ["--help"])));
  for (const { program, summary, page } of pages) putPage(`fencepost-${program}`, summary, page);
  const choices = choicesOf();
  const words = pages.map(({ program, summary, page }) => wordsOf(program, summary, page, choices));
  put("bash-completion/completions/fencepost", bashCompletion(words));
  put("zsh/vendor-completions/_fencepost", zshCompletion(words));
  put("fish/vendor_completions.d/fencepost.fish", fishCompletion(words));
}

/** Its help, with the user's own directory by its name. */
function helpOf(command: readonly string[], words: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), "fencepost-help-"));
  chmodSync(folder, 0o700);
  const env = { ...process.env, XDG_RUNTIME_DIR: folder };
  const { success, stdout, stderr } = Bun.spawnSync([...command, ...words], { env });
  rmSync(folder, { recursive: true });
  if (!success) throw new Error(`${words.join(" ")}: ${stderr.toString()}`);
  return stdout.toString().replaceAll(folder, "$XDG_RUNTIME_DIR");
}

/** What is one of a few words: a setting says so when it is given another. */
function choicesOf(): Choices {
  const kinds = Object.entries<Setting>(settings).map(([name, { kind }]) => [
    `--${flagOf(name)}`,
    wordsFor(kind),
  ]);
  const choices = Object.fromEntries(kinds.filter(([, words]) => words !== null)) as Choices;
  const actors = workerNames.filter((name) => manifestOf[name].survives === true);
  return { ...choices, LEVEL: choices["--log-level"]!, ACTOR: actors };
}

function wordsFor(kind: Setting["kind"]): string[] | null {
  try {
    kind.read("?");
    return null;
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    return /^want one of (.*)$/.exec(error.message)?.[1]?.split(", ") ?? null;
  }
}
