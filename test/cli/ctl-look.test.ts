// What `ctl` shows of a running device, against what the guest did: tables for people, JSON lines for programs.

import { expect, test } from "bun:test";
import { bound } from "../../lab/bound-child.ts";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import * as commands3d from "../../lab/driver/commands-3d.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import type { CommandRecord, ResourceRecord } from "../../src/actors/inspector/feed.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { makeTexture, patient, virglServer } from "../device/3d-support.ts";
import { slowDraws } from "../device/slow-draws.ts";
import { expectOk, serveTests } from "../device/support.ts";
import { CtlRun } from "../support/ctl-run.ts";
import { commandOf } from "../support/programs.ts";

const { withDevice, server } = serveTests(...virglServer, "--inspect");

async function ctl(...args: string[]): Promise<string> {
  const run = new CtlRun(args, server().controlPath);
  expect({ code: await run.ended(), said: run.said }).toEqual({ code: 0, said: "" });
  return run.out;
}

/** Asks until `holds`: the inspector keeps an answer for a moment. */
async function ctlUntil(holds: (text: string) => boolean, ...args: string[]): Promise<string> {
  for (let attempt = 0; attempt < 40; attempt++) {
    const text = await ctl(...args);
    if (holds(text)) return text;
  }
  return await ctl(...args);
}

/** The cells of each line of a table. */
const cellsOf = (text: string): string[][] =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => [line[0]!.trim(), ...line.slice(1).trim().split(/ {2,}/)]);
const recordsOf = <T>(text: string): T[] =>
  text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);

test("resources are told with their size, memory, contexts and scanouts, and what deserves a look", () =>
  withDevice(patient, async (guest) => {
    const { gpu } = guest;
    expectOk(gpu.createContext(3, "glxgears"));
    gpu.show(0, gpu.createImage(77, Format.B8G8R8X8, 320, 200));
    makeTexture(guest, 9, 64, 32, {}, [3]);
    // More than any picture that is shown.
    expectOk(gpu.createResource2d(78, Format.B8G8R8X8, 8192, 4096));
    const text = await ctlUntil((all) => all.includes(" 78 "), "resources");
    const [head, ...rows] = cellsOf(text);
    expect(head!.slice(1, 9)).toEqual([
      "ID",
      "STATE",
      "FORMAT",
      "SIZE",
      "HOST",
      "BACKING",
      "CONTEXTS",
      "SCANOUTS",
    ]);
    const row = (id: string): string[] => rows.find((cells) => cells[1] === id)!;
    expect(row("77")).toMatchObject({ 0: "", 3: "B8G8R8X8", 4: "320×200", 6: "250 KiB", 7: "-", 8: "0" });
    expect(row("9")).toMatchObject({ 0: "", 4: "64×32", 6: "8.00 KiB", 7: "3", 8: "-" });
    expect(row("78")).toMatchObject({ 0: "!", 4: "8192×4096", 5: "128 MiB", 6: "0 B" });
    expect(row("78").at(-1)).toMatch(/^oversized: \d+\.\d times the largest picture on a scanout$/);
    expect(text).toMatch(/\n3 resources: \d+ MiB of the host, 258 KiB of the guest\n$/);
    const [record] = recordsOf<ResourceRecord>(await ctl("resources", "--json")).filter(
      ({ id }) => id === 77,
    );
    expect(record).toMatchObject({ width: 320, height: 200, scanouts: [0], backingBytes: 256_000 });
  }));

test("what a guest calls a context does nothing to a terminal, and is the same to a program", () =>
  withDevice(patient, async ({ gpu }) => {
    const name = "a\u001b[2J\u009bb\u202ec";
    expectOk(gpu.createContext(5, name));
    const table = await ctlUntil((all) => all.includes(" 5 "), "contexts");
    expect(cellsOf(table)[1]!.slice(0, 3)).toEqual(["", "5", "a\\x1b[2J\\x9bb\\u{202e}c"]);
    expect(table).toEndWith("\n1 context\n");
    const json = await ctl("contexts", "--json");
    expect(json).toMatch(/^[\u0020-\u007e]+\n$/);
    expect(recordsOf<object>(json)).toMatchObject([{ id: 5, name, resources: 0 }]);
  }));

