// Where the ctrl queue stops, for people: what runs next with every field, and what that touches.

import type { BreakRecord } from "../actors/inspector/feed.ts";
import { pauseText } from "../actors/inspector/page/break-text.ts";
import { printable } from "../actors/runtime/log.ts";
import { table } from "./tables.ts";

/** `nowNs` is now, by the server's clock. */
export function breakText(record: BreakRecord, nowNs: number): string {
  const { next, touches, state, breaks } = record;
  const lines = [pauseText(record, nowNs)];
  if (state !== "paused") {
    if (breaks.length > 0)
      lines.push(
        table(
          ["", "BREAK"],
          breaks.map((filter) => ["", filter || "any command"]),
        ),
      );
    return lines.join("\n");
  }
  if (next === null) return lines.join("\n");
  const words = [next.id, next.type, ...next.flags].map(printable);
  lines.push("", words.join("  "));
  const fields = Object.entries(next.fields).map(([name, value]) => ["", name, String(value)]);
  lines.push(table(["", "FIELD", "VALUE"], fields));
  if (touches.length > 0) {
    const cells = touches.map(({ kind, id, how, state: before, what }) => [
      ...["", kind, `${id}`, before, what.slice(0, 64) || "-", how],
    ]);
    lines.push("", table(["", "TOUCHES", "ID>", "STATE", "WHAT", "AND IT"], cells));
  }
  return lines.join("\n");
}
