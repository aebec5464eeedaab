// `bun bench` as a user runs it: real servers, a real driver's process, and results that hold together.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RunReport } from "../../bench/report/run-report.ts";
import { childrenOf } from "../support/children.ts";
import { buildProgram, kvmTest } from "../support/kvm.ts";
import { bound } from "../../lab/bound-child.ts";

const limitMs = 120_000;
const main = join(import.meta.dir, "../../bench/main.ts");
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "fencepost-bench-test-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

async function bench(...args: string[]): Promise<{ code: number; output: string; errors: string }> {
  const child = Bun.spawn(bound([process.execPath, main, ...args]), { stdout: "pipe", stderr: "pipe" });
  const [output, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { code: await child.exited, output, errors };
}

test(
  "a server and a variant of it are measured in turn, and written as JSON",
  async () => {
    const json = join(directory, "run.json");
    const { code, output } = await bench(
      ...["--system", "--quick", "--rounds", "1", "--filter", "^(smallest/software/64|flush/reading)$"],
      ...["--variant", "poll=--poll-us 20", "--json", json],
    );
    expect(code).toBe(0);
    expect(output).toContain("Medians");
    const report = (await Bun.file(json).json()) as RunReport;
    expect(report.failures).toEqual([]);
    expect(report.backends.map(({ name }) => name)).toEqual(["fencepost", "poll"]);
    expect(report.system.map(({ workload, metric }) => `${workload} ${metric}`)).toEqual([
      "smallest/software/64 rate",
      "smallest/software/64 server CPU",
      "smallest/software/64 server sleeps",
      "flush/reading frames shown",
      "flush/reading answer",
      "flush/reading server CPU",
      "flush/reading server sleeps",
    ]);
    for (const { backends } of report.system) {
      for (const { rounds, min, median, p99 } of Object.values(backends)) {
        expect(rounds).toHaveLength(1);
        expect(min).toBeLessThanOrEqual(median);
        expect(median).toBeLessThanOrEqual(p99);
      }
    }
  },
  limitMs,
);

kvmTest(
  "a machine of KVM is measured, and each step of what it waits for",
  async () => {
    buildProgram();
    const json = join(directory, "machine.json");
    const { code, output } = await bench(
      ...["--system", "--quick", "--no-peer", "--rounds", "1", "--json", json],
      ...["--filter", "^machine/(64/kernel|64/vmm|steps)$"],
    );
    expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining("Medians") });
    const { system, failures } = (await Bun.file(json).json()) as RunReport;
    expect(failures).toEqual([]);
    const medianOf = (workload: string, metric: string): number =>
      system.find((one) => one.workload === workload && one.metric === metric)!.backends["fencepost"]!.median;
    for (const path of ["kernel", "vmm"]) expect(medianOf(`machine/64/${path}`, "rate")).toBeGreaterThan(0);
    // Without ioeventfd each kick comes out of KVM.
    expect(medianOf("machine/64/vmm", "exits") * 64).toBeGreaterThanOrEqual(1);
    for (const step of ["round trip", "exit to the VMM and resume", "kick", "command", "the guest's driver"])
      expect(medianOf("machine/steps", step)).toBeGreaterThan(0);
  },
  limitMs,
);

test(
  "an interrupt ends the servers and the run",
  async () => {
    const child = Bun.spawn(bound([process.execPath, main, "--system", "--no-peer"]), {
      stdout: "pipe",
      stderr: "pipe",
    });
    const reader = child.stdout.getReader();
    for (let text = ""; !text.includes("The driver sends");) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`the run ended: ${await child.stderr.text()}`);
      text += new TextDecoder().decode(value);
    }
    // A server and a driver at least.
    let children: string[] = [];
    while (children.length < 2) children = await childrenOf(child.pid);
    child.kill("SIGINT");
    expect(await child.exited).toBe(130);
    for (const pid of children) expect(await Bun.file(`/proc/${pid}/stat`).exists()).toBe(false);
  },
  limitMs,
);

test("a wrong option is a usage error", async () => {
  const { code, errors } = await bench("--peer", join(directory, "nothing"));
  expect({ code, errors }).toEqual({
    code: 2,
    errors: `bench: there is no ${join(directory, "nothing")}\nSee bun bench --help.\n`,
  });
});

test.each([
  [["--system"], "no workload has"],
  [["--micro"], "no micro benchmark has"],
  [[], "no workload or micro benchmark has"],
])(
  "a filter that nothing matches is a usage error with %p, before anything is measured",
  async (kinds, what) => {
    const { code, output, errors } = await bench(...kinds, "--no-peer", "--filter", "nosuch");
    expect({ code, output, errors }).toEqual({
      code: 2,
      output: "",
      errors: `bench: ${what} a name like --filter nosuch\nSee bun bench --help.\n`,
    });
  },
);