test("a fence that is out is told with its command, and is stuck after a second", () =>
  withDevice(patient, async (guest) => {
    const stream = slowDraws(guest, 25);
    const slow = guest.gpu.control.submit(commands3d.submit3d(1, stream, { fenceId: 7n }));
    const [, row] = cellsOf(await ctlUntil((all) => all.includes("stuck"), "fences"));
    expect(row).toMatchObject({ 0: "!", 2: "SUBMIT_3D", 3: "pending", 4: "1", 7: "stuck" });
    expect(row![6]).toMatch(/^\d\.\d\d s$/);
    expectOk(guest.gpu.control.wait(slow));
    const after = await ctlUntil((all) => !all.includes("SUBMIT_3D"), "fences");
    expect(after).toEndWith("\n0 fences in flight\n");
  }));

test("actors are told with their states; one that has been restarted is marked", () =>
  withDevice(patient, async () => {
    expect(await ctl("kill", "resource-bridge")).toContain("was told to crash");
    const rowOf = async (name: string): Promise<string[]> =>
      cellsOf(await ctl("actors")).find(([, actor]) => actor === name)!;
    await ctlUntil((all) => /^! +resource-bridge +running/m.test(all), "actors");
    expect(await rowOf("resource-bridge")).toMatchObject({ 0: "!", 6: "1", 7: "1" });
    expect((await rowOf("resource-bridge"))[9]).toMatch(
      /^killed by request, [\d-]+ [\d:]+ UTC: another one after [\d,]+ ms$/,
    );
    expect(await rowOf("ctrl-queue")).toMatchObject({ 0: "", 2: "running", 6: "0", 7: "0", 8: "0", 9: "-" });
    expect((await rowOf("ctrl-queue"))[3]).toMatch(/^\d+%$/);
    expect(await rowOf("supervisor")).toMatchObject({ 0: "", 2: "running", 3: "-" });
  }));

test("the log has what the filter holds for, errors marked, oldest first; --limit leaves the last", () =>
  withDevice(patient, async ({ gpu }) => {
    const screen = gpu.createImage(61, Format.B8G8R8X8, 32, 16);
    expectOk(gpu.transferToHost2d(61, areaOf(screen)));
    gpu.flushResource(4242, areaOf(screen));
    const text = await ctlUntil((all) => all.includes("TRANSFER_TO_HOST_2D"), "log", "res:61");
    const lines = text.trimEnd().split("\n");
    expect(lines.map((line) => line.slice(1).trim().split(/ +/)[2])).toEqual([
      ...["RESOURCE_CREATE_2D", "RESOURCE_ATTACH_BACKING", "TRANSFER_TO_HOST_2D"],
    ]);
    expect(lines[0]).toMatch(
      /^ {2}\d\d:\d\d:\d\d\.\d{3} ctrl-queue:\d+ +RESOURCE_CREATE_2D +[\d.]+ (?:ns|µs|ms) res=61 32×16 B8G8R8X8$/,
    );
    const refused = await ctl("log", "errors", "res:4242");
    expect(refused).toMatch(/^! \S+ \S+ +RESOURCE_FLUSH +\S+ \S+ ERR_INVALID_RESOURCE_ID res=4242 32×16/);
    const [last, ...more] = (await ctl("log", "res:61", "--limit", "1")).trimEnd().split("\n");
    // Behind the time, which is a call's own guess.
    expect([last!.slice(14), more]).toEqual([lines[2]!.slice(14), []]);
    const [record] = recordsOf<CommandRecord>(await ctl("log", "res:61", "--json", "--limit", "1"));
    expect(record).toMatchObject({ type: "TRANSFER_TO_HOST_2D", fields: { resourceId: 61, width: 32 } });
  }));

