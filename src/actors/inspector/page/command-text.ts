// A command in words: what of it stands in a line of a list, where its time went, and what of it a filter finds.

import type { CommandRecord } from "../feed.ts";
import { duration } from "./words.ts";

/** Fields that every list has in a column of their own, or that say nothing there. */
const apart = new Set(["contextId", "resourceId", "ringIdx", "padding"]);

/** `640×480 B8G8R8X8 offset=12`, of what has no column of its own; of a stream, what it may have written to. */
export function summary({ fields, writes }: Pick<CommandRecord, "fields" | "writes">): string {
  const { width, height, x, y, format } = fields;
  const words: string[] = [];
  if (writes.length > 0) words.push(`→ ${writes.map(({ resource }) => resource || "others").join(", ")}`);
  if (width !== undefined && height !== undefined) {
    words.push(`${width}×${height}${x === undefined ? "" : ` at ${x},${y}`}`);
  } else if (x !== undefined && y !== undefined) words.push(`at ${x},${y}`);
  if (format !== undefined) words.push(String(format));
  const said = new Set(["width", "height", "x", "y", "format"]);
  for (const [name, value] of Object.entries(fields)) {
    if (apart.has(name) || said.has(name) || value === 0) continue;
    words.push(`${name}=${value}`);
  }
  return words.join(" ");
}

/** `3 (kmscube)`: whose command it is; "" where it is nobody's. */
export function contextText({ fields, contextName }: CommandRecord): string {
  const id = fields["contextId"];
  return id === undefined || id === 0 ? "" : nameText(Number(id), contextName);
}

/** `3 (kmscube)`, or 3 of a context that has no name. */
export const nameText = (id: number, name: string): string => (name === "" ? String(id) : `${id} (${name})`);

export const isError = ({ response }: CommandRecord): boolean => response.startsWith("ERR_");

/** From when it was taken to its answer, 0 where it has none; what waits for a fence is in it. */
export const runNs = ({ takenNs, completedNs }: CommandRecord): number => Math.max(0, completedNs - takenNs);

/** How long it took, or what it does until now. */
export function tookText(command: CommandRecord): string {
  if (command.completedNs > 0) return duration(runNs(command));
  if (command.lostNs > 0) return "lost";
  return command.parkedNs > 0 ? "waits" : "runs";
}

/** Whether nothing more comes of it. */
export const isOver = ({ completedNs, lostNs }: CommandRecord): boolean => completedNs > 0 || lostNs > 0;

/** Whether its process died while it ran, as of it. */
export const isDeadly = ({ lostNs, parkedNs, completedNs }: CommandRecord): boolean =>
  lostNs > 0 && parkedNs === 0 && completedNs === 0;

/** What of it went on when its process died, which is no error: the guest has an answer of whoever came next. */
export function lossText(command: CommandRecord): string {
  if (command.lostNs === 0) return "";
  if (isDeadly(command)) return "its process died amid it";
  return `its process died ${command.completedNs > 0 ? "before the guest could see the answer" : "while it waited"}`;
}

export interface Part {
  readonly name: string;
  /** Of which its colour follows. */
  readonly kind: "wait" | "run" | "fence" | "publish";
  readonly ns: number;
}

/** From the kick that woke the queue, or the taking, to when the guest could see the answer. */
export function parts({
  kickNs,
  takenNs,
  parkedNs,
  completedNs,
  publishedNs,
  lostNs,
  waitsFor,
}: CommandRecord): Part[] {
  const all: Part[] = [];
  const add = (name: string, kind: Part["kind"], from: number, to: number): void => {
    if (from > 0 && to >= from) all.push({ name, kind, ns: to - from });
  };
  add("kick to taken", "wait", kickNs, takenNs);
  const endNs = completedNs > 0 ? completedNs : lostNs;
  add("run", "run", takenNs, parkedNs > 0 ? parkedNs : endNs);
  if (parkedNs > 0) add(waitsFor > 0 ? `wait for fence ${waitsFor}` : "parked", "fence", parkedNs, endNs);
  add("answer to visible", "publish", completedNs, publishedNs);
  return all;
}

/** The filter that finds all commands with the same value of a field; null where filters know no such field. */
export function filterOf(field: string, value: number | string): string | null {
  switch (field) {
    case "contextId":
      return value === 0 ? null : `ctx:${value}`;
    case "resourceId":
      return value === 0 ? null : `res:${value}`;
    case "scanoutId":
      return `scanout:${value}`;
    case "fenceId":
      return `fence:${value}`;
    default:
      return null;
  }
}

/** Lines of 8 bytes: where they lie, as hex, and what of them is text. */
export function hexDump(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 8) {
    const line = bytes.subarray(at, at + 8);
    const text = Array.from(line, (byte) => (byte > 32 && byte < 127 ? String.fromCharCode(byte) : "·"));
    lines.push(`${hexOf([at])}  ${hexOf(line, " ").padEnd(23)}  ${text.join("")}`);
  }
  return lines.join("\n");
}

/** As JSON has it, with the request as hex. */
export const hexCommand = ({ request, ...command }: CommandRecord) => ({
  ...command,
  request: hexOf(request),
});

/** A line of JSON: what /api/commands says of it. */
export const jsonLine = (command: CommandRecord): string => JSON.stringify(hexCommand(command));

const hexOf = (bytes: Iterable<number>, between = ""): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(between);
