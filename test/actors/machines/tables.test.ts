// The tables in the file are what the machines say today.
import { expect, test } from "bun:test";
import { compileAll } from "../../../src/actors/machines/index.ts";
import { tablesFile } from "../../../src/actors/machines/tables-file.ts";
import { loadTables } from "../../../src/actors/machines/tables.ts";

test("tables file is up to date", async () => {
  const file = await Bun.file(new URL("../../../src/actors/machines/tables.json", import.meta.url)).text();

  expect(file, "run: bun src/actors/machines/tables-file.ts").toBe(tablesFile());
});

test("tables from the file are those that the compiler makes", () => {
  expect(loadTables()).toEqual(compileAll());
});
