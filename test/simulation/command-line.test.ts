// `bun run simulate` as it is called: mistakes are said so of, and Ctrl-C has what was found until then.

import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bound } from "../../lab/bound-child.ts";
import { until } from "../../lab/qemu/deadline.ts";
import { addFailure, addFailures, linesOf, noFailures } from "./failures.ts";
import { parseSimulationOptions } from "./options.ts";

const program = join(import.meta.dir, "main.ts");

test("has its settings, and says what is wrong with them", () => {
  expect(parseSimulationOptions(["--seeds", "20", "--from", "7", "--jobs", "1"])).toMatchObject({
    seeds: 20,
    from: 7,
    jobs: 1,
    seed: null,
  });
  expect(parseSimulationOptions(["--seed", "3", "--steps", "0,119", "--log"])).toMatchObject({
    seed: 3,
    steps: new Set([0, 119]),
    log: true,
  });
  expect(parseSimulationOptions(["--seed", "3", "--steps", ""]).steps).toEqual(new Set());
  expect(() => parseSimulationOptions(["--seeds", "x"])).toThrow("--seeds x: want a whole number from 1 on");
  expect(() => parseSimulationOptions(["--seeds", "0"])).toThrow("--seeds 0: want a whole number from 1 on");
  expect(() => parseSimulationOptions(["--seed", "1", "--steps", "120"])).toThrow(
    '--steps: "120" is no step: there are 0 to 119',
  );
  expect(() => parseSimulationOptions(["--steps", "1"])).toThrow("--steps and --log are of one --seed");
  expect(() => parseSimulationOptions(["--seed", "1", "--seeds", "2"])).toThrow("--seed runs one");
});

test("a mistake ends it with code 2, in one line", () => {
  const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, program, "--sed", "1"]);
  expect([exitCode, `${stdout}`, `${stderr}`]).toEqual([
    2,
    "",
    "simulate: Unknown option '--sed'. See --help.\n",
  ]);
});

test("Ctrl-C ends it with its sums, and leaves nothing", async () => {
  const directory = mkdtempSync(join(tmpdir(), "fencepost-simulate-"));
  const child = Bun.spawn(bound([process.execPath, program, "--seeds", "100000", "--jobs", "2"]), {
    env: { ...process.env, TMPDIR: directory },
    stdout: "pipe",
    stderr: "ignore",
  });
  await until("both parts", () => readdirSync(directory).length === 2 || undefined, 20_000);
  child.kill("SIGINT");
  // As `bun run` passes a terminal's on, which has sent it already.
  await Bun.sleep(10);
  child.kill("SIGINT");
  const text = await new Response(child.stdout).text();
  expect([await child.exited, text]).toEqual([
    0,
    expect.stringMatching(/^[1-9]\d* seeds in .* 0 failures\n$/),
  ]);
  expect(readdirSync(directory)).toEqual([]);
  rmSync(directory, { recursive: true });
}, 30_000);

test("of seeds that all fail the first ten are told, and made smaller, and the others counted", () => {
  const [first, second] = [noFailures(), noFailures()];
  let made = 0;
  for (let seed = 1; seed <= 6; seed++) addFailure(first, () => `seed ${seed}`);
  for (let seed = 7; seed <= 1000; seed++) addFailure(second, () => `seed ${seed}, ${++made}`);
  expect(made).toBe(10);
  const all = noFailures();
  for (const part of [first, second]) addFailures(all, part);
  expect(all.count).toBe(1000);
  expect(linesOf(first)).toHaveLength(6);
  expect(linesOf(all)).toEqual([
    ...[1, 2, 3, 4, 5, 6].map((seed) => `seed ${seed}`),
    ...[7, 8, 9, 10].map((seed, at) => `seed ${seed}, ${at + 1}`),
    "and 990 more seeds that fail",
  ]);
});
