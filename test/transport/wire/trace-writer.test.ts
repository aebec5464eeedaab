// What a trace writer writes, as Perfetto's own trace_processor reads it.

import { expect, test } from "bun:test";
import { TraceProcessor } from "../../../lab/perfetto/trace-processor.ts";
import { TraceWriter } from "../../../src/transport/wire/perfetto/trace-writer.ts";
import { expectSound } from "../../support/trace.ts";

/** Later than 2^52 ns, which is 52 days: no digit may be lost. */
const start = 2 ** 52 + 1;

async function read(write: (writer: TraceWriter) => void): Promise<TraceProcessor> {
  const writer = new TraceWriter(1, start, 1.8e12);
  writer.track({ uuid: 1, name: "device", process: { pid: 70 } });
  writer.track({ uuid: 2, name: "worker", thread: { pid: 70, tid: 71 } });
  write(writer);
  const trace = await TraceProcessor.read(writer.take());
  expectSound(trace);
  return trace;
}

test("slices nest on their track, with their times to the nanosecond", async () => {
  const trace = await read((writer) => {
    writer.begin({ ns: start, track: 2, name: "outer" });
    writer.begin({ ns: start + 1, track: 2, name: "inner" });
    writer.end({ ns: start + 3, track: 2 });
    writer.instant({ ns: start + 4, track: 2, name: "now" });
    writer.end({ ns: start + 5, track: 2 });
    writer.begin({ ns: start + 9, track: 2, name: "open" });
  });
  expect(trace.query("SELECT name, ts, dur, depth FROM slice ORDER BY ts")).toEqual([
    { name: "outer", ts: start, dur: 5, depth: 0 },
    { name: "inner", ts: start + 1, dur: 2, depth: 1 },
    { name: "now", ts: start + 4, dur: 0, depth: 1 },
    { name: "open", ts: start + 9, dur: -1, depth: 0 },
  ]);
  const thread =
    "SELECT thread.name, tid, pid, process.name AS process FROM thread JOIN process USING (upid) WHERE tid = 71";
  expect(trace.query(thread)).toEqual([{ name: "worker", tid: 71, pid: 70, process: "device" }]);
});

test("annotations keep their kind, those of the end join those of the beginning", async () => {
  const trace = await read((writer) => {
    const annotations = { big: 2 ** 53 - 1, below: -7, half: 0.5, yes: true, text: "ä\u0000\"'🦔" };
    writer.begin({ ns: start, track: 2, name: "one", annotations });
    writer.end({ ns: start + 1, track: 2, annotations: { late: 3 } });
  });
  const args = trace.query(`SELECT flat_key AS key, COALESCE(int_value, real_value, string_value) AS value
    FROM args JOIN slice USING (arg_set_id) WHERE flat_key LIKE 'debug.%' ORDER BY 1`);
  expect(Object.fromEntries(args.map(({ key, value }) => [key, value]))).toMatchObject({
    ...{ "debug.big": 2 ** 53 - 1, "debug.below": -7, "debug.half": 0.5, "debug.yes": 1, "debug.late": 3 },
    "debug.text": expect.stringContaining("ä"),
  });
});

test("flows join events in the order of their times, counters have their values", async () => {
  const flow = 2 ** 48 + 5;
  const trace = await read((writer) => {
    writer.track({ uuid: 3, name: "depth", parent: 1, isCounter: true });
    for (const [index, value] of [0, 3, 2 ** 40].entries()) {
      writer.counter({ ns: start + index, track: 3, value });
      writer.begin({ ns: start + index * 10, track: 2, name: `event ${index}`, flows: [flow, flow + 1] });
      writer.end({ ns: start + index * 10 + 1, track: 2 });
    }
  });
  const arrows = `SELECT DISTINCT a.name AS "from", b.name AS "to" FROM flow
    JOIN slice a ON a.id = slice_out JOIN slice b ON b.id = slice_in ORDER BY 1`;
  expect(trace.query(arrows)).toEqual([
    { from: "event 0", to: "event 1" },
    { from: "event 1", to: "event 2" },
  ]);
  const values =
    "SELECT value FROM counter JOIN counter_track ON counter_track.id = track_id WHERE name = 'depth'";
  expect(trace.query(values).map(({ value }) => value)).toEqual([0, 3, 2 ** 40]);
});

test("a name is written once, and one of too many each time", () => {
  const writer = new TraceWriter(1, start, 1.8e12);
  /** How often a name is in what two events with it have added. */
  const written = (name: string): number => {
    writer.take();
    for (let index = 0; index < 2; index++) writer.instant({ ns: start + index, track: 2, name });
    return Buffer.from(writer.take()).toString("latin1").split(name).length - 1;
  };
  expect(written("known")).toBe(1);
  expect(written("known")).toBe(0);
  for (let index = 0; index < 3000; index++) writer.instant({ ns: start, track: 2, name: `name ${index}` });
  expect(written("one too many")).toBe(2);
  expect(written("known")).toBe(0);
});

test("writers of one file do not take each other's names", async () => {
  const parts = [1, 2].map((sequence) => {
    const writer = new TraceWriter(sequence, start, 1.8e12);
    writer.track({ uuid: sequence * 10, name: `process ${sequence}`, process: { pid: sequence } });
    writer.instant({ ns: start + sequence, track: sequence * 10, name: `of writer ${sequence}` });
    return writer.take();
  });
  const trace = await TraceProcessor.read(Buffer.concat(parts));
  expectSound(trace);
  expect(trace.query("SELECT name FROM slice ORDER BY ts")).toEqual([
    { name: "of writer 1" },
    { name: "of writer 2" },
  ]);
});
