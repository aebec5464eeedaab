// Processes that end with the one that started them, even where that had no time to end them.

import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
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

/** The letter of a process's state; "Z" has ended and nobody has asked for its exit code. */
const stateOf = (pid: number): string => {
  try {
    return /State:\s+(\w)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]!;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return "Z";
  }
};
