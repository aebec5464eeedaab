// The fields of a message, as a record has them: numbers and booleans as they are, and of what is long its length.

import { FieldKind, fieldsMax, fieldWords } from "./layout.ts";
import type { NameTable } from "./names.ts";

/** A double that need not be aligned in the record. */
const double = new Float64Array(1);
const halves = new Uint32Array(double.buffer);

/** Writes as many fields as there is room for, from word `to` of `ring` on. Returns how many. */
export function writeFields(
  message: Readonly<Record<string, unknown>>,
  names: NameTable,
  ring: Uint32Array,
  to: number,
): number {
  let count = 0;
  for (const key in message) {
    if (key === "type") continue;
    if (count === fieldsMax) break;
    const at = to + count * fieldWords;
    const value = message[key];
    const kind = kindOf(value);
    ring[at] = names.numberOf(key) | (kind << 16);
    double[0] = numberOf(kind, value);
    ring[at + 1] = halves[0]!;
    ring[at + 2] = halves[1]!;
    count++;
  }
  return count;
}

function kindOf(value: unknown): number {
  if (typeof value === "number") return FieldKind.number;
  if (typeof value === "boolean") return FieldKind.boolean;
  if (typeof value === "string") return FieldKind.text;
  return Array.isArray(value) ? FieldKind.list : FieldKind.other;
}

function numberOf(kind: number, value: unknown): number {
  if (kind === FieldKind.number || kind === FieldKind.boolean) return Number(value);
  return kind === FieldKind.other ? 0 : (value as { length: number }).length;
}
