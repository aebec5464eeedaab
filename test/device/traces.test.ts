// Traces of a real server while a guest draws, opened by Perfetto's trace_processor and asked in SQL.

import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { areaOf } from "../../lab/driver/gpu-driver.ts";
import * as commands from "../../lab/driver/commands.ts";
import * as commands3d from "../../lab/driver/commands-3d.ts";
import { SyntheticGuest } from "../../lab/driver/synthetic-guest.ts";
import * as virgl from "../../lab/driver/virgl/index.ts";
import type { TraceProcessor } from "../../lab/perfetto/trace-processor.ts";
import { ServerProcess } from "../../lab/vmm/server-process.ts";
import { Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { driverPatienceMs } from "../support/patience.ts";
import { expectSound, openTrace } from "../support/trace.ts";
import { clearTo, makeContext, makeTexture, patient, virglServer } from "./3d-support.ts";
import { serveTests } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "fencepost-test-"));
afterAll(() => rmSync(folder, { recursive: true }));
const fileOf = (name: string): string => join(folder, `${name}.pftrace`);

const { withDevice, server } = serveTests(...virglServer, "--inspect");

/** Traces what `body` does into a file until `isWhole`, and opens that. */
async function traced(
  name: string,
  body: () => void,
  isWhole: (trace: TraceProcessor) => boolean = () => true,
): Promise<TraceProcessor> {
  const path = fileOf(name);
  expect(await server().control({ command: "trace-start", path })).toEqual({ ok: true, path });
  body();
  // A file that is still written is a trace as well.
  for (let attempt = 0; attempt < 20 && !isWhole(await openTrace(path)); attempt++);
  const answer = await server().control({ command: "trace-stop" });
  expect(answer).toEqual({ ok: true, path, bytes: statSync(path).size });
  return await openTrace(path);
}

const frames = 6;
const redOf = (frame: number): number => frame * 20;

/** Draws `frames` pictures in two buffers in turn, each a stream with a fence, a flip and a flush, all in flight at once. */
function drawFrames(guest: SyntheticGuest): void {
  const { control, display } = guest;
  makeContext(guest);
  const buffers = [5, 6].map((id) => makeTexture(guest, id, 64, 48));
  for (let frame = 0; frame < frames; frame++) {
    const buffer = buffers[frame % 2]!;
    const stream = new virgl.CommandStream();
    clearTo(stream, buffer, [redOf(frame), 0, 0, 255]);
    control.submit(commands3d.submit3d(1, stream.bytes, { fenceId: BigInt(frame + 1) }));
    control.submit(commands.setScanout(0, buffer.resourceId, areaOf(buffer)));
    control.submit(commands.flushResource(buffer.resourceId, areaOf(buffer)));
  }
  control.waitAll();
  const isLast = (): boolean =>
    display!.framebuffer(0) !== null && display!.colourAt(0, 9, 9) >> 16 === redOf(frames - 1);
  guest.pump.until(isLast, "the last frame");
}

const topLevel = "parent_id IS NULL";
/** Commands: each is a slice that lies in none, on a track of its queue's. */
const commandsOf = (queue: string): string =>
  `(SELECT slice.* FROM slice JOIN track ON track.id = slice.track_id JOIN track above ON above.id = track.parent_id
    WHERE slice.${topLevel} AND above.name = '${queue} commands')`;
const ctrl = commandsOf("ctrl-queue");
const fences = "(SELECT * FROM slice WHERE name = 'fence' AND parent_id IS NULL)";

test("spans nest: a command is filled by what it does, and nothing lies outside of its parent", () =>
  withDevice(patient, async (guest) => {
    const trace = await traced("nest", () => drawFrames(guest));
    expectSound(trace);
    const children = `SELECT command.name, command.dur, SUM(part.dur) AS parts, COUNT(*) AS count
      FROM ${ctrl} command JOIN slice part ON part.parent_id = command.id GROUP BY command.id`;
    const all = trace.query(children);
    expect(all.length).toBe(trace.query(`SELECT 1 FROM ${ctrl}`).length);
    expect(all.filter(({ name }) => name === "RESOURCE_FLUSH")).toHaveLength(frames);
    expect(all.filter(({ dur, parts, count }) => dur !== parts || Number(count) < 2)).toEqual([]);
    expect(
      trace.query(`SELECT DISTINCT part.name FROM ${ctrl} command JOIN slice part ON part.parent_id = command.id
      WHERE part.name NOT IN ('wait', 'run', 'fence', 'parked', 'answer')`),
    ).toEqual([]);
    // The sink may not know yet that its other side has the last frame.
    expect(trace.query("SELECT name FROM slice WHERE dur < 0 AND name != 'frame'")).toEqual([]);
  }));

