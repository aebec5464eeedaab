// What the soak says: a line a look.

import { kinds, slack, unitOf } from "./holdings.ts";
import type { Look } from "./soak.ts";

const columns: readonly (readonly [heading: string, width: number, of: (look: Look) => string])[] = [
  ["minutes", 7, ({ minutes }) => minutes.toFixed(1)],
  ["rounds", 7, ({ rounds }) => String(rounds)],
  ["commands", 9, ({ commands }) => String(commands)],
  ["frames", 8, ({ frames }) => String(frames)],
  ["deaths", 6, ({ deaths }) => String(deaths)],
  ["slowest ms", 10, ({ slowestMs }) => String(slowestMs)],
  ["server MiB", 10, ({ holdings }) => holdings.serverMib.toFixed(0)],
  ["child MiB", 9, ({ holdings }) => holdings.childMib.toFixed(0)],
  ["fds", 5, ({ holdings }) => String(holdings.fds)],
  ["mappings", 8, ({ holdings }) => String(holdings.mappings)],
  ["shared", 6, ({ holdings }) => String(holdings.shared)],
  ["drift", 24, drift],
];

function drift({ holdings, baseline }: Look): string {
  if (baseline === null) return "-";
  return kinds
    .map((kind) => Math.round(holdings[kind] - baseline[kind]))
    .map((more) => (more < 0 ? String(more) : `+${more}`))
    .join(" ");
}

export const headings = columns.map(([heading, width]) => heading.padStart(width)).join("  ");

export const lineOf = (look: Look): string =>
  columns.map(([, width, of]) => of(look).padStart(width)).join("  ");

/** The bounds, in words. */
export const bounds = kinds.map((kind) => `${slack[kind]} ${unitOf[kind]}`).join(", ");
