// JSON in which whole numbers are exact: a u64, such as a format modifier, does not fit into a Number.

interface ReviverContext {
  /** The text of a primitive value. */
  source?: string;
}
type Reviver = (key: string, value: unknown, context: ReviverContext) => unknown;

/** As JSON.parse, but whole numbers from 0 on become bigints. Throws SyntaxError. */
export function parseExact(text: string): unknown {
  const revive: Reviver = (_, value, { source }) =>
    typeof value === "number" && /^\d+$/.test(source!) ? BigInt(source!) : value;
  return JSON.parse(text, revive as (key: string, value: unknown) => unknown);
}

/** As JSON.stringify, and writes bigints as the numbers that they are. */
export function stringifyExact(value: unknown): string {
  const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown };
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === "bigint" ? rawJSON(part.toString()) : part,
  );
}