test("every fenced command has its retirement: a fence of that number, which ends before the command does", () =>
  withDevice(patient, async (guest) => {
    const trace = await traced("fences", () => drawFrames(guest));
    const fenced = trace.query(`SELECT id, EXTRACT_ARG(arg_set_id, 'debug.response') AS response FROM ${ctrl}
      WHERE EXTRACT_ARG(arg_set_id, 'debug.flags') LIKE '%FENCE%'`);
    expect(fenced).toHaveLength(frames);
    expect(fenced.map(({ response }) => response)).toEqual(fenced.map(() => "OK_NODATA"));
    const retired = trace.query(`SELECT command.id FROM ${ctrl} command
      JOIN slice waiting ON waiting.parent_id = command.id AND waiting.name = 'fence'
      JOIN ${fences} fence ON EXTRACT_ARG(fence.arg_set_id, 'debug.fence') =
        EXTRACT_ARG(waiting.arg_set_id, 'debug.waitsFor')
      WHERE fence.dur >= 0 AND EXTRACT_ARG(fence.arg_set_id, 'debug.lost') IS NULL
        AND fence.ts BETWEEN command.ts AND waiting.ts + waiting.dur
        AND fence.ts + fence.dur <= waiting.ts + waiting.dur`);
    expect(retired.map(({ id }) => id).toSorted()).toEqual(fenced.map(({ id }) => id).toSorted());
    expect(
      trace.query(
        "SELECT value FROM counter JOIN counter_track track ON track.id = counter.track_id " +
          "WHERE track.name LIKE '%in flight' GROUP BY track_id HAVING MAX(counter.ts) AND value != 0",
      ),
    ).toEqual([]);
  }));

test("arrows lead from each stream to its fence, to the flush that shows it and to a frame; and from sender to receiver", () =>
  withDevice(patient, async (guest) => {
    /** What can be reached from each stream, by names. */
    const reached = (trace: TraceProcessor): string[][] =>
      trace
        .query(
          `WITH RECURSIVE way(start, at) AS (
            SELECT id, id FROM ${ctrl} WHERE name = 'SUBMIT_3D'
            UNION SELECT way.start, flow.slice_in FROM way JOIN flow ON flow.slice_out = way.at)
          SELECT GROUP_CONCAT(DISTINCT slice.name) AS names FROM way JOIN slice ON slice.id = way.at
          GROUP BY way.start`,
        )
        .map(({ names }) => String(names).split(","));
    const areShown = (trace: TraceProcessor): boolean => {
      const ways = reached(trace);
      return ways.length === frames && ways.every((names) => names.includes("frame"));
    };
    const trace = await traced("flows", () => drawFrames(guest), areShown);
    const ways = reached(trace);
    expect(ways).toHaveLength(frames);
    const stations = expect.arrayContaining(["SUBMIT_3D", "fence", "RESOURCE_FLUSH", "frame"]);
    for (const names of ways) expect(names).toEqual(stations);
    const messages =
      trace.query(`SELECT DISTINCT sender.name AS sent, receiver.name AS taken FROM slice sender
      JOIN flow ON flow.slice_out = sender.id JOIN slice receiver ON receiver.id = flow.slice_in
      WHERE sender.name GLOB 'send *'`);
    expect(messages).toContainEqual({ sent: "send show-scanout", taken: "take show-scanout" });
    for (const { sent, taken } of messages) expect(taken).toBe(String(sent).replace("send", "take"));
    // Backwards in time no arrow goes.
    expect(
      trace.query(`SELECT 1 FROM flow JOIN slice a ON a.id = slice_out JOIN slice b ON b.id = slice_in
      WHERE a.ts > b.ts`),
    ).toEqual([]);
  }));

