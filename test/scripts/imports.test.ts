// The picture of imports, of a repository with two revisions: one folder, then rooms.

import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const folder = mkdtempSync(join(tmpdir(), "fencepost-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

const author = ["-c", "user.name=test", "-c", "user.email=test@localhost"];

function run(...command: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd: folder });
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr.toString()}`);
  return stdout.toString();
}

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

function commit(): string {
  run("git", "add", "-A");
  run("git", ...author, "commit", "-qm", "as it is");
  return run("git", "rev-parse", "HEAD").trim();
}

const draw = (...args: string[]): string[] =>
  run(process.execPath, join(import.meta.dir, "../../scripts/imports.ts"), ...args)
    .trim()
    .split("\n")
    .map((line) => line.trim());

test("rooms are drawn from the top down, and arrows that point up are red", () => {
  run("git", "init", "-q");
  const long = `\n// ${"the same words again, so that git knows the file. ".repeat(9)}\n`;
  write("src/old/device.ts", `import { a } from "./model.ts";${long}a`);
  write("src/old/model.ts", `export const a = 1;${long}${long}`);
  const before = commit();
  expect(draw("src/old")).toEqual(["flowchart TD", 'old["old/*<br/>2 files"]']);

  mkdirSync(join(folder, "src/actors/gpu/model"), { recursive: true });
  renameSync(join(folder, "src/old/device.ts"), join(folder, "src/actors/gpu/device.ts"));
  renameSync(join(folder, "src/old/model.ts"), join(folder, "src/actors/gpu/model/model.ts"));
  const after = commit();
  expect(draw("src/old", "--rev", before, "--moved", after)).toEqual([
    "flowchart TD",
    'gpu["gpu/*<br/>1 file"]',
    'model["model<br/>1 file"]',
    "gpu -- 1 --> model",
  ]);

  write(
    "src/actors/gpu/model/model.ts",
    'import type { B } from "../device.ts";\nimport "../commands/table.ts";\n',
  );
  write(
    "src/actors/gpu/device.ts",
    'export { a } from "./model/model.ts";\n// import "./commands/table.ts"\n',
  );
  write("src/actors/gpu/commands/table.ts", "export const text = 'import \"../device.ts\"';\n");
  commit();
  expect(draw("src/actors/gpu/")).toEqual([
    "flowchart TD",
    'gpu["gpu/*<br/>1 file"]',
    'commands["commands<br/>1 file"]',
    'model["model<br/>1 file"]',
    "gpu -- 1 --> model",
    'model == "1 up" ==> commands',
    'model == "1 up" ==> gpu',
    "linkStyle 1,2 stroke:red,color:red",
  ]);

  write("src/actors/gpu/messages.ts", "export type Message = 1;\n");
  write("src/actors/gpu/model/model.ts", 'import type { Message } from "../messages.ts";\n');
  write("src/actors/gpu/device.ts", 'export { a } from "./model/model.ts";\nimport "./messages.ts";\n');
  commit();
  expect(draw("src/actors/gpu", "--bare")).toEqual([
    "flowchart TD",
    'gpu["gpu/*"]',
    'commands["commands"]',
    'model["model"]',
    'declared["declared"]',
    "gpu --> declared",
    "gpu --> model",
    "model --> declared",
  ]);
});
