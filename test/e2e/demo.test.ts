// The demo with a guest in QEMU, ended as a person ends it.

import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bePatient } from "../support/patience.ts";
import { Terminal } from "../support/terminal.ts";

bePatient();

test("a Ctrl-C while the guest boots ends QEMU, the server and the demo, with code 130", async () => {
  const directory = mkdtempSync(join(tmpdir(), "fencepost-demo-"));
  const output = join(directory, "last.png");
  const terminal = new Terminal(`${process.execPath} run demo --qemu --output ${output}`, {
    TMPDIR: directory,
  });
  await terminal.until("booting Linux");
  await Bun.sleep(1_000);
  const from = performance.now();
  terminal.pressCtrlC();

  const { code, text } = await terminal.ended();
  expect({ code, text }).toEqual({
    code: 130,
    text: expect.stringContaining("server     ended with code 0"),
  });
  expect(text).not.toContain("failed");
  expect(performance.now() - from).toBeLessThan(5_000);
  expect(readdirSync(directory)).toEqual([]);
  rmSync(directory, { recursive: true });
});