test("a command's annotations are its fields; actors are threads of the process, awake and asleep", () =>
  withDevice(patient, async (guest) => {
    const statesOf = (trace: TraceProcessor): unknown[] =>
      trace
        .query(
          `SELECT DISTINCT slice.name FROM slice JOIN thread_track ON thread_track.id = track_id
          JOIN thread USING (utid) WHERE thread.name = 'ctrl-queue' AND dur > 0 ORDER BY 1`,
        )
        .map(({ name }) => name);
    const trace = await traced(
      "names",
      () => drawFrames(guest),
      (soFar) => {
        // That it was awake is told when it has slept again.
        guest.control.submit(commands.flushResource(5, { x: 0, y: 0, width: 64, height: 48 }));
        guest.control.waitAll();
        return statesOf(soFar).length === 2;
      },
    );
    const [flush] = trace.query(`SELECT EXTRACT_ARG(arg_set_id, 'debug.resourceId') AS resource,
      EXTRACT_ARG(arg_set_id, 'debug.width') AS width, EXTRACT_ARG(arg_set_id, 'debug.bytes') AS bytes,
      EXTRACT_ARG(arg_set_id, 'debug.response') AS response
      FROM ${ctrl} WHERE name = 'RESOURCE_FLUSH' ORDER BY ts LIMIT 1`);
    expect(flush).toEqual({ resource: 5, width: 64, bytes: 48, response: "OK_NODATA" });
    const threads = trace.query(
      "SELECT thread.name, tid, pid FROM thread JOIN process USING (upid) WHERE pid > 0 ORDER BY tid",
    );
    const pid = server().pid;
    expect(threads).toContainEqual({ name: "supervisor", tid: pid, pid });
    const processes = [pid, ...server().actorProcesses];
    const isThread = (tid: unknown): boolean =>
      processes.some((one) => existsSync(`/proc/${one}/task/${tid}`));
    expect(threads.filter(({ tid }) => !isThread(tid))).toEqual([]);
    expect(statesOf(trace)).toEqual(["asleep", "awake"]);
  }));

test("a trace of a page or program is read as it is made", () =>
  withDevice(patient, async (guest) => {
    const { url } = await server().control({ command: "inspector" });
    const address = new URL("/api/trace", String(url));
    const headers = { authorization: `Bearer ${new URL(String(url)).searchParams.get("token")}` };
    const readers = await Promise.all(Array.from({ length: 4 }, () => fetch(address, { headers })));
    expect((await fetch(address, { headers })).status).toBe(503);
    expect((await fetch(address)).status).toBe(401);
    drawFrames(guest);
    const reader = readers[0]!.body!.getReader();
    const chunks: Uint8Array[] = [];
    while (
      !Buffer.concat(chunks).includes("take surface-released") &&
      !Buffer.concat(chunks).includes("frame")
    ) {
      chunks.push((await reader.read()).value!);
    }
    await reader.cancel();
    for (const one of readers.slice(1)) await one.body!.cancel();
    writeFileSync(fileOf("read"), Buffer.concat(chunks));
    const trace = await openTrace(fileOf("read"));
    expectSound(trace);
    expect(trace.query(`SELECT 1 FROM ${ctrl} WHERE name = 'SUBMIT_3D'`).length).toBeGreaterThan(0);
    // There is room for another one as soon as the inspector has heard that these have gone.
    let status = 503;
    for (let attempt = 0; attempt < 200 && status === 503; attempt++) {
      const again = await fetch(address, { headers });
      status = again.status;
      await again.body!.cancel();
    }
    expect(status).toBe(200);
  }));

test("one trace in a file at a time, and none to stop without one", async () => {
  const path = fileOf("first");
  expect(await server().control({ command: "trace-stop" })).toEqual({
    ok: false,
    error: "no trace is being made",
  });
  await server().control({ command: "trace-start", path });
  expect((await server().control({ command: "status" }))["trace"]).toBe(path);
  expect(await server().control({ command: "trace-start", path: fileOf("second") })).toEqual({
    ...{ ok: false, error: `a trace is being made already, in ${path}` },
  });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  await server().control({ command: "trace-stop" });
  expect((await server().control({ command: "status" }))["trace"]).toBeNull();
  const answer = await server().control({ command: "trace-start", path: join(folder, "no", "such") });
  expect(answer.error).toBe(`there is no folder ${join(folder, "no")}: make it`);
});

/** Runs `body` with a server of its own that traces from its start. */
async function tracing(
  args: readonly string[],
  body: (server: ServerProcess, guest: SyntheticGuest) => Promise<void>,
): Promise<void> {
  const own = await ServerProcess.start({ args: ["--renderer=software", ...args] });
  const guest = SyntheticGuest.boot(own.socketPath, { patienceMs: driverPatienceMs });
  try {
    await body(own, guest);
  } finally {
    guest.close();
    await own.stop();
  }
}

