// Files that people name: what is wrong with one is a sentence, and half of one is never left.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileRefusal, withFile, writeWhole } from "../../../src/transport/os/files.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fencepost-files-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const bytes = new Uint8Array(100_000).fill(7);

test("a file is written whole, over what was there", async () => {
  const path = join(folder, "a");
  await writeWhole(path, bytes, { mode: 0o600 });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  await writeWhole(path, bytes.subarray(0, 10));
  expect(new Uint8Array(readFileSync(path))).toEqual(bytes.slice(0, 10));
});

test.each([
  ["/dev/full", "the disk is full: there is no room for all of /dev/full"],
  ["", "F is a folder: name a file in it"],
  ["none/a", "there is no folder F/none: make it"],
  ["file/a", "F/file/a goes through what is no folder"],
  ["a".repeat(300), `F/${"a".repeat(300)} is too long a name`],
])("what the system says of %j is a sentence that says what mends it", async (name, sentence) => {
  writeFileSync(join(folder, "file"), "");
  const path = name.startsWith("/") ? name : join(folder, name).replace(/\/$/, "");
  const error = await writeWhole(path, bytes).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(FileRefusal);
  expect((error as FileRefusal).message).toBe(sentence.replaceAll("F", folder));
});

test("a file that is in the way, and one that is not there, are told as such", () => {
  const [there, absent] = [join(folder, "there"), join(folder, "absent")];
  writeFileSync(there, "");
  expect(() => withFile(there, () => openSync(there, "wx"))).toThrow(
    `${there} is there already: remove it, or name another file`,
  );
  expect(() => withFile(absent, () => openSync(absent, "r"))).toThrow(`there is no file ${absent}`);
});

test("a bug is no refusal", () => {
  const bug = new TypeError("a bug");
  expect(() =>
    withFile("a", () => {
      throw bug;
    }),
  ).toThrow(bug);
});

test("of a file that may not grow further nothing is left", () => {
  const path = join(folder, "a");
  const module = join(import.meta.dir, "../../../src/transport/os/files.ts");
  const program = `
    import { writeWhole } from ${JSON.stringify(module)};
    await writeWhole(${JSON.stringify(path)}, new Uint8Array(100_000)).catch(({ message }) => console.log(message));`;
  const { stdout } = Bun.spawnSync(["prlimit", "--fsize=50000", "bun", "-e", program]);
  expect(stdout.toString()).toBe(`${path} may not grow further: see ulimit -f\n`);
  expect(existsSync(path)).toBe(false);
});
