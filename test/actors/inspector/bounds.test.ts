// What the inspector keeps, and sends, has an end: by memory, by time, by how fast a page is.

import { describe, expect, test } from "bun:test";
import { Unpackr } from "msgpackr";
import type { Batch, CommandRecord } from "../../../src/actors/inspector/feed.ts";
import { History } from "../../../src/actors/inspector/history.ts";
import { Latencies } from "../../../src/actors/inspector/latencies.ts";
import { type Fresh, Subscriber } from "../../../src/actors/inspector/subscriber.ts";
import type { TapReader } from "../../../src/actors/inspector/tap-reader.ts";
import { Field, RecordKind, recordWords } from "../../../src/actors/runtime/tap/layout.ts";
import { Command, Response } from "../../../src/transport/wire/virtio-gpu/protocol.ts";

const mib = 2 ** 20;
const nothing = (): void => undefined;

/** A record of its own memory. */
function record(kind: number, command: number, ns: number, ...words: number[]): Uint32Array {
  const made = new Uint32Array(recordWords);
  made[0] = kind;
  made[Field.command] = command;
  new Float64Array(made.buffer)[Field.time / 2] = ns;
  made.set(words, Field.first);
  return made;
}

const times = (history: History): number[] => Array.from(history.all(), (at) => history.timeAt(at));

describe("the history", () => {
  test("forgets the oldest where its memory ends", () => {
    const history = new History(mib, 1000);
    for (let ns = 0; ns < 10_000; ns++) history.add(record(RecordKind.kicked, 0, ns), 0, 3);
    expect(history.count).toBe(mib / 128);
    expect(times(history).slice(0, 2)).toEqual([10_000 - mib / 128, 10_001 - mib / 128]);
    expect(times(history).at(-1)).toBe(9_999);
    history.close();
  });

  test("forgets what is older than its time", () => {
    const history = new History(mib, 10);
    for (let second = 0; second < 20; second++) history.add(record(RecordKind.kicked, 0, second * 1e9), 0, 3);
    history.forget(20e9);
    expect(times(history)).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19].map((second) => second * 1e9));
    history.close();
  });
});

describe("latencies", () => {
  const untoldOf = (): number => 0;
  const readers = ["supervisor", "ctrl-queue"].map((actor) => ({
    actor,
    untoldOf,
  })) as unknown as TapReader[];

  function run(commands: readonly { type: number; ns: number; response?: number }[]) {
    const history = new History(mib, 1000);
    const latencies = new Latencies(history, readers);
    for (const [index, { type, ns, response = Response.OK_NODATA }] of commands.entries()) {
      const taken = record(RecordKind.taken, index + 1, 1e9, 48, 24, 0, 0, type);
      latencies.add(history.add(taken, 0, 1));
      latencies.add(history.add(record(RecordKind.completed, index + 1, 1e9 + ns, response, 24), 0, 1));
    }
    history.close();
    return latencies.tell();
  }

  test("have quantiles that are good to five percent, and count errors and bytes", () => {
    const commands = Array.from({ length: 1000 }, (_, index) => ({
      ...{ type: Command.RESOURCE_FLUSH, ns: (index + 1) * 1000 },
      response: index < 10 ? Response.ERR_UNSPEC : Response.OK_NODATA,
    }));
    const [flush] = run(commands);
    expect(flush).toMatchObject({ queue: "ctrl-queue", type: "RESOURCE_FLUSH", count: 1000, errors: 10 });
    expect(flush!.bytes).toBe(48_000);
    expect(flush!.maxNs).toBe(1_000_000);
    expect(flush!.p50Ns / 500_000).toBeWithin(0.99, 1.05);
    expect(flush!.p99Ns / 990_000).toBeWithin(0.99, 1.05);
  });

  test("are kept for so many types, however many a guest invents", () => {
    const told = run(Array.from({ length: 3000 }, (_, index) => ({ type: 0x5000 + index, ns: 5 })));
    expect(told.length).toBe(65);
    expect(told.find(({ type }) => type === "others")!.count).toBe(3000 - 64);
  });
});

describe("a page", () => {
  const unpackr = () => new Unpackr({ useRecords: true, sequential: true });
  const command = (id: string): CommandRecord => ({ id, response: "OK_NODATA" }) as CommandRecord;
  const fresh = (...ids: string[]): Fresh => ({
    ns: 1,
    droppedRecords: 0,
    commands: ids.map((id) => () => command(id)),
  });

  test("that is slow loses whole batches, knows how many, and can unpack those that come", () => {
    let buffered = 0;
    const sent: Uint8Array[] = [];
    const page = new Subscriber({
      send: (bytes) => sent.push(bytes.slice()),
      getBufferedAmount: () => buffered,
    });
    page.receive('{"type":"subscribe","topic":"commands"}', 0, nothing);
    expect(page.send(fresh("a"))).toBe(true);
    buffered = 3 * mib;
    expect(page.send(fresh("b"))).toBe(false);
    expect(page.send(fresh("c"))).toBe(false);
    buffered = 0;
    expect(page.send(fresh("d"))).toBe(true);
    const reader = unpackr();
    const batches = sent.map((bytes) => reader.unpack(bytes) as Batch);
    expect(
      batches.map(({ sequence, droppedBatches, commands }) => [sequence, droppedBatches, commands![0]!.id]),
    ).toEqual([
      [0, 0, "a"],
      [3, 2, "d"],
    ]);
  });

  test("is sent nothing that it has not subscribed to, or no longer wants", () => {
    const sent: Uint8Array[] = [];
    const page = new Subscriber({ send: (bytes) => sent.push(bytes), getBufferedAmount: () => 0 });
    page.send(fresh("a"));
    page.receive('{"type":"subscribe","topic":"latency"}', 0, nothing);
    page.send(fresh("b"));
    page.receive('{"type":"subscribe","topic":"commands","filter":"errors"}', 0, nothing);
    page.send(fresh("c"));
    page.receive('{"type":"unsubscribe","topic":"commands"}', 0, nothing);
    page.send(fresh("d"));
    expect(sent).toEqual([]);
  });

  test("that asks more than anybody can type has to go, and one that has rested may ask again", () => {
    const page = new Subscriber({ send: nothing, getBufferedAmount: () => 0 });
    const ask = (): boolean => page.receive('{"type":"unsubscribe","topic":"latency"}', 0, nothing);
    const asked = Array.from({ length: 1000 }, ask);
    expect(asked.indexOf(false)).toBe(256);
    expect(asked.lastIndexOf(true)).toBe(255);
    page.send(fresh());
    expect([ask(), ask(), ask(), ask(), ask()]).toEqual([true, true, true, true, false]);
  });

  test.each([
    ["x".repeat(5000), "the request is too long"],
    ["null", "want type subscribe, unsubscribe, break, clear, step, continue"],
    ['{"type":"step"}', "want a count from 1 to 1000000"],
    ['{"type":"step","count":1.5}', "want a count"],
    ['{"type":"break","filter":{}}', "want a filter as text"],
    ['{"type":"subscribe"}', "want a topic"],
    ['{"type":"subscribe","topic":"commands","filter":7}', "want a filter as text"],
    ['{"type":"subscribe","topic":"commands","filter":"foo"}', "foo: want"],
  ])("is told what is wrong with %.60p", (text, error) => {
    const sent: Uint8Array[] = [];
    const page = new Subscriber({ send: (bytes) => sent.push(bytes), getBufferedAmount: () => 0 });
    page.receive(text, 0, nothing);
    expect((unpackr().unpack(sent[0]!) as Batch).error).toStartWith(error);
  });
});
