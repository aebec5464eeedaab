// Commands of the history: which of them a filter and a limit find, in which order.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { ContextNames } from "../../../src/actors/inspector/context-names.ts";
import { recordFilter } from "../../../src/actors/inspector/filter.ts";
import { History } from "../../../src/actors/inspector/history.ts";
import { PastCommands } from "../../../src/actors/inspector/past-commands.ts";
import type { TapReader } from "../../../src/actors/inspector/tap-reader.ts";
import { Field, RecordKind, recordWords } from "../../../src/actors/runtime/tap/layout.ts";
import { Command, HeaderFlag, Response } from "../../../src/transport/wire/virtio-gpu/protocol.ts";

const readers = ["supervisor", "ctrl-queue", "cursor-queue"].map((actor) => ({ actor }));
const [ctrl, cursor] = [1, 2];

let history: History;
let past: PastCommands;
beforeEach(() => {
  history = new History(4 * 2 ** 20, 1000);
  past = new PastCommands(history, readers as unknown as TapReader[], new ContextNames(history));
});
afterEach(() => history.close());

function add(slot: number, kind: number, command: number, ...words: number[]): void {
  const made = new Uint32Array(recordWords);
  made[0] = kind;
  made[Field.command] = command;
  made.set(words, Field.first);
  history.add(made, 0, slot);
}

const take = (slot: number, number: number, type: number, flags = 0): void =>
  add(slot, RecordKind.taken, number, 24, 24, 0, 0, type, flags);
function end(slot: number, number: number, response: number = Response.OK_NODATA): void {
  add(slot, RecordKind.completed, number, response, 24);
  add(slot, RecordKind.published, 0, 1, 0);
}
const find = (filter: string, max: number): string[] =>
  past.last(recordFilter(filter), max).map(({ id }) => id);

test("the last that a filter holds for are found in the order in which they ended, those that go on behind them", () => {
  take(ctrl, 1, Command.SUBMIT_3D, HeaderFlag.FENCE);
  take(ctrl, 2, Command.SUBMIT_3D, HeaderFlag.FENCE);
  add(ctrl, RecordKind.parked, 2);
  for (let number = 3; number < 3000; number++) {
    take(ctrl, number, Command.RESOURCE_FLUSH);
    take(cursor, number, Command.MOVE_CURSOR);
    end(ctrl, number, number === 1000 ? Response.ERR_UNSPEC : Response.OK_NODATA);
    end(cursor, number);
  }
  end(ctrl, 1);
  expect(find("fenced", 10)).toEqual(["ctrl-queue:1", "ctrl-queue:2"]);
  expect(find("", 3)).toEqual(["cursor-queue:2999", "ctrl-queue:1", "ctrl-queue:2"]);
  expect(find("type:flush", 2)).toEqual(["ctrl-queue:2998", "ctrl-queue:2999"]);
  expect(find("queue:cursor type:move", 1)).toEqual(["cursor-queue:2999"]);
  expect(find("id:ctrl-queue:1700", 5)).toEqual(["ctrl-queue:1700"]);
  // What is found only by what a command was answered is not cut off before.
  expect(find("errors type:flush", 1)).toEqual(["ctrl-queue:1000"]);
  expect(past.unanswered().map(({ id, parkedNs }) => [id, parkedNs])).toEqual([["ctrl-queue:2", 0]]);
});

test("what a process had under way when it died is found among what has ended, as lost, and waits for nothing", () => {
  take(ctrl, 1, Command.SUBMIT_3D, HeaderFlag.FENCE);
  add(ctrl, RecordKind.parked, 1);
  take(ctrl, 2, Command.RESOURCE_FLUSH);
  add(ctrl, RecordKind.completed, 2, Response.OK_NODATA, 24);
  take(cursor, 1, Command.MOVE_CURSOR);
  take(ctrl, 3, Command.TRANSFER_TO_HOST_3D);
  history.addDeath(ctrl, 7e9);
  take(ctrl, 4, Command.RESOURCE_FLUSH);
  end(ctrl, 4);
  const lost = (max: number): unknown[] =>
    past.last(recordFilter(""), max).map(({ id, lostNs }) => [id, lostNs]);
  const all = [
    ["ctrl-queue:2", 7e9],
    ["ctrl-queue:1", 7e9],
    ["ctrl-queue:3", 7e9],
    ["ctrl-queue:4", 0],
    ["cursor-queue:1", 0],
  ];
  expect(lost(9)).toEqual(all);
  expect(lost(3)).toEqual(all.slice(-3));
  expect(past.unanswered().map(({ id }) => id)).toEqual(["cursor-queue:1"]);
});

test("a context keeps its name when the making of another one of its id is refused", () => {
  const create = (number: number, name: string, response: number = Response.OK_NODATA): void => {
    const text = new Uint32Array(8);
    new Uint8Array(text.buffer).set(Buffer.from(name));
    const request = [Command.CTX_CREATE, 0, 0, 0, 3, 0, name.length, 0, ...text];
    add(ctrl, RecordKind.taken, number, 96, 24, 0, 0, ...request);
    end(ctrl, number, response);
  };
  const draw = (number: number): void => {
    add(ctrl, RecordKind.taken, number, 24, 24, 0, 0, Command.SUBMIT_3D, 0, 0, 0, 3);
    end(ctrl, number);
  };
  create(1, "kmscube");
  create(2, "glxgears", Response.ERR_INVALID_CONTEXT_ID);
  draw(3);
  create(4, "weston");
  draw(5);
  expect(past.last(recordFilter("ctx:3"), 9).map(({ contextName }) => contextName)).toEqual([
    ...["kmscube", "glxgears", "kmscube", "weston", "weston"],
  ]);
  // Whether or not that command itself is wanted.
  expect(past.last(recordFilter("type:submit"), 9).map(({ contextName }) => contextName)).toEqual([
    ...["kmscube", "weston"],
  ]);
});

test("what is too short to have flags is not fenced by what lay there before", () => {
  add(ctrl, RecordKind.taken, 1, 4, 24, 0, 0, Command.SUBMIT_3D, HeaderFlag.FENCE);
  end(ctrl, 1, Response.ERR_UNSPEC);
  expect(find("fenced", 1)).toEqual([]);
  expect(find("type:submit", 1)).toEqual(["ctrl-queue:1"]);
});
