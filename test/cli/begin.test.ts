// Programs begin in a directory that nobody else can fill, and say what is missing where modules are.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ServerRun } from "../support/server-run.ts";

const root = join(import.meta.dir, "../..");
const launcher = join(root, "bin/fencepost");

let folder: string;
let marker: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fencepost-test-"));
  marker = join(folder, "marker");
});
afterEach(() => rmSync(folder, { recursive: true }));

test("a library of the caller's directory is not loaded where the system has none", async () => {
  const library = "libfencepost-nobody-has.so.1";
  const source = join(folder, "hostile.c");
  writeFileSync(
    source,
    `#include <stdio.h>
__attribute__((constructor)) static void run(void) { FILE *f = fopen("${marker}", "w"); if (f) fclose(f); }
int answer(void) { return 0; }`,
  );
  expect(Bun.spawnSync(["gcc", "-shared", "-fPIC", "-o", join(folder, library), source]).exitCode).toBe(0);
  writeFileSync(
    join(folder, "program.ts"),
    `import { dlopen } from "bun:ffi";
try { dlopen("${library}", { answer: { args: [], returns: "i32" } }); } catch { console.log("not there"); }
export const main = (args, directory) => Promise.resolve(directory === "${folder}" && args[0] === "a" ? 7 : 1);`,
  );
  const entry = join(folder, "entry.ts");
  writeFileSync(
    entry,
    `import { begin } from "${root}/src/cli/begin.ts"; await begin("x", () => import("./program.ts"));`,
  );
  const run = new ServerRun(["a"], { command: [process.execPath, entry], cwd: folder });

  expect(await run.ended()).toEqual({ code: 7, text: "not there\n" });
  expect(existsSync(marker)).toBe(false);
});

test("the launcher reads neither bunfig.toml nor .env of the caller's directory", async () => {
  writeFileSync(join(folder, "bunfig.toml"), 'preload = ["./hostile.ts"]\n');
  writeFileSync(join(folder, "hostile.ts"), `await Bun.write("${marker}", "");`);
  writeFileSync(join(folder, ".env"), "FENCEPOST_POLL_US=nonsense\n");
  const run = new ServerRun(["-s", "own.sock", "--once"], { command: [launcher], cwd: folder });
  await run.untilUp();
  run.kill("SIGTERM");

  expect(await run.ended()).toMatchObject({ code: 0 });
  expect(existsSync(marker)).toBe(false);
});

test("the launcher starts the other programs too, with paths of the caller's directory", async () => {
  const ctl = new ServerRun(["ctl", "--control-path", "none.ctl", "status"], {
    command: [launcher],
    cwd: folder,
  });
  expect(await ctl.ended()).toMatchObject({
    code: 1,
    text: expect.stringContaining(`no server answers at ${folder}/none.ctl`),
  });
  const borrow = new ServerRun(["bridge-client", "none", "--resource", "1"], {
    command: [launcher],
    cwd: folder,
  });
  expect(await borrow.ended()).toMatchObject({ code: 1, text: expect.stringContaining(`${folder}/none`) });
});

test("a server without its modules says in one line what to run, and installs nothing", async () => {
  for (const part of ["src", "package.json", "bunfig.toml"]) {
    cpSync(join(root, part), join(folder, part), { recursive: true });
  }
  const command = [process.execPath, join(folder, "src/cli/server.ts")];
  const run = new ServerRun(["--socket-path", join(folder, "gpu.sock")], { command, cwd: folder });

  expect(await run.ended()).toEqual({
    code: 1,
    text: expect.stringMatching(
      /^fencepost: Cannot find (package|module) '[^']+': run .\/setup.sh, or bun install\n$/,
    ),
  });
  expect(existsSync(join(folder, "node_modules"))).toBe(false);
});
