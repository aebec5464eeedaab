// Processes that end with the one that started them, even where that had no time to end them.

import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bound } from "../../lab/bound-child.ts";

const module = join(import.meta.dir, "../../lab/bound-child.ts");

test("a child dies with a parent that is killed", async () => {
  const script = `
    import { bound } from ${JSON.stringify(module)};
    console.log(Bun.spawn(bound(["sleep", "60"]), { stdio: ["ignore", "ignore", "ignore"] }).pid);
    await Bun.sleep(60_000);
  `;
  const parent = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
  const { value } = await parent.stdout.getReader().read();
  const child = Number(new TextDecoder().decode(value));
  expect(child).toBeGreaterThan(1);

  // Whoever binds it becomes it, once it is bound.
  while (!readFileSync(`/proc/${child}/cmdline`, "utf8").startsWith("sleep")) await Bun.sleep(5);
  parent.kill("SIGKILL");
  await parent.exited;

  const isGone = (): boolean => !existsSync(`/proc/${child}`) || stateOf(child) === "Z";
  for (const deadline = performance.now() + 5_000; !isGone() && performance.now() < deadline;)
    await Bun.sleep(5);
  expect(isGone()).toBe(true);
}, 20_000);

test("a child has the id, the arguments and the exit code of its command", async () => {
  const child = Bun.spawn(bound(["sh", "-c", 'echo $$ "$1"; exit 7', "sh", "--pdeathsig"]), {
    stdout: "pipe",
  });
  expect(await new Response(child.stdout).text()).toBe(`${child.pid} --pdeathsig\n`);
  expect(await child.exited).toBe(7);
});

/** As busybox's, which knows no such option. */
const poorSetpriv = `#!/bin/sh
case "$*" in *--pdeathsig*) echo "setpriv: unrecognized option '--pdeathsig'" >&2; exit 1 ;; esac
`;

test.each([
  ["a setpriv that can't bind", poorSetpriv],
  ["no setpriv", null],
])("a child runs on a system with %s", async (_, setpriv) => {
  const folder = mkdtempSync(join(tmpdir(), "fencepost-bound-"));
  try {
    if (setpriv !== null) writeFileSync(join(folder, "setpriv"), setpriv, { mode: 0o755 });
    const script = `
      import { bound } from ${JSON.stringify(module)};
      const child = Bun.spawnSync(bound(["/bin/sh", "-c", "echo runs"]));
      console.log(child.stdout + child.stderr);
    `;
    const env = { ...process.env, PATH: folder };
    const parent = Bun.spawn([process.execPath, "-e", script], { env, stdout: "pipe", stderr: "pipe" });
    const [output, errors] = await Promise.all([
      new Response(parent.stdout).text(),
      new Response(parent.stderr).text(),
    ]);
    expect({ output, errors }).toEqual({ output: "runs\n\n", errors: "" });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** The letter of a process's state; "Z" has ended and nobody has asked for its exit code. */
const stateOf = (pid: number): string => {
  try {
    return /State:\s+(\w)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]!;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return "Z";
  }
};
