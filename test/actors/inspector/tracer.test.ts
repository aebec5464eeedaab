// A trace of records of which some are missing, of a device that is reset, and of guests that want it to grow.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { PbfReader } from "pbf";
import { TraceProcessor } from "../../../lab/perfetto/trace-processor.ts";
import { History } from "../../../src/actors/inspector/history.ts";
import type { TapReader } from "../../../src/actors/inspector/tap-reader.ts";
import { Tracer } from "../../../src/actors/inspector/trace/tracer.ts";
import { Field, RecordKind, recordWords } from "../../../src/actors/runtime/tap/layout.ts";
import { Command, Header, Response } from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { TracePacket } from "../../../src/transport/wire/perfetto/protocol.ts";
import { expectSound } from "../../support/trace.ts";

const start = 10e9;
const slot = 1;
const messageNames = ["reset"];
const reader = {
  ...{ actor: "ctrl-queue", slot, thread: 7, dropped: 0, untoldInAll: 0 },
  ...{ sentTo: () => 0, takenFrom: () => 0, machine: () => null },
  names: { nameOf: (number: number) => messageNames[number] ?? "" },
} as unknown as TapReader;
const supervisor = { ...reader, actor: "supervisor", slot: 0, names: reader.names } as unknown as TapReader;

let history: History;
let tracer: Tracer;
let bytes: Uint8Array[];
beforeEach(() => {
  history = new History(2 ** 20, 1000);
  tracer = new Tracer(history, [supervisor, reader], 1, start);
  bytes = [];
});
afterEach(() => history.close());

/** The ctrl queue writes a record. */
function add(kind: number, command: number, ns: number, ...words: number[]): void {
  const made = new Uint32Array(recordWords);
  made[0] = kind;
  made[Field.command] = command;
  new Float64Array(made.buffer)[Field.time / 2] = start + ns;
  made.set(words, Field.first);
  tracer.add(history.add(made, 0, slot), null);
}

const take = (command: number, ns: number, type: number = Command.RESOURCE_UNREF): void =>
  add(RecordKind.taken, command, ns, Header.bytes, 24, 0, 0, type);
const complete = (command: number, ns: number): void =>
  add(RecordKind.completed, command, ns, Response.OK_NODATA, 24);
const publish = (ns: number): void => add(RecordKind.published, 0, ns, 1, 1);

async function opened(ns: number): Promise<TraceProcessor> {
  bytes.push(tracer.turn(start + ns));
  const trace = await TraceProcessor.read(Buffer.concat(bytes));
  expectSound(trace);
  return trace;
}

const commands = `SELECT name, dur, EXTRACT_ARG(arg_set_id, 'debug.lost') AS lost FROM slice
  WHERE parent_id IS NULL AND name GLOB 'RESOURCE*' ORDER BY ts`;

test("what was under way when records were lost ends there and says so, and what comes of it later is no one else's", async () => {
  take(1, 10);
  complete(1, 20);
  take(2, 30);
  tracer.lose(slot, 40);
  complete(2, 50);
  take(3, 60);
  complete(3, 70);
  publish(80);
  const trace = await opened(100);
  const lost = "records were dropped";
  expect(trace.query(commands)).toEqual([
    { name: "RESOURCE_UNREF", dur: 20, lost },
    { name: "RESOURCE_UNREF", dur: 0, lost },
    { name: "RESOURCE_UNREF", dur: 20, lost: null },
  ]);
  const mark = `SELECT ts, EXTRACT_ARG(arg_set_id, 'debug.records') AS records FROM slice WHERE name = 'records dropped'`;
  expect(trace.query(mark)).toEqual([{ ts: start + 30, records: 40 }]);
});

test("a device that is reset has neither commands nor fences under way", async () => {
  take(1, 10, Command.SUBMIT_3D);
  add(RecordKind.fenceMade, 1, 20, 5, 3, 0, 1);
  add(RecordKind.parked, 1, 30);
  add(RecordKind.received, 0, 40, 0, 1, 0, 0);
  const trace = await opened(100);
  const all = `SELECT name, dur, EXTRACT_ARG(arg_set_id, 'debug.lost') AS lost FROM slice
    WHERE parent_id IS NULL AND dur != 0 ORDER BY ts`;
  expect(trace.query(all)).toEqual([
    { name: "SUBMIT_3D", dur: 30, lost: "the device was reset" },
    { name: "fence", dur: 20, lost: "the device was reset" },
  ]);
});

test("commands in flight at once have slots of their own, which the next ones take again", async () => {
  for (const command of [1, 2, 3]) take(command, command * 10);
  for (const command of [1, 2, 3]) complete(command, 40);
  publish(50);
  for (const command of [4, 5]) take(command, command * 15);
  for (const command of [4, 5]) complete(command, 90);
  publish(95);
  const trace = await opened(100);
  const slots = `SELECT track.name, COUNT(*) AS count FROM slice JOIN track ON track.id = track_id
    WHERE slice.parent_id IS NULL GROUP BY 1 ORDER BY 1`;
  expect(trace.query(slots)).toEqual([
    { name: "slot 0", count: 2 },
    { name: "slot 1", count: 2 },
    { name: "slot 2", count: 1 },
  ]);
});

test("a number that is given twice ends what had it first", async () => {
  take(1, 10);
  take(1, 20);
  complete(1, 30);
  publish(40);
  expect((await opened(100)).query(commands)).toEqual([
    { name: "RESOURCE_UNREF", dur: 10, lost: "another one has its number" },
    { name: "RESOURCE_UNREF", dur: 20, lost: null },
  ]);
});

test("what an actor had under way ends where it died", async () => {
  take(1, 10);
  tracer.die(slot, start + 40);
  take(2, 60);
  complete(2, 70);
  publish(80);
  expect((await opened(100)).query(commands)).toEqual([
    { name: "RESOURCE_UNREF", dur: 30, lost: "its process died" },
    { name: "RESOURCE_UNREF", dur: 20, lost: null },
  ]);
});

/** How many packets of a trace say what a track is. */
function describedTracks(trace: Uint8Array): number {
  let count = 0;
  new PbfReader(trace).readFields((_tag, _result, pbf) => {
    const packet = new PbfReader(pbf.readBytes());
    packet.readFields((field) => void (count += field === TracePacket.trackDescriptor ? 1 : 0), null);
  }, null);
  return count;
}

test("a guest that never lets commands end, and names contexts without end, makes only so many tracks", () => {
  for (let number = 1; number <= 3000; number++) {
    take(number, number, 0x0700 + number);
    add(RecordKind.fenceMade, number, number, number, number, 0, 1);
    add(RecordKind.fenceRetired, 0, number, number, number, 0, 1);
  }
  expect(describedTracks(tracer.turn(start + 4000))).toBeWithin(2000, 2100);
});