/** Waits until `path` has what was written with `word` in it. */
async function untilHas(path: string, word: string): Promise<void> {
  while (!readFileSync(path).includes(word)) await Bun.sleep(10);
}

test("what a server wrote that was killed can be opened, and so can any beginning of it", async () => {
  const path = fileOf("killed");
  await tracing(["--trace", path], async (own, { gpu }) => {
    gpu.show(0, gpu.createImage(7, Format.B8G8R8X8, 32, 32));
    await untilHas(path, "frame");
    process.kill(own.pid, "SIGKILL");
    expect(await own.exited).not.toBe(0);
    expect(own.log()).not.toContain("inspector: open");
  });
  const whole = readFileSync(path);
  for (const bytes of [whole.length, whole.length - 3, whole.length >> 1]) {
    writeFileSync(fileOf("cut"), whole.subarray(0, bytes));
    expectSound(await openTrace(fileOf("cut")));
  }
  const trace = await openTrace(path);
  expect(trace.query(`SELECT name FROM ${ctrl} WHERE name = 'SET_SCANOUT'`)).toHaveLength(1);
});

test("a disk that is full ends the trace with a line of the log, and nothing else", async () => {
  await tracing(["--trace", "/dev/full"], async (own, { gpu }) => {
    while (!own.log().includes("the trace ends: ")) await Bun.sleep(10);
    expect(own.log()).toContain("warning inspector: the trace ends: it cannot be written: ENOSPC");
    gpu.show(0, gpu.createImage(7, Format.B8G8R8X8, 32, 32));
    expect(await own.control({ command: "trace-stop" })).toEqual({
      ok: false,
      error: "no trace is being made",
    });
    // The next one may go elsewhere.
    expect(await own.control({ command: "trace-start", path: fileOf("next") })).toMatchObject({ ok: true });
    gpu.transferToHost2d(7, { x: 0, y: 0, width: 8, height: 8 });
    await own.control({ command: "trace-stop" });
    expectSound(await openTrace(fileOf("next")));
  });
});

test("a trace ends at its ceiling, and says so", async () => {
  const path = fileOf("ceiling");
  await tracing(["--trace", path, "--trace-bytes-max=65536"], async (own, { gpu }) => {
    while (!own.log().includes("the trace ends: ")) gpu.getDisplayInfo();
    // Whom the line of the log was written for hears of it a little later.
    while ((await own.control({ command: "status" }))["trace"] !== null) await Bun.sleep(10);
  });
  expect(statSync(path).size).toBeLessThanOrEqual(65536);
  const trace = await openTrace(path);
  expectSound(trace);
  expect(trace.query("SELECT name FROM slice WHERE name GLOB 'the trace ends:*'")).toEqual([
    { name: "the trace ends: it has the 65536 bytes that --trace-bytes-max allows" },
  ]);
});

test("an inspector that comes back goes on in the same file", async () => {
  const path = fileOf("restarted");
  await tracing(["--trace", path], async (own, { gpu }) => {
    gpu.createResource2d(1, Format.B8G8R8X8, 8, 8);
    await untilHas(path, "RESOURCE_CREATE_2D");
    await own.control({ command: "kill", actor: "inspector" });
    while (!own.log().includes("inspector: restarted")) await Bun.sleep(10);
    for (let id = 2; !readFileSync(path).includes("RESOURCE_UNREF"); id++) {
      gpu.createResource2d(id, Format.B8G8R8X8, 8, 8);
      gpu.unrefResource(id);
      await Bun.sleep(10);
    }
    expect(await own.control({ command: "trace-stop" })).toMatchObject({ ok: true, path });
  });
  const trace = await openTrace(path);
  expectSound(trace);
  expect(trace.query(`SELECT DISTINCT name FROM ${ctrl} WHERE name GLOB 'RESOURCE_*' ORDER BY 1`)).toEqual([
    { name: "RESOURCE_CREATE_2D" },
    { name: "RESOURCE_UNREF" },
  ]);
});

test("a server that nothing reads refuses to trace, and says what would help", async () => {
  const own = await ServerProcess.start({ args: ["--renderer=software"] });
  try {
    const answer = await own.control({ command: "trace-start", path: fileOf("none") });
    expect(answer.error).toBe("nothing can be traced: start the server with --inspect or --trace");
  } finally {
    await own.stop();
  }
});
