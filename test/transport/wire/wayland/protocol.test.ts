// The bindings are what the generator makes of the protocols' XML.

import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dir, "../../../..");

test("the bindings are generated from the installed protocols", () => {
  const directory = mkdtempSync(join(tmpdir(), "fencepost-bindings-"));
  const file = join(directory, "protocol.ts");
  try {
    const { success, stderr } = Bun.spawnSync(
      [process.execPath, join(root, "scripts/generate-wayland.ts"), file],
      { cwd: root },
    );
    expect(stderr.toString()).toBe("");
    expect(success).toBe(true);
    const committed = readFileSync(join(root, "src/transport/wire/wayland/protocol.ts"), "utf8");
    expect(readFileSync(file, "utf8")).toBe(committed);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
