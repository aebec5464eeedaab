// The compiled tables of all machines of workers, read from a file: walking the machines takes longer than all the
// rest of a start. After a change to a machine: bun src/actors/machines/tables-file.ts; a test tells when it is due.

import type { LifecycleTables } from "./index.ts";
import type { CompiledMachine } from "./table.ts";
import file from "./tables.json" with { type: "json" };

/** A table in the file: its events, and a row a state, the initial one first, with two hexadecimal digits an event. */
export interface StoredTable {
  events: string;
  rows: Readonly<Record<string, string>>;
}

/** The tables, to be posted to the workers. */
export function loadTables(): LifecycleTables {
  const tables = Object.entries<StoredTable>(file).map(([name, { events, rows }]) => [
    name,
    {
      name,
      states: Object.keys(rows),
      events: events.split(" "),
      initial: 0,
      next: Uint8Array.fromHex(Object.values(rows).join("")),
    } satisfies CompiledMachine,
  ]);
  return Object.fromEntries(tables) as LifecycleTables;
}
