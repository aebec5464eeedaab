// The package for npm: what it has is enough to run, with Bun and the packages that it names. What dpkg takes Debian's for.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import packageJson from "../../package.json";
import { debName, layOut } from "../../scripts/lib/deb.ts";
import { ServerRun } from "../support/server-run.ts";

const root = join(import.meta.dir, "../..");
let folder: string;
let command: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fencepost-package-"));
  const pack = [process.execPath, "pm", "pack", "--ignore-scripts", "--quiet", "--destination", folder];
  expect(Bun.spawnSync(pack, { cwd: root }).exitCode).toBe(0);
  const [file = ""] = readdirSync(folder);
  expect(Bun.spawnSync(["tar", "-C", folder, "-xf", join(folder, file)]).exitCode).toBe(0);
  // What an installation would have fetched.
  symlinkSync(join(root, "node_modules"), join(folder, "package/node_modules"));
  command = join(folder, "package", packageJson.bin.fencepost);
});
afterAll(() => rmSync(folder, { recursive: true }));

const run = (...args: string[]): Promise<{ code: number; text: string }> =>
  new ServerRun(args, { command: [command], cwd: folder }).ended();

test("its command runs every program", async () => {
  expect(await run("--version")).toEqual({ code: 0, text: `fencepost ${packageJson.version}\n` });
  for (const program of ["serve", "ctl", "demo", "replay", "trace-info", "trace-trim", "bridge-client"])
    expect(await run("help", program)).toMatchObject({
      code: 0,
      text: expect.stringContaining(`Usage: fencepost ${program} `),
    });
  expect(await run("demo", "--seconds", "0.1", "--size", "64x64", "--output", "a.png")).toMatchObject({
    code: 0,
  });
  expect(existsSync(join(folder, "a.png"))).toBe(true);
});

test("it brings no tests, no benches and no guests", () => {
  const names = readdirSync(join(folder, "package")).toSorted();
  expect(names.filter((name) => ["test", "bench", "scripts", ".cache"].includes(name))).toEqual([]);
  expect(existsSync(join(folder, "package/lab/guest"))).toBe(false);
  expect(names).toContain("LICENSE");
});

test("Debian's package has a version that its release comes after, and a maintainer", () => {
  const tree = join(folder, "tree");
  mkdirSync(join(tree, "usr/share/man/man1"), { recursive: true });
  layOut(tree);
  const control = readFileSync(join(tree, "DEBIAN/control"), "utf8");
  const [, version = ""] = /^Version: (.*)$/m.exec(control) ?? [];
  expect(debName()).toStartWith(`fencepost_${version}_`);
  const [release = ""] = packageJson.version.split("-");
  const later = packageJson.version === release ? `${release}.1` : release;
  expect(Bun.spawnSync(["dpkg", "--compare-versions", version, "lt", later]).exitCode).toBe(0);
  expect(Bun.spawnSync(["dpkg", "--compare-versions", version, "gt", "0.9"]).exitCode).toBe(0);
  expect(control).toMatch(/^Maintainer: [^<]+ <[^@>]+@[^@>]+>$/m);
});
