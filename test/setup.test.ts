// What setup.ts has every test file checked for: a file that leaves something behind fails, and says what.

import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folder = mkdtempSync(join(tmpdir(), "fencepost-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

const imports = `
  import { test } from "bun:test";
  import { openSync } from "node:fs";
  import { createMemfd, closeFd } from "${import.meta.dir}/../src/transport/os/fds.ts";
  import { NativeMemory } from "${import.meta.dir}/../src/transport/os/native-memory.ts";
`;

/** Runs a test file of one test with `body`. Returns the exit code, and what the file was said to leave behind. */
async function run(name: string, body: string): Promise<{ exitCode: number; left: string }> {
  const file = join(folder, `${name}.test.ts`);
  await Bun.write(file, `${imports}\ntest("one", async () => {\n${body}\n});\n`);
  const command = [process.execPath, "test", "--preload", join(import.meta.dir, "setup.ts"), file];
  const bun = Bun.spawn(command, { cwd: folder, stdout: "ignore", stderr: "pipe" });
  const [exitCode, output] = await Promise.all([bun.exited, bun.stderr.text()]);
  return { exitCode, left: /^error: .* leaves behind: (.*)/m.exec(output)?.[1] ?? "" };
}

const clean = `
  closeFd(createMemfd("mine", 4096));
  clearTimeout(setTimeout(() => undefined, 60_000));
  const often = setInterval(() => undefined, 1);
  await new Promise((resolve) => setTimeout(resolve, 5));
  clearInterval(often);
  await Bun.spawn(["true"]).exited;
`;

const leaky = [
  { what: "descriptor", body: 'openSync("/dev/null");', left: "1 × descriptor of /dev/null" },
  {
    what: "mapping",
    body: 'const fd = createMemfd("mine", 4096); NativeMemory.mapShared(fd, 0, 4096, "read"); closeFd(fd);',
    left: "1 × mapping of /memfd:mine",
  },
  { what: "timer", body: "setTimeout(() => undefined, 60_000);", left: "1 × timer (at " },
  { what: "interval", body: "setInterval(() => undefined, 60_000).unref();", left: "1 × timer (at " },
  {
    what: "worker",
    body: 'new Worker(URL.createObjectURL(new Blob(["setInterval(() => {}, 1000)"])));',
    left: "1 × worker",
  },
  { what: "child", body: 'Bun.spawn(["sleep", "60"]);', left: "1 × child sleep 60" },
];

const many = `for (let count = 0; count < 9; count++) openSync("/dev/null");`;

/** All at once: each takes the seconds that something may take to go. */
const runs = Promise.all(leaky.map(({ what, body }) => run(what, body)));

test("a file that gives everything back passes", async () => {
  expect(await run("clean", clean)).toEqual({ exitCode: 0, left: "" });
});

test("of many things of a kind a few are named", async () => {
  const { left } = await run("many", many);
  expect(left).toMatch(/^9 × descriptor of \/dev\/null \((?:\d+, ){3}\d+ and more, /);
}, 30_000);

test.each(leaky.map(({ what, left }, index) => [what, left, index] as const))(
  "a file that leaves a %s behind fails",
  async (_, left, index) => {
    const result = (await runs)[index]!;
    expect(result.left).toContain(left);
    expect(result.exitCode).not.toBe(0);
  },
  30_000,
);
