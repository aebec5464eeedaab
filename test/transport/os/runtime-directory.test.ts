// Where sockets lie by default: never where somebody else could have put them.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  checkRuntimeDirectory,
  ensureRuntimeDirectory,
  runtimeDirectory,
} from "../../../src/transport/os/runtime-directory.ts";

let folder: string;
let before: string | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fencepost-test-"));
  before = process.env["TMPDIR"];
  process.env["TMPDIR"] = folder;
});
afterEach(() => {
  if (before === undefined) delete process.env["TMPDIR"];
  else process.env["TMPDIR"] = before;
  rmSync(folder, { recursive: true });
});

const own = (): string => join(folder, `fencepost-${process.getuid!()}`);

test("XDG_RUNTIME_DIR is taken where it is an absolute path of a directory that is ours", () => {
  expect(runtimeDirectory({ XDG_RUNTIME_DIR: folder })).toBe(folder);
  writeFileSync(join(folder, "file"), "");
  for (const other of [
    undefined,
    "",
    ".",
    "run",
    join(folder, "none"),
    join(folder, "file"),
    "/proc/1/fdinfo",
  ]) {
    if (other === "/proc/1/fdinfo" && process.getuid!() === 0) continue;
    expect(runtimeDirectory({ XDG_RUNTIME_DIR: other })).toBe(own());
  }
});

test("the directory of our own is made for its owner alone, and made once", () => {
  const umask = process.umask(0);
  try {
    ensureRuntimeDirectory(own());
    ensureRuntimeDirectory(own());
  } finally {
    process.umask(umask);
  }
  expect(lstatSync(own()).mode & 0o777).toBe(0o700);
});

test("a directory that is open to others, or is something else, is refused with what mends it", () => {
  mkdirSync(own());
  chmodSync(own(), 0o755);
  expect(() => ensureRuntimeDirectory(own())).toThrow(`is open to others: chmod 700 ${own()}`);
  expect(() => checkRuntimeDirectory(own())).toThrow("is open to others");
  rmSync(own(), { recursive: true });
  symlinkSync(folder, own());
  expect(() => ensureRuntimeDirectory(own())).toThrow("is no directory of this user's: set XDG_RUNTIME_DIR");
});

test("no other directory is made or looked at", () => {
  chmodSync(folder, 0o755);
  ensureRuntimeDirectory(folder);
  ensureRuntimeDirectory(join(folder, "none"));
  expect(lstatSync(join(folder, "none"), { throwIfNoEntry: false })).toBeUndefined();
});

test("an XDG_RUNTIME_DIR that others may write to is not taken", () => {
  chmodSync(folder, 0o755);
  expect(runtimeDirectory({ XDG_RUNTIME_DIR: folder })).toBe(folder);
  for (const mode of [0o775, 0o757, 0o1777]) {
    chmodSync(folder, mode);
    expect(runtimeDirectory({ XDG_RUNTIME_DIR: folder })).toBe(own());
  }
});

test("a relative TMPDIR is none", () => {
  process.env["TMPDIR"] = "relative";
  expect(runtimeDirectory({})).toBe(`/tmp/fencepost-${process.getuid!()}`);
});
