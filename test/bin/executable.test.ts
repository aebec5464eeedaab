// The executable, as somebody has it who has no checkout: all it needs is inside, and a directory has no say in what it is.

import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import packageJson from "../../package.json";
import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import { inspectorUrl } from "../../lab/vmm/inspector-url.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { workerNames } from "../../src/actors/registry.ts";
import { driverPatienceMs } from "../support/patience.ts";
import { testedExecutable } from "../support/programs.ts";
import { ServerRun } from "../support/server-run.ts";

let folder: string;
let executable: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fencepost-test-"));
  executable = testedExecutable ?? join(folder, "fencepost");
  if (testedExecutable !== null) return;
  const build = join(import.meta.dir, "../../scripts/build.ts");
  expect(Bun.spawnSync([process.execPath, build, "--output", folder]).exitCode).toBe(0);
});
afterAll(() => rmSync(folder, { recursive: true }));

const run = (args: readonly string[], cwd = folder): Promise<{ code: number; text: string }> =>
  new ServerRun(args, { command: [executable], cwd }).ended();

const serve = (...args: string[]): Promise<ServerProcess> =>
  ServerProcess.start({ command: [executable, "serve"], args });

test("it says what it is, which programs it has, and which word it does not know", async () => {
  expect(await run(["--version"])).toEqual({ code: 0, text: `fencepost ${packageJson.version}\n` });
  expect((await run(["--help"])).text).toContain("\nUsage: fencepost [COMMAND]");
  expect((await run(["help", "serve"])).text).toContain("\nUsage: fencepost serve [flags]\n");
  for (const program of ["ctl", "demo", "replay", "trace-info", "trace-trim", "bridge-client"]) {
    const { code, text } = await run([program, "--help"]);
    expect({ code, text }).toEqual({
      code: 0,
      text: expect.stringContaining(`Usage: fencepost ${program} `),
    });
    expect(text).not.toContain("bun run");
  }
  expect(await run(["sevre"])).toMatchObject({ code: 2, text: expect.stringContaining("mean serve?") });
  const { type } = JSON.parse((await run(["--print-capabilities"])).text) as { type: string };
  expect(type).toBe("gpu");
});

test("every worker is inside, and comes back when it crashes", async () => {
  const bridge = join(folder, "bridge.sock");
  const server = await serve("--dev", "--resource-bridge", bridge, "--renderer", "software");
  const guest = SyntheticGuest.boot(server.socketPath);
  guest.gpu.createResource2d(1, 1, 64, 64);
  await server.control({ command: "kill", actor: "cursor-queue" });
  await server.control({ command: "record-start", path: join(folder, "a.rec") });
  for (;;) {
    const { actors } = (await server.control({ command: "status" })) as unknown as {
      actors: Record<string, { state: string }>;
    };
    const running = workerNames.filter((name) => actors[name]?.state === "running");
    if (running.length === workerNames.length) break;
    await Bun.sleep(20);
  }
  guest.gpu.unrefResource(1);
  guest.close();
  expect(await server.stop()).toBe(0);
});

test("the inspector's page is inside", async () => {
  const server = await serve("--inspect", "--renderer", "software");
  const url = await inspectorUrl(server, driverPatienceMs);
  const headers = { authorization: `Bearer ${url.searchParams.get("token")}` };
  const get = (path: string): Promise<Response> => fetch(new URL(path, url), { headers });
  const page = await (await get("/")).text();
  expect(page).toContain("<title>");
  const files = Array.from(page.matchAll(/(?:src|href)="([^"]+\.(?:js|css))"/g), ([, path]) => path!);
  expect(files).toHaveLength(2);
  for (const file of files) {
    const response = await get(file);
    expect(response.headers.get("content-type")).toMatch(/^text\/(?:javascript|css)/);
    expect((await response.text()).length).toBeGreaterThan(10_000);
  }
  expect((await get("/../bin/main.js")).status).toBe(404);
  await server.stop();
});

test("a demo and a replay start their servers from it", async () => {
  const recording = join(folder, "demo.rec");
  const demo = await run(["demo", "--seconds", "0.2", "--size", "320x200", "--record", "demo.rec"]);
  expect(demo).toMatchObject({
    code: 0,
    text: expect.stringContaining(`fencepost replay ${recording} plays`),
  });
  expect(existsSync(join(folder, "fencepost-demo.png"))).toBe(true);
  expect(await run(["replay", "demo.rec", "--compare"])).toMatchObject({ code: 0 });
});

test("what only a checkout has is told in one line", async () => {
  for (const flag of ["--kvm", "--qemu"])
    expect(await run(["demo", flag])).toEqual({
      code: 1,
      text: `The demo failed: ${flag} runs a guest that ./setup.sh makes in a checkout: call bun run demo there\n`,
    });
  writeFileSync(join(folder, "any.rec"), "");
  const revision = await run(["replay", "--bisect", "@HEAD", "software", "any.rec"]);
  expect(revision).toMatchObject({ code: 1 });
});

test("nothing that lies in the caller's directory is run or read", async () => {
  const hostile = join(folder, "hostile");
  const marker = join(folder, "marker");
  mkdirSync(join(hostile, "node_modules/xstate"), { recursive: true });
  const mark = `require("node:fs").writeFileSync(${JSON.stringify(marker)}, "");`;
  writeFileSync(join(hostile, "bunfig.toml"), 'preload = ["./hostile.ts"]\n');
  for (const name of ["hostile.ts", "main.ts", "node_modules/xstate/index.js"])
    writeFileSync(join(hostile, name), mark);
  writeFileSync(join(hostile, ".env"), "FENCEPOST_POLL_US=nonsense\nBUN_OPTIONS=--preload=./hostile.ts\n");
  writeFileSync(join(hostile, "package.json"), '{"imports": {"#x": "./hostile.ts"}, "type": "commonjs"}');
  const paths = { "*": ["./hostile.ts"] };
  writeFileSync(join(hostile, "tsconfig.json"), JSON.stringify({ compilerOptions: { baseUrl: ".", paths } }));
  const server = new ServerRun(["-s", "own.sock", "--inspect", "--renderer", "auto"], {
    command: [executable],
    cwd: hostile,
  });
  await server.untilUp();
  expect(existsSync(join(hostile, "own.sock"))).toBe(true);
  // A library that the system does not have would be taken from there.
  expect(readlinkSync(`/proc/${server.pid}/cwd`)).toBe("/");
  server.kill("SIGTERM");
  expect(await server.ended()).toMatchObject({ code: 0 });
  expect(await run(["demo", "--seconds", "0.1", "--size", "64x64"], hostile)).toMatchObject({ code: 0 });
  expect(existsSync(marker)).toBe(false);
});

test("it is no bare Bun: it has kept its programs, and no path of the machine that made it", () => {
  const bytes = readFileSync(executable);
  expect(bytes.includes("Usage: fencepost [COMMAND]")).toBe(true);
  expect(bytes.includes(join(import.meta.dir, "../../src"))).toBe(false);
});
