// The table of resources: what is known of each, in the order that was asked for, with leaks and oversized ones marked.

import type { ContextRecord, ResourceRecord } from "../../feed.ts";
import { nameText } from "../command-text.ts";

export interface Row extends ResourceRecord {
  /** The contexts that have it, each with its name. */
  holders: string;
  /** Where its pixels are, by its state. */
  kind: string;
  /** Nanoseconds, -1 where its making was not seen. */
  age: number;
  idle: number;
  /** Why somebody should look at it. */
  marks: Mark[];
}

export interface Mark {
  what: "leak" | "oversized";
  why: string;
}

export const columns = [
  ...(["id", "marks", "kind", "state", "format", "size", "bytes", "backing"] as const),
  ...(["contexts", "scanouts", "age", "idle"] as const),
];
export type Column = (typeof columns)[number];

export interface Order {
  column: Column;
  isDescending: boolean;
}

/** Nobody has named it for so long, and nobody shows it. */
const idleNs = 10e9;
/** As many that are alike, idle and held by a context are a client's that forgets to free. */
const alikeMin = 32;
const oversizedMin = 64 * 2 ** 20;

/** The inventory with what follows from it; `nowNs` is the server's, `contexts` have the names. */
export function rowsOf(
  resources: readonly ResourceRecord[],
  nowNs: number,
  contexts: readonly ContextRecord[] = [],
): Row[] {
  const names = new Map(contexts.map(({ id, name }) => [id, name]));
  const rows = resources.map((one): Row => {
    const age = one.createdNs === 0 ? -1 : Math.max(0, nowNs - one.createdNs);
    const holders = one.contexts.map((id) => nameText(id, names.get(id) ?? "")).join(", ");
    return {
      ...one,
      holders,
      kind: kindOf(one.state),
      age,
      idle: Math.max(0, nowNs - one.usedNs),
      marks: [],
    };
  });
  const forgotten = rows.filter(isForgotten);
  const alike = Map.groupBy(forgotten, likeness);
  const shownMax = rows.reduce(
    (most, row) => (row.scanouts.length > 0 ? Math.max(most, row.bytes) : most),
    0,
  );
  for (const row of rows) mark(row, alike.get(likeness(row))?.length ?? 0, shownMax);
  return rows;
}

const kinds: Readonly<Record<string, string>> = {
  cpu2d: "2D, memory",
  gpu2d: "2D, renderer",
  gpu3d: "3D, renderer",
  blobGuest: "blob, guest",
  blobHost: "blob, host",
  blobShared: "blob, shared",
};

/** "cpu2d.backed" is "2D, memory". */
const kindOf = (state: string): string => kinds[state.split(".")[0]!] ?? state;

const likeness = ({ kind, format, width, height, contexts }: Row): string =>
  [kind, format, width, height, contexts.join()].join(" ");

/** Nobody sees it, nothing has named it for a while. A cursor is shown without being on a scanout. */
const isForgotten = ({ scanouts, idle, usedType }: Row): boolean =>
  scanouts.length === 0 && idle > idleNs && !usedType.endsWith("CURSOR");

function mark(row: Row, alike: number, shownMax: number): void {
  const { marks, contexts, wasShown, bytes, backingBytes } = row;
  if (isForgotten(row)) {
    const since = `named by no command for ${Math.floor(row.idle / 1e9)} s`;
    if (alike >= alikeMin) marks.push({ what: "leak", why: `one of ${alike} alike, ${since}` });
    // What was shown before is kept to be shown again, as a console is behind a program that has taken its screen.
    else if (contexts.length === 0 && !wasShown)
      marks.push({ what: "leak", why: `in no context, never shown, ${since}` });
  }
  if (bytes >= oversizedMin && bytes > shownMax) {
    marks.push({
      what: "oversized",
      why:
        shownMax > 0
          ? `${(bytes / shownMax).toFixed(1)} times the largest picture on a scanout`
          : `${bytes} bytes`,
    });
  } else if (bytes > 0 && backingBytes > 2 * bytes && backingBytes - bytes > 2 ** 20) {
    marks.push({
      what: "oversized",
      why: `its backing is ${(backingBytes / bytes).toFixed(1)} times as large`,
    });
  }
}

/** What a column is sorted by. */
function keyOf(row: Row, column: Column): number | string {
  switch (column) {
    case "size":
      return row.width * row.height;
    case "backing":
      return row.backingBytes;
    case "contexts":
      return row.contexts.length === 0 ? -1 : row.contexts[0]! + row.contexts.length / 1e3;
    case "scanouts":
      return row.scanouts.length === 0 ? -1 : row.scanouts[0]!;
    case "marks":
      return row.marks.map(({ what }) => what).join();
    default:
      return row[column];
  }
}

/** Sorts a copy; equal ones by their id. */
export function sorted(rows: readonly Row[], { column, isDescending }: Order): Row[] {
  const sign = isDescending ? -1 : 1;
  return rows.toSorted((a, b) => {
    const [one, other] = [keyOf(a, column), keyOf(b, column)];
    if (one === other) return a.id - b.id;
    return (one < other ? -1 : 1) * sign;
  });
}

/** All words must be somewhere in the row: "leak", "ctx:3", "res:7", "b8g8". */
export function narrowed(rows: readonly Row[], search: string): Row[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [...rows];
  return rows.filter((row) => {
    const { id, kind, state, format, width, height, contexts, scanouts, marks } = row;
    const own = [
      `res:${id}`,
      ...contexts.map((one) => `ctx:${one}`),
      ...scanouts.map((one) => `scanout:${one}`),
    ];
    const text = [
      row.holders,
      kind,
      state,
      format,
      `${width}×${height} ${width}x${height}`,
      ...marks.map(({ what }) => what),
      marks.length > 0 ? "marked" : "",
    ];
    const plain = text.join(" ").toLowerCase();
    return words.every((word) => own.includes(word) || plain.includes(word) || String(id) === word);
  });
}

/** What all rows take together. */
export function totals(rows: readonly Row[]) {
  let [bytes, backingBytes, leaks, oversized] = [0, 0, 0, 0];
  for (const row of rows) {
    bytes += row.bytes;
    backingBytes += row.backingBytes;
    if (row.marks.some(({ what }) => what === "leak")) leaks++;
    if (row.marks.some(({ what }) => what === "oversized")) oversized++;
  }
  return { count: rows.length, bytes, backingBytes, leaks, oversized };
}
