// Writes the machines' tables for tables.ts to read: `bun src/actors/machines/tables-file.ts`.
import { compileAll } from "./index.ts";
import type { CompiledMachine } from "./table.ts";
import type { StoredTable } from "./tables.ts";

export function tablesFile(): string {
  const tables = Object.entries<CompiledMachine>(compileAll()).map(([name, table]) => [name, stored(table)]);
  return `${JSON.stringify(Object.fromEntries(tables), null, 2)}\n`;
}

function stored({ states, events, next }: CompiledMachine): StoredTable {
  const row = (state: number): string =>
    next.subarray(state * events.length, (state + 1) * events.length).toHex();
  return {
    events: events.join(" "),
    rows: Object.fromEntries(states.map((state, index) => [state, row(index)])),
  };
}

if (import.meta.main) await Bun.write(new URL("./tables.json", import.meta.url), tablesFile());
