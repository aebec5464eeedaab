// Makes the executable, and runs against it the tests that start the command line's programs, and a few of the device.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCommandLine } from "./lib/command-line.ts";

const help = `Runs tests against the executable, which it makes for them.

Usage: bun run test:executable [FILE…]

Without FILE these are the tests of the command line, of replays and demos, and a few of the device.`;

const device = [
  "3d-pixels",
  "bridge",
  "crash",
  "inspector",
  "isolation",
  "limits",
  "recording",
  "resource",
  "vulkan-sandbox",
  "window",
];
const usual = [
  "test/bin/",
  "test/cli/",
  "test/lab/demo.test.ts",
  ...["bisect-3d", "replay", "live/live"].map((name) => `test/lab/replay/${name}.test.ts`),
  "test/lab/server-process.test.ts",
  ...device.map((name) => `test/device/${name}.test.ts`),
];

const { positionals } = readCommandLine(help, { allowPositionals: true, options: {} });
const folder = mkdtempSync(join(tmpdir(), "fencepost-executable-"));
process.on("SIGINT", () => {});
try {
  const build = Bun.spawnSync([process.execPath, "scripts/build.ts", "--output", folder], {
    stdout: "ignore",
  });
  process.exitCode = build.exitCode;
  if (build.success) {
    const command = [process.execPath, "test", ...(positionals.length > 0 ? positionals : usual)];
    const env = { ...process.env, TESTED_EXECUTABLE: join(folder, "fencepost") };
    const tests = Bun.spawn(command, { env, stdio: ["inherit", "inherit", "inherit"] });
    process.exitCode = await tests.exited;
  }
} finally {
  rmSync(folder, { recursive: true });
}
