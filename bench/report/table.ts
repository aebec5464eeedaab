// Figures as text: columns that line up, numbers with three digits that count.

import type { Ratio, Result } from "./results.ts";

/** Rows of equally many cells; the first `names` columns to the left, all others to the right. */
export function table(rows: readonly (readonly string[])[], indent = "", names = 1): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column < names ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
        )
        .join("  "),
    )
    .map((line) => (indent + line).trimEnd())
    .join("\n");
}

/** One workload's results: a line a metric and back-end, with the ratio to each other back-end behind it. */
export function workloadTable(results: readonly Result[]): string {
  const rows: string[][] = [["", "", "min", "median", "p99", "ratio", "min … max"]];
  for (const { metric, unit, backends, ratios } of results) {
    for (const [index, [name, measured]] of Object.entries(backends).entries()) {
      const ratio = ratios[name];
      rows.push([
        index === 0 ? `${metric}, ${unit}` : "",
        name,
        number(measured.min),
        number(measured.median),
        number(measured.p99),
        ratio === undefined ? "" : number(ratio.median),
        ratio === undefined ? "" : `${number(ratio.min)} … ${number(ratio.max)}`,
      ]);
    }
  }
  return table(rows, "  ", 2);
}

/** Medians and ratios of a whole run. */
export function summaryTable(results: readonly Result[], backends: readonly string[]): string {
  const [, ...others] = backends;
  const header = ["workload", "metric", ...backends, ...others.map((name) => `× ${name}`)];
  const rows = results.map((result) => [
    result.workload,
    `${result.metric}, ${result.unit}`,
    ...backends.map((name) => {
      const measured = result.backends[name];
      return measured === undefined ? "—" : number(measured.median);
    }),
    ...others.map((name) => ratioText(result.ratios[name])),
  ]);
  return table([header, ...rows], "", 2);
}

function ratioText(ratio: Ratio | undefined): string {
  return ratio === undefined ? "—" : `${number(ratio.median)} (${number(ratio.min)}–${number(ratio.max)})`;
}

/** Three significant digits, thousands apart. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "—";
  if (value !== 0 && Math.abs(value) < 0.0005) return value.toExponential(1);
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return Number(value.toPrecision(3)).toLocaleString("en", {
    minimumFractionDigits: Math.min(digits, 3),
    maximumFractionDigits: Math.min(digits, 3),
  });
}
