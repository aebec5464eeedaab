// The page in docs is what the machines say today.
import { expect, test } from "bun:test";
import { lifecyclesPage } from "../../../src/actors/machines/diagram.ts";

test("docs lifecycles is up to date", async () => {
  const page = await Bun.file(new URL("../../../docs/lifecycles.md", import.meta.url)).text();

  expect(page, "run: bun src/actors/machines/diagram.ts > docs/lifecycles.md").toBe(lifecyclesPage());
});
