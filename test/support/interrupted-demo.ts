// `bun run demo` in a terminal, ended as a person ends it.

import { expect } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testedExecutable } from "./programs.ts";
import { Terminal } from "./terminal.ts";

/**
 * Presses Ctrl-C so many milliseconds after the demo has printed `shown`, and expects its end in order and in time. Returns
 * the names of the files that it leaves, its picture among them as last.png.
 */
export async function interruptDemo(flags: string, shown: string, afterMs: number): Promise<string[]> {
  const directory = mkdtempSync(join(tmpdir(), "fencepost-demo-"));
  const command = `${testedExecutable === null ? `${process.execPath} run` : testedExecutable} demo ${flags} --output ${directory}/last.png`;
  const terminal = new Terminal(command, { TMPDIR: directory });
  await terminal.until(shown);
  await Bun.sleep(afterMs);
  const from = performance.now();
  terminal.pressCtrlC();

  const { code, text } = await terminal.ended();
  expect({ code, text }).toEqual({
    code: 130,
    text: expect.stringContaining("server     ended with code 0"),
  });
  expect(text).not.toContain("failed");
  expect(performance.now() - from).toBeLessThan(5_000);
  const files = readdirSync(directory);
  rmSync(directory, { recursive: true });
  return files;
}
