// Asking others: tokens, answers, loss, time-outs, and asking again.

import { beforeEach, expect, test } from "bun:test";
import { answerNames, type AskOptions, Asks } from "../../../src/actors/runtime/asks.ts";
import { createEventfd } from "../../../src/transport/os/fds.ts";
import { isOpen } from "../../support/fds.ts";
import { schemas, typesOf } from "../../support/schemas.ts";

interface Sent {
  to: string;
  message: Record<string, unknown>;
}

let sent: Sent[];
let lastToken: Int32Array;
let deadlines: (() => void)[];
let asks: Asks;
let settled: unknown[];

function newAsks(): Asks {
  return new Asks({
    send: (to, message) => sent.push({ to, message }),
    after: (_, run) => {
      deadlines.push(run);
      return () => deadlines.splice(deadlines.indexOf(run), 1);
    },
    lastToken,
  });
}

beforeEach(() => {
  sent = [];
  deadlines = [];
  settled = [];
  lastToken = new Int32Array(1);
  asks = newAsks();
});

const settle = (answer: unknown): void => void settled.push(answer);
const edid = (token: number) => ({ type: "edid", token, edid: new Uint8Array(1) });
const askEdid = (options: AskOptions = {}): number =>
  asks.ask("display", { type: "ask-edid", scanout: 1 }, settle, options);

test("a question is sent with a token, and its answer settles it once", () => {
  const token = askEdid();
  expect(sent).toEqual([{ to: "display", message: { type: "ask-edid", scanout: 1, token } }]);
  expect(asks.takes(edid(token))).toBe(true);
  expect(asks.takes(edid(token))).toBe(true);
  expect(settled).toEqual([edid(token)]);
});

test("what answers nothing is left to the actor, though it has a token", () => {
  askEdid();
  expect(asks.takes({ type: "ask-edid", token: 1 })).toBe(false);
  expect(asks.takes({ type: "flush" })).toBe(false);
  expect(settled).toEqual([]);
});

test("the descriptor of an answer that nobody waits for is closed", () => {
  const token = asks.ask("ctrl-queue", { type: "ask-fence", fenceHigh: 0, fenceLow: 1 }, settle);
  asks.drop(token);
  const fd = createEventfd();
  expect(asks.takes({ type: "fence", token, fd } as never)).toBe(true);
  expect(isOpen(fd)).toBe(false);
  expect(settled).toEqual([]);
});

test("a successor's tokens go on where its predecessor's ended, and are never zero", () => {
  const old = askEdid();
  asks = newAsks();
  const token = askEdid();
  expect(token).toBe(old + 1);
  expect(asks.takes(edid(old))).toBe(true);
  expect(settled).toEqual([]);
  lastToken[0] = 0x7fff_fffe;
  expect([askEdid(), askEdid()]).toEqual([0x7fff_ffff, 1]);
});

test("what is not answered in time is settled with null, and its answer comes too late", () => {
  const token = askEdid({ timeoutMs: 5 });
  deadlines[0]!();
  expect(settled).toEqual([null]);
  asks.takes(edid(token));
  expect(settled).toEqual([null]);
});

test("an answer in time takes the deadline away", () => {
  asks.takes(edid(askEdid({ timeoutMs: 5 })));
  expect(deadlines).toEqual([]);
});

test("a successor is asked again what is to be asked again, with the same token, and the rest is settled", () => {
  const again = askEdid({ again: true });
  askEdid();
  asks.lose("display", true);
  sent.length = 0;
  expect(settled).toEqual([]);
  asks.find("display");
  asks.recover("display");
  expect(sent).toEqual([{ to: "display", message: { type: "ask-edid", scanout: 1, token: again } }]);
  expect(settled).toEqual([null]);
});

test("what is asked while nobody is there waits for the successor, and keeps no descriptor", () => {
  asks.lose("cursor-queue", true);
  const fd = createEventfd();
  asks.ask("cursor-queue", { type: "log-pages", fd, offset: 0, size: 0 }, settle);
  expect(sent).toEqual([]);
  expect(isOpen(fd)).toBe(false);
  asks.find("cursor-queue");
  asks.recover("cursor-queue");
  expect(settled).toEqual([null]);
});

test("what a new peer is asked before the old questions are recovered is not asked twice", () => {
  askEdid({ again: true });
  asks.lose("display", true);
  asks.find("display");
  askEdid({ again: true });
  asks.recover("display");
  expect(sent.map(({ message }) => message.token)).toEqual([1, 2, 1]);
});

test("one that is gone for ever is asked nothing, and settles what it was asked", () => {
  askEdid({ again: true });
  asks.ask("ctrl-queue", { type: "ask-description" }, settle);
  asks.lose("display", false);
  expect(settled).toEqual([null]);
  sent.length = 0;
  expect(askEdid()).toBe(0);
  expect(settled).toEqual([null, null]);
  expect(sent).toEqual([]);
});

test("an open question is known by whom it is for and what it asks", () => {
  const token = askEdid();
  expect(asks.isOpen("display", "ask-edid")).toBe(true);
  expect(asks.isOpen("ctrl-queue", "ask-edid")).toBe(false);
  expect(asks.isOpen("display", "ask-snapshot")).toBe(false);
  asks.drop(token);
  expect(asks.isOpen("display", "ask-edid")).toBe(false);
});

test("answers are those of the questions there are, and the two that say that something was done", () => {
  const types = Object.values(schemas).flatMap((schema) => typesOf(schema));
  const questions = types.filter((type) => type.startsWith("ask-"));
  const expected = [...questions.map((type) => type.slice("ask-".length)), "done", "ring-stopped"];
  expect([...answerNames].sort()).toEqual([...new Set(expected)].sort());
  for (const name of answerNames) expect(types).toContain(name);
});
