// The sandbox of what runs guests' Vulkan: what somebody tries who runs code of their own in place of the render server.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ServerRun } from "../support/server-run.ts";
import { attempts, isRefused } from "../support/sandbox/attempts.ts";
import { answersIn, attemptsInPerl } from "../support/sandbox/perl-attempts.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fencepost-vulkan-sandbox-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test("where the host has no room for it, that is said, or Vulkan is not had", async () => {
  const main = (name: string): string => join(import.meta.dir, "../../", name);
  const start = (sandbox: string): ServerRun =>
    new ServerRun(
      [
        ...["--socket-path", join(folder, "crowded.sock"), "--sandbox", sandbox, "--isolation", "thread"],
        ...["--renderer", "virgl", "--vulkan", "on"],
      ],
      {
        command: [
          process.execPath,
          main("test/support/sandbox/crowded.ts"),
          process.execPath,
          main("src/cli/server.ts"),
        ],
        // The server's.
        env: { CROWDED_LEFT: "1" },
      },
    );
  const server = start("auto");
  await server.untilUp();
  server.kill("SIGTERM");
  const { text } = await server.ended();
  expect(text).toContain(
    'the sandbox of Vulkan goes without its layer "files": taking on a Landlock ruleset: ',
  );
  expect(text).toMatch(/sandbox of Vulkan: no new privileges, no capabilities, limits, \d+ system calls$/m);
  const strict = await start("on").ended();
  expect(strict.text).toContain('--vulkan on cannot be had: --sandbox on: no layer "files": ');
  expect(strict.code).toBe(2);
});

test.each(["thread", "process"])(
  "all that is tried in place of the render server is refused, with --isolation %s",
  async (isolation) => {
    const [outside, cache, own] = ["outside", "cache", "own"].map((name) => {
      const path = join(folder, isolation, name);
      mkdirSync(path, { recursive: true });
      return path;
    }) as [string, string, string];
    writeFileSync(join(outside, "secret"), "of the host");
    const [program, output] = [join(own, "render-server"), join(cache, "answers")];
    writeFileSync(program, attemptsInPerl(outside, output));
    chmodSync(program, 0o755);
    const server = new ServerRun(
      [
        ...[
          "--socket-path",
          join(folder, isolation, "gpu.sock"),
          "--sandbox",
          "on",
          "--isolation",
          isolation,
        ],
        ...["--renderer", "virgl", "--vulkan", "on", "--render-server", program],
      ],
      { env: { MESA_SHADER_CACHE_DIR: cache } },
    );
    // It has to have Vulkan, and that program makes no context.
    expect((await server.ended()).code).toBe(2);
    const answers = answersIn(readFileSync(output, "utf8"));
    const allowed = Object.keys(attempts).filter((name) => !isRefused(name, answers[name] ?? "not tried"));
    // Its contexts are processes.
    expect(allowed).toEqual(["start a process"]);
    expect(readdirSync(outside)).toEqual(["secret"]);
  },
);
