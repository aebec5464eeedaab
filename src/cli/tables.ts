// What the inspector tells, as tables for people. The first column marks what deserves a look.

import type {
  ActorRecord,
  CommandRecord,
  ContextRecord,
  FenceRecord,
  ResourceRecord,
} from "../actors/inspector/feed.ts";
import { stuckMs } from "../actors/inspector/feed.ts";
import { isDeadly, isError, lossText, summary, tookText } from "../actors/inspector/page/command-text.ts";
import { rowsOf, totals } from "../actors/inspector/page/resources/table.ts";
import { bytes, clock, count, crashText, duration, short } from "../actors/inspector/page/words.ts";
import { printable } from "../actors/runtime/log.ts";

/** Titles of columns; those of numbers end with ">" and lie at the right. */
type Titles = readonly string[];

/** Lines of cells below each other. What a guest has chosen does nothing to a terminal. */
export function table(titles: Titles, rows: readonly (readonly string[])[]): string {
  const isRight = titles.map((title) => title.endsWith(">"));
  const heads = titles.map((title) => title.replace(/>$/, ""));
  const cells = [heads, ...rows.map((row) => row.map(printable))];
  const widths = heads.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  return cells
    .map((row) =>
      row
        .map((cell, column) =>
          isRight[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

const marked = (isOdd: boolean): string => (isOdd ? "!" : "");
const list = (ids: readonly number[]): string => {
  const shown = ids.slice(0, 4).join(",");
  return ids.length === 0 ? "-" : ids.length > 4 ? `${shown},+${ids.length - 4}` : shown;
};
const many = (number: number, what: string): string => `${count(number)} ${what}${number === 1 ? "" : "s"}`;

/** `before` are the same actors, `passedMs` earlier. */
export function actorsTable(
  before: readonly ActorRecord[],
  actors: readonly ActorRecord[],
  passedMs: number,
): string {
  const sum = (numbers: Record<string, number>): number =>
    Object.values(numbers).reduce((all, one) => all + one, 0);
  const rateOf = ({ name, taken }: ActorRecord): number => {
    const earlier = before.find((one) => one.name === name)?.taken ?? {};
    // Counters of 32 bits go round.
    const took = Object.entries(taken).map(([peer, number]) => (number - (earlier[peer] ?? 0)) >>> 0);
    return took.reduce((all, one) => all + one, 0) / (passedMs / 1e3);
  };
  const isOdd = ({ name, state }: ActorRecord): boolean =>
    name === "supervisor" ? state === "failed" || state === "unknown" : state !== "running";
  return table(
    [
      "",
      "ACTOR",
      "STATE",
      "AWAKE>",
      "MSG/S>",
      "WAITING>",
      "RESTARTS>",
      "CRASHES>",
      "LOST RECORDS>",
      "LAST CRASH",
    ],
    actors.map((one) => [
      marked(isOdd(one) || one.restarts > 0),
      one.name,
      one.state,
      // Nobody sees asleep who sleeps in an event loop.
      /^(?:supervisor|inspector)$/.test(one.name) ? "-" : `${(one.busy * 100).toFixed(0)}%`,
      short(rateOf(one)),
      count(sum(one.mailbox)),
      count(one.restarts),
      count(one.crashes),
      count(one.droppedRecords),
      one.lastCrash === null ? "-" : crashText(one.lastCrash),
    ]),
  );
}

export function resourcesTable(resources: readonly ResourceRecord[], nowNs: number): string {
  const rows = rowsOf(resources, nowNs);
  const all = totals(rows);
  const head = ["", "ID>", "STATE", "FORMAT", "SIZE", "HOST>", "BACKING>", "CONTEXTS", "SCANOUTS"];
  const cells = rows.map((row) => [
    marked(row.marks.length > 0),
    `${row.id}`,
    row.state,
    row.format,
    row.width > 0 ? `${row.width}×${row.height}` : "-",
    bytes(row.bytes),
    bytes(row.backingBytes),
    list(row.contexts),
    list(row.scanouts),
    row.age < 0 ? "-" : duration(row.age),
    duration(row.idle),
    row.marks.map(({ what, why }) => `${what}: ${why}`).join("; "),
  ]);
  const sums = `${many(all.count, "resource")}: ${bytes(all.bytes)} of the host, ${bytes(all.backingBytes)} of the guest`;
  return `${table([...head, "AGE>", "IDLE>", "NOTE"], cells)}\n${sums}`;
}

export function contextsTable(contexts: readonly ContextRecord[]): string {
  const cells = contexts.map(({ id, name, state, resources }) => [
    ...["", `${id}`],
    // As long as the specification lets it be (debug_name).
    name.slice(0, 64) || "-",
    ...[state, count(resources)],
  ]);
  return `${table(["", "ID>", "NAME", "STATE", "RESOURCES>"], cells)}\n${many(contexts.length, "context")}`;
}

export function fencesTable(fences: readonly FenceRecord[]): string {
  const oldest = fences.toSorted((a, b) => b.ageMs - a.ageMs);
  const cells = oldest.map(({ fence, type, state, context, ring, ageMs }) => [
    marked(ageMs > stuckMs),
    ...[`${fence}`, type, state, `${context}`, `${ring}`, duration(ageMs * 1e6)],
    ageMs > stuckMs ? "stuck" : "",
  ]);
  const head = ["", "FENCE>", "COMMAND", "STATE", "CONTEXT>", "RING>", "AGE>", "NOTE"];
  return `${table(head, cells)}\n${many(fences.length, "fence")} in flight`;
}

/** One command a line, of the same columns whatever comes later; `epochMs` is when the server's clock was 0. */
export function commandLine(command: CommandRecord, epochMs: number): string {
  const { id, type, fields, takenNs, parkedNs, response } = command;
  // To the millisecond: no two calls know the epoch better.
  const at = (ns: number): string => clock(epochMs + ns / 1e6).slice(0, -3);
  const named = [
    fields["contextId"] ? `ctx=${fields["contextId"]}` : "",
    fields["resourceId"] === undefined ? "" : `res=${fields["resourceId"]}`,
    summary(command),
    parkedNs > 0 ? `(${waitText(command, at)})` : "",
    lossText(command),
  ];
  return printable(
    [
      marked(isError(command) || isDeadly(command)).padEnd(1),
      at(takenNs),
      id.padEnd(15),
      type.padEnd(23),
      tookText(command).padStart(7),
      isError(command) ? response : "",
      ...named,
    ]
      .filter((word) => word !== "")
      .join(" "),
  );
}

/** How long a command that was put off has waited; of one that still does, since when. */
function waitText({ parkedNs, completedNs, lostNs }: CommandRecord, at: (ns: number) => string): string {
  const endNs = completedNs || lostNs;
  return endNs > 0 ? `waited ${duration(endNs - parkedNs)}` : `since ${at(parkedNs)}`;
}