test("a followed log has each command once as it ends, survives a crash of the inspector, and Ctrl-C ends it in order", () =>
  withDevice(patient, async ({ gpu }) => {
    // A proxy that is not there: nobody is asked to carry the token.
    const proxy = { HTTP_PROXY: "http://127.0.0.1:9", http_proxy: "http://127.0.0.1:9" };
    const run = new CtlRun(["log", "--follow", "--json", "res:700"], server().controlPath, proxy);
    const told = (): CommandRecord[] =>
      recordsOf<CommandRecord>(run.out.slice(0, run.out.lastIndexOf("\n") + 1));
    await run.until(
      () => told().length > 0,
      () => gpu.unrefResource(700),
    );
    await Bun.sleep(100);
    const before = told().length;
    expectOk(gpu.createResource2d(700, Format.B8G8R8X8, 8, 8));
    expectOk(gpu.createResource2d(701, Format.B8G8R8X8, 8, 8));
    expectOk(gpu.unrefResource(700));
    await run.until(() => told().length >= before + 2);
    expect(told().slice(before)).toMatchObject([
      { type: "RESOURCE_CREATE_2D", fields: { resourceId: 700 }, response: "OK_NODATA" },
      { type: "RESOURCE_UNREF", fields: { resourceId: 700 }, request: expect.stringMatching(/^[\da-f]+$/) },
    ]);

    await server().control({ command: "kill", actor: "inspector" });
    await run.until(({ said }) => said.includes("\n"));
    const after = told().length;
    await run.until(
      () => told().length > after,
      () => gpu.unrefResource(700),
    );
    run.interrupt();
    expect(await run.ended()).toBe(0);
    expect(run.said).toBe("ctl: the inspector was started anew: commands are missing here\n");
  }));

test("what a followed log leaves out of a flood is said beside it, at most once a second", () =>
  withDevice(patient, async ({ gpu }) => {
    const run = new CtlRun(["log", "-f", "res:5"], server().controlPath);
    await run.until(
      ({ out }) => out !== "",
      () => gpu.unrefResource(5),
    );
    await Bun.sleep(100);
    const before = run.out.split("\n").length;
    const start = performance.now();
    const sent = 10_000;
    for (let times = 0; times < sent; times++) gpu.unrefResource(5);
    gpu.unrefResource(6);
    await Bun.sleep(500);
    gpu.unrefResource(5);
    await Bun.sleep(200);
    run.interrupt();
    expect(await run.ended()).toBe(0);
    const missing = Array.from(run.said.matchAll(/^ctl: (\d+) commands or more are missing/gm), ([, one]) =>
      Number(one),
    );
    const shown = run.out.split("\n").length - before;
    expect(shown + missing.reduce((sum, one) => sum + one, 0)).toBeGreaterThanOrEqual(sent);
    expect(missing.length).toBeLessThanOrEqual(2 + (performance.now() - start) / 1e3);
    expect(run.said.trimEnd().split("\n").filter(Boolean)).toHaveLength(missing.length);
  }));

test("a followed log ends in order when its server does", async () => {
  const other = await ServerProcess.start({ args: ["--renderer=software", "--inspect"] });
  const guest = SyntheticGuest.boot(other.socketPath, patient);
  try {
    const run = new CtlRun(["log", "-f"], other.controlPath);
    await run.until(
      ({ out }) => out !== "",
      () => guest.gpu.unrefResource(5),
    );
    guest.close();
    await other.control({ command: "shutdown" });
    expect(await run.ended()).toBe(0);
    expect(run.said).toBe("ctl: the server has ended\n");
    expect(run.out).toMatch(/^! \S+ ctrl-queue:\d+ +RESOURCE_UNREF .* ERR_INVALID_RESOURCE_ID res=5\n/m);
  } finally {
    await other.stop();
  }
});

test("a followed log ends in order when nobody reads it any more", () =>
  withDevice(patient, async ({ gpu }) => {
    const line = [...commandOf("ctl"), "--control-path", server().controlPath, "log", "-f"].map(
      (word) => `'${word}'`,
    );
    const script = `set -o pipefail; ${line.join(" ")} | head -n 1`;
    const shell = Bun.spawn(bound(["bash", "-c", script]), { stdio: ["ignore", "pipe", "inherit"] });
    while (shell.exitCode === null) {
      gpu.unrefResource(5);
      await Bun.sleep(25);
    }
    expect(shell.exitCode).toBe(0);
    expect(await new Response(shell.stdout).text()).toMatch(/^[! ] [^\n]*RESOURCE_UNREF[^\n]*\n$/);
  }));
