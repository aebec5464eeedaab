// What `bun bench` makes of samples: order statistics, ratios, tables, comparisons.

import { describe, expect, test } from "bun:test";
import { parseOptions } from "../../bench/options.ts";
import { UsageError } from "../../src/config-arguments.ts";
import { comparison, type RunReport } from "../../bench/report/run-report.ts";
import { median, summarise, summariseRounds } from "../../bench/report/statistics.ts";
import { number, summaryTable, table, workloadTable } from "../../bench/report/table.ts";
import { figure, parseFigures, ratioOf } from "../../bench/system/figure.ts";
import type { Result } from "../../bench/report/results.ts";
import { runWorkload } from "../../bench/system/runner.ts";
import type { Backend } from "../../bench/system/backends.ts";
import type { ServerWorkload } from "../../bench/system/workload.ts";

describe("statistics", () => {
  test("summarise takes samples in any order", () => {
    const samples = Array.from({ length: 101 }, (_, index) => (index * 37) % 101);
    expect(summarise(samples)).toEqual({ min: 0, median: 50, p99: 99 });
  });

  test("the median of an even number of samples is between the middle two", () => {
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([1, 2])).toBe(1.5);
  });

  test("rounds are summarised by their least and by medians", () => {
    const rounds = [
      { min: 3, median: 10, p99: 90 },
      { min: 1, median: 30, p99: 70 },
      { min: 2, median: 20, p99: 80 },
    ];
    expect(summariseRounds(rounds)).toEqual({ min: 1, median: 20, p99: 80 });
  });

  test("a ratio above one is better, whichever way the figure counts", () => {
    expect(ratioOf("more", 10, 5)).toBe(2);
    expect(ratioOf("less", 10, 5)).toBe(0.5);
    expect(ratioOf("less", 10, Infinity)).toBe(Infinity);
    expect(ratioOf("more", 0, 0)).toBeNull();
    expect(ratioOf("neither", 10, 5)).toBeNull();
  });

  test("what never happened survives JSON", () => {
    const never = figure("answer", "µs", "less", [Infinity]);
    expect(parseFigures(JSON.stringify([never]))).toEqual([never]);
  });
});

describe("tables", () => {
  test("numbers have three digits that count", () => {
    expect([0, 0.05, 1, 12.34, 123.4, 1234.5, 1_234_567, Infinity].map(number)).toEqual([
      "0",
      "0.050",
      "1.00",
      "12.3",
      "123",
      "1,230",
      "1,230,000",
      "∞",
    ]);
  });

  test("columns line up", () => {
    expect(
      table([
        ["a", "b"],
        ["long", "1"],
      ]),
    ).toBe("a     b\nlong  1");
  });

  test("a workload's table has a line a back-end, with ratios", () => {
    expect(workloadTable([rate(20, 10)])).toBe(
      [
        "                     min  median   p99  ratio    min … max",
        "  rate, /s  ours    20.0    20.0  20.0",
        "            theirs  10.0    10.0  10.0   2.00  2.00 … 2.00",
      ].join("\n"),
    );
  });

  test("the summary has a line a metric", () => {
    expect(summaryTable([rate(20, 10)], ["ours", "theirs"])).toBe(
      [
        "workload  metric    ours  theirs          × theirs",
        "w         rate, /s  20.0    10.0  2.00 (2.00–2.00)",
      ].join("\n"),
    );
  });
});

describe("comparison of two runs", () => {
  test("says what has become better, by the figure's own direction", () => {
    const text = comparison(report(rate(10, 10)), report(rate(20, 10)));
    expect(text.split("\n").map((line) => line.replaceAll(/ +/g, " "))).toEqual([
      " before after better by",
      "w, rate, /s 10.0 20.0 2.00 ×",
      "w, rate, × theirs 1.00 2.00 2.00 ×",
    ]);
  });

  test("warns of another machine", () => {
    const other = { ...report(rate(10, 10)), machine: { cpu: "another", cpus: 4, kernel: "6" } };
    expect(comparison(other, report(rate(20, 10)))).toContain("different machines");
  });
});

describe("options", () => {
  test("without any, everything runs", () => {
    expect(parseOptions([])).toMatchObject({ micro: true, system: true, rounds: 5, quick: false });
  });

  test("variants are a name and arguments", () => {
    const { variants, system, micro } = parseOptions(["--system", "--variant", "poll=--poll-us 50"]);
    expect({ variants, system, micro }).toEqual({
      variants: [{ name: "poll", args: ["--poll-us", "50"], env: {} }],
      system: true,
      micro: false,
    });
  });

  test("variants may have variables of the environment", () => {
    const { variants } = parseOptions(["--variant", "one=A_B=c=d --poll-us 5 X1=2"]);
    expect(variants).toEqual([{ name: "one", args: ["--poll-us", "5"], env: { A_B: "c=d", X1: "2" } }]);
  });

  test.each(["--rounds 0", "--filter (", "--variant poll", "--nothing", "positional"])(
    "%s is refused",
    (argv) => {
      expect(() => parseOptions(argv.split(" "))).toThrow(UsageError);
    },
  );
});

describe("rounds", () => {
  const backend = (name: string): Backend => ({
    name,
    about: "",
    command: [],
    args: { software: [], virgl: [] },
    env: { software: {}, virgl: {} },
    displayFeatures: 0,
    unpaced: [],
    vulkan: [],
  });
  const workload = (measure: ServerWorkload["measure"]): ServerWorkload => ({
    kind: "server",
    name: "w",
    title: "",
    renderer: "software",
    measure,
  });
  const options = {
    rounds: 3,
    budget: { warmMs: 0, measureMs: 0, windowMs: 1 },
    signal: new AbortController().signal,
    progress: () => undefined,
  };

  test("back-ends take turns, and the ratio is the median of the rounds'", async () => {
    const order: string[] = [];
    const report = await runWorkload(
      workload(async ({ name }) => {
        order.push(name);
        return [figure("rate", "/s", "more", [name === "ours" ? order.length : 1])];
      }),
      [backend("ours"), backend("theirs")],
      options,
    );
    expect(order).toEqual(["ours", "theirs", "ours", "theirs", "ours", "theirs"]);
    expect(report.failures).toEqual([]);
    expect(report.results[0]!.ratios).toEqual({ theirs: { median: 3, min: 1, max: 5 } });
  });

  test("a back-end that fails is left out and named", async () => {
    const report = await runWorkload(
      workload(async ({ name }) => {
        if (name === "theirs") throw new Error("no");
        return [figure("rate", "/s", "more", [1])];
      }),
      [backend("ours"), backend("theirs")],
      options,
    );
    expect(report.failures).toEqual([{ workload: "w", backend: "theirs", reason: "no" }]);
    expect(Object.keys(report.results[0]!.backends)).toEqual(["ours"]);
  });
});

function rate(ours: number, theirs: number): Result {
  const measured = (value: number) => ({ min: value, median: value, p99: value, rounds: [] });
  return {
    workload: "w",
    metric: "rate",
    unit: "/s",
    better: "more",
    backends: { ours: measured(ours), theirs: measured(theirs) },
    ratios: { theirs: { median: ours / theirs, min: ours / theirs, max: ours / theirs } },
  };
}

function report(result: Result): RunReport {
  return {
    date: "2026-01-01",
    machine: { cpu: "one", cpus: 2, kernel: "6" },
    versions: {},
    backends: [
      { name: "ours", about: "" },
      { name: "theirs", about: "" },
    ],
    rounds: 1,
    quick: true,
    micro: [],
    driverCeiling: null,
    system: [result],
    guest: [],
    failures: [],
  };
}
