// `bun run regress` that is interrupted: nothing of it stays, and what was recorded before does.

import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { recordingsPath } from "../../lab/qemu/cache.ts";
import { whereGuestsAre } from "./support/guests.ts";

whereGuestsAre(() => {
  test("Ctrl-C ends it while a guest boots, and the guest with it", async () => {
    const child = Bun.spawn(["bun", "scripts/regress.ts", "boot-6.12"], { stdout: "pipe", stderr: "pipe" });
    const part = join(recordingsPath, "boot-6.12.part");
    while (!existsSync(part)) {
      if (child.exitCode !== null) throw new Error(await child.stdout.text());
      await Bun.sleep(20);
    }
    child.kill("SIGINT");
    expect(await child.exited).toBe(130);
    // Where much else goes on it says in between for how long.
    expect(await child.stderr.text()).toMatch(/^(boot-6\.12: recording for \d+ s\n)*interrupted\n$/);
    expect(existsSync(part)).toBe(false);
  }, 60_000);
});
