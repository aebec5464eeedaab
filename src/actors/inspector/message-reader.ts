// The fields of a message, as its sender's tap wrote them.

import { FieldKind, fieldsMax, fieldWords } from "../runtime/tap/layout.ts";
import type { NameTable } from "../runtime/tap/names.ts";

/** What was long says only how long it was. */
export interface MessageField {
  name: string;
  value: number | boolean | string;
}

const double = new Float64Array(1);
const halves = new Uint32Array(double.buffer);

/** Reads `count` fields from word `at` of a record on. */
export function readFields(words: Uint32Array, at: number, count: number, names: NameTable): MessageField[] {
  return Array.from({ length: Math.min(count, fieldsMax) }, (_, index) => {
    const from = at + index * fieldWords;
    const word = words[from]!;
    halves[0] = words[from + 1]!;
    halves[1] = words[from + 2]!;
    return { name: names.nameOf(word & 0xffff), value: valueOf(word >>> 16, double[0]!) };
  });
}

function valueOf(kind: number, value: number): MessageField["value"] {
  switch (kind) {
    case FieldKind.number:
      return value;
    case FieldKind.boolean:
      return value !== 0;
    case FieldKind.text:
      return `${value} characters`;
    case FieldKind.list:
      return `${value} entries`;
    default:
      return "an object";
  }
}
