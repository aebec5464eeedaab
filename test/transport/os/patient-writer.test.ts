// What shares a descriptor with others: written when there is room, and not a line earlier.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PatientWriter } from "../../../src/transport/os/patient-writer.ts";
import { withFileBytes } from "../../support/limits.ts";

let folder: string;
let path: string;
let fd: number;
let writer: PatientWriter;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fencepost-test-"));
  path = join(folder, "log");
  fd = openSync(path, "a");
  writer = new PatientWriter(fd);
});
afterEach(() => {
  writer.flush(0);
  closeSync(fd);
  rmSync(folder, { recursive: true });
});

test("a disk that was full is written to again once there is room", () => {
  writer.write("before\n");
  withFileBytes(7, () => {
    writer.write("meanwhile\n");
    writer.write("and more\n");
    expect(readFileSync(path, "utf8")).toBe("before\n");
  });
  writer.write("after\n");
  expect(readFileSync(path, "utf8")).toBe("before\nmeanwhile\nand more\nafter\n");
});

test("what a full disk does not take is counted", () => {
  withFileBytes(0, () => {
    for (let line = 0; line < 300; line++) writer.write(`${"x".repeat(1023)}\n`);
  });
  writer.flush(1000);
  expect(readFileSync(path, "utf8")).toMatch(/^(?:x{1023}\n){256}44 lines are missing here: .*\n$/);
});

test("a full disk is not waited for at the end", () => {
  withFileBytes(0, () => {
    writer.write("the last line\n");
    const from = performance.now();
    writer.flush(5000);
    expect(performance.now() - from).toBeLessThan(1000);
  });
});
