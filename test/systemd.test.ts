// The units: systemd takes every line of them, and has little to say against what they leave open.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import packageJson from "../package.json";

const units = join(import.meta.dir, "../systemd");
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fencepost-test-"));
  // A program that is there stands for one that may not be installed, and its manual page.
  const service = readFileSync(join(units, "fencepost@.service"), "utf8")
    .replaceAll("/usr/bin/fencepost", "/bin/true")
    .replace(/^Documentation=.*$/m, "");
  for (const name of ["fencepost@.service", "fencepost@vm1.service"])
    writeFileSync(join(folder, name), service);
  copyFileSync(join(units, "fencepost@.socket"), join(folder, "fencepost@vm1.socket"));
  copyFileSync(join(units, "fencepost.socket"), join(folder, "fencepost.socket"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function analyze(...args: string[]): { code: number; text: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync(["systemd-analyze", ...args], { cwd: folder });
  return { code: exitCode, text: `${stdout}${stderr}` };
}

test("systemd takes the units as they are", () => {
  const names = ["fencepost@vm1.service", "fencepost@vm1.socket", "fencepost.socket"];
  expect(analyze("verify", ...names.map((name) => `./${name}`))).toEqual({ code: 0, text: "" });
  // What it takes for granted of a line that makes no sense is said, so this can fail.
  writeFileSync(join(folder, "wrong.service"), "[Service]\nExecStart=/bin/true\nProtectAll=yes\n");
  expect(analyze("verify", "./wrong.service").text).toContain("ProtectAll");
});

test("a reload sets the log's level from the manager's environment, which nothing in the unit beats, and info without", () => {
  const unit = readFileSync(join(units, "fencepost@.service"), "utf8");
  expect(unit).not.toMatch(/^Environment=.*LOG_LEVEL/m);
  const [, script = ""] = /^ExecReload=\/bin\/sh -c '(.*)'$/m.exec(unit) ?? [];
  // As systemd unfolds it, with a program that tells what it was given.
  const unfolded = script.replaceAll("$$", "$").replaceAll("%i", "vm1").replace("/usr/bin/fencepost", "echo");
  const levelWith = (env: Record<string, string>): string =>
    Bun.spawnSync(["/bin/sh", "-c", unfolded.replace("exec ", "")], { env }).stdout.toString();
  const told = "ctl --control-path /run/fencepost/vm1/gpu.ctl log-level";
  expect(levelWith({})).toBe(`${told} info\n`);
  expect(levelWith({ LOG_LEVEL: "debug" })).toBe(`${told} debug\n`);
});

test("what another's environment would have Bun do is left out", () => {
  const preloaded = join(folder, "preloaded.js");
  writeFileSync(preloaded, 'console.log("preloaded");');
  const hostile: Record<string, string> = {
    ...{ BUN_OPTIONS: `--preload=${preloaded}`, BUN_BE_BUN: "1", NODE_OPTIONS: `--require=${preloaded}` },
    ...{ BUN_INSPECT: "ws://127.0.0.1:1/", BUN_INSPECT_PRELOAD: preloaded, LD_PRELOAD: "/nothing.so" },
  };
  const said = (without: readonly string[]): string => {
    const kept = Object.entries({ ...process.env, ...hostile }).filter(([name]) => !without.includes(name));
    const { stdout, stderr } = Bun.spawnSync([join(units, "../bin/fencepost"), "--version"], {
      env: Object.fromEntries(kept),
    });
    return `${stdout}${stderr}`;
  };
  const unit = readFileSync(join(units, "fencepost@.service"), "utf8");
  const left = Array.from(unit.matchAll(/^UnsetEnvironment=(.*)$/gm), ([, names]) =>
    names!.split(" "),
  ).flat();
  expect(said([])).toContain("preloaded");
  expect(said(left)).toBe(`fencepost ${packageJson.version}\n`);
});

test("little of the host is open to a server", () => {
  const { text } = analyze("security", "--offline=true", "./fencepost@vm1.service");
  expect(Number(/Overall exposure level .*: ([\d.]+)/.exec(text)?.[1])).toBeLessThan(1.5);
});
