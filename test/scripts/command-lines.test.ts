// What scripts say when they are asked for help, and at mistakes: a sentence, and never a stack.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const scripts = join(import.meta.dir, "../../scripts");
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fencepost-scripts-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function run(script: string, ...args: string[]): { code: number; output: string; errors: string } {
  const command = script.endsWith(".ts")
    ? [process.execPath, join(scripts, script)]
    : [join(scripts, script)];
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command, ...args], { cwd: folder, timeout: 30_000 });
  return { code: exitCode, output: stdout.toString(), errors: stderr.toString() };
}

const names = readdirSync(scripts).filter((name) => /\.(?:ts|sh)$/.test(name));

test.each(names)("%s --help says what it does, and does nothing", (name) => {
  const { code, output, errors } = run(name, "--help");
  expect({ code, errors }).toEqual({ code: 0, errors: "" });
  expect(output).toMatch(
    /^(?:Boots|Builds|Draws|Keeps|Makes|Records|Runs|Unpacks|extract-vmlinux\.sh VMLINUZ)[^]*\.\n/,
  );
  expect(output).not.toMatch(/^(?:#|set -|import )/m);
  expect(readdirSync(folder)).toEqual([]);
});

test.each([
  ["run-guest.ts", ["--nosuch"], 2, "Unknown option '--nosuch'. See --help."],
  ["run-guest.ts", ["--kernel", "2.6"], 2, "there is no kernel 2.6, only 6.1 and 6.12. See --help."],
  ["run-guest.ts", ["--outputs", "17"], 2, "--outputs wants 1 to 16. See --help."],
  ["run-guest.ts", ["--socket", "/nosuch"], 2, "there is no server's socket at /nosuch. See --help."],
  ["imports.ts", [], 2, "want one DIR. See --help."],
  ["imports.ts", ["nosuch"], 1, "there is no TypeScript in nosuch"],
  ["generate-wayland.ts", ["--nosuch"], 2, "Unknown option '--nosuch'. See --help."],
  ["test-guest.ts", ["--nosuch"], 2, "Unknown option '--nosuch'. See --help."],
  [
    "regress.ts",
    ["nosuch"],
    2,
    "there is no session nosuch, only boot-6.12, boot-6.1, cube-6.12, cube-6.1. See --help.",
  ],
  ["fetch-qemu.sh", ["nosuch"], 1, "takes no arguments, and was given nosuch: see --help"],
] as const)("%s %p ends with code %d", (name, args, code, says) => {
  if (name === "imports.ts") Bun.spawnSync(["git", "init", "-q"], { cwd: folder });
  const title = name.endsWith(".ts") ? name.slice(0, -3) : name;
  expect(run(name, ...args)).toEqual({ code, output: "", errors: `${title}: ${says}\n` });
});

test("a configuration that there is not is named beside those that there are", () => {
  const { code, output, errors } = run("test-guest.ts", "6.12 udmabuf", "nosuch");
  expect({ code, output }).toEqual({ code: 2, output: "" });
  expect(errors).toStartWith(
    'test-guest: there is no configuration "nosuch", only "6.12 vgem", "6.12 udmabuf", ',
  );
});
