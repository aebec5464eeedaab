// What the kernel runs when it is told to run a program.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { interpretersOf } from "../../../src/transport/os/interpreters.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fencepost-test-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

test("a program has its loader", () => {
  expect(interpretersOf("/bin/sh").join()).toMatch(/^\/lib(?:64)?\/ld-linux[\w.-]*\.so\.\d$/);
});

test("a script has its shell and that one's loader, and a script's script all of these", () => {
  const script = file("script", "#! /bin/sh -e\ntrue\n");
  expect(interpretersOf(script)).toEqual(["/bin/sh", ...interpretersOf("/bin/sh")]);
  expect(interpretersOf(file("outer", `#!${script}\n`))).toEqual([script, ...interpretersOf(script)]);
  const itself = join(folder, "itself");
  expect(interpretersOf(file("itself", `#!${itself}\n`)).length).toBeLessThanOrEqual(5);
});

test("what is no program, or lies, has none", () => {
  const elf = new Uint8Array(64);
  elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
  const lies = elf.slice();
  // Where its headers are, how long they are, and how many.
  new DataView(lies.buffer).setUint32(32, 0xffff_ff00, true);
  lies.set([56, 0, 0xff, 0xff], 54);
  for (const content of ["", "#!", "\x7fELF", elf, lies])
    expect(interpretersOf(file("other", content))).toEqual([]);
});
