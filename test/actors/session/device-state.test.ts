// The device's state, given and taken by a front-end, with a ctrl queue that says what the test has it say.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { readSync, writeSync } from "node:fs";
import { gpuDevice } from "../../../src/actors/gpu/device-type.ts";
import { closeFd, createPipe } from "../../../src/transport/os/fds.ts";
import { memfdWith } from "../../../src/transport/os/sent-bytes.ts";
import { RequestType as R } from "../../../src/transport/wire/vhost-user/protocol.ts";
import { u64 } from "../../../src/transport/wire/vhost-user/replies.ts";
import { openFds } from "../../support/fds.ts";
import { type Front, frame, SessionBench } from "../../support/session-bench.ts";

const bytesMax = 1000;
const device = { ...gpuDevice, state: { queue: "ctrl-queue", bytesMax } } as const;
const offer = { features: 0, config: new Uint8Array(16) };
const directions = { save: 0, load: 1 };
const begun = u64(0x100);
const refused = u64(0x101);
const [whole, failed] = [u64(0), u64(1)];

let bench: SessionBench;
let front: Front;
let before: number;
beforeEach(() => {
  before = openFds();
  bench = new SessionBench({ device, offer });
  // What it is asked the tests answer.
  bench.dying = "ctrl-queue";
  front = bench.connect();
  front.tell(R.SET_PROTOCOL_FEATURES, u64(1n << 19n));
});
afterEach(() => {
  bench.dying = null;
  bench.close();
  expect(openFds()).toBe(before);
});

/** Begins a transfer by a pipe, of which the front-end has given its end away. Returns the other end. */
function begin(way: keyof typeof directions): number {
  const [reader, writer] = createPipe(4096);
  const [given, kept] = way === "save" ? [writer, reader] : [reader, writer];
  const payload = new Uint8Array(Uint32Array.of(directions[way], 0).buffer);
  const { payload: answer } = front.ask(R.SET_DEVICE_STATE_FD, payload, [given]);
  closeFd(given);
  expect(answer).toEqual(begun);
  return kept;
}

/** What the ctrl queue is asked. */
function asked(): { type: string; token: number; fd: number; bytes: number } {
  expect(bench.told).toHaveLength(1);
  return bench.told[0] as never;
}

/** Its answer to that. */
function answer(message: object): void {
  const { token } = asked();
  bench.forget();
  bench.context.deliver(bench.actor, { token, ...message } as never);
  bench.serve();
}

const state = (fd: number, bytes: number, error = "") => ({
  ...{ type: "state", error, fd, bytes },
  ...{ resources: 0, contexts: [] },
});
const check = (): Uint8Array => front.ask(R.CHECK_DEVICE_STATE).payload;
const logged = (): string => bench.context.logged.at(-1)!.text;

test("what the ctrl queue gives is written to the pipe, to its end", () => {
  const reader = begin("save");
  expect(asked()).toMatchObject({ type: "ask-state", isWhole: true });
  // It is owed until then.
  front.send(frame(R.CHECK_DEVICE_STATE));
  expect(front.replies()).toEqual([]);
  answer(
    state(
      memfdWith("state", 8, (bytes) => new Uint8Array(bytes).fill(7)),
      8,
    ),
  );
  expect(front.replies().map(({ payload }) => payload)).toEqual([whole]);
  const read = new Uint8Array(9);
  expect(readSync(reader, read)).toBe(8);
  expect(read).toEqual(Uint8Array.of(7, 7, 7, 7, 7, 7, 7, 7, 0));
  expect(readSync(reader, read)).toBe(0);
  closeFd(reader);
});

test("what the ctrl queue does not give, or gives wrongly, is none, and the pipe ends", () => {
  const short = (): number => memfdWith("state", 8, () => undefined);
  for (const [message, why] of [
    [state(-1, 0, "the guest has too much"), "the guest has too much"],
    [state(short(), 5000), "makes no sense"],
    [state(short(), bytesMax + 1), "makes no sense"],
  ] as const) {
    const reader = begin("save");
    answer(message);
    expect(readSync(reader, new Uint8Array(1))).toBe(0);
    closeFd(reader);
    expect(check()).toEqual(failed);
    expect(logged()).toContain(why);
  }
  const reader = begin("save");
  bench.dying = null;
  bench.losePeer("ctrl-queue");
  bench.returnPeer("ctrl-queue");
  expect(readSync(reader, new Uint8Array(1))).toBe(0);
  closeFd(reader);
  expect(check()).toEqual(failed);
  expect(logged()).toContain("the ctrl-queue was lost meanwhile");
});

test("what comes is given to the ctrl queue when it has ended, and what that says is the answer", () => {
  for (const [error, outcome] of [
    ["", whole],
    ["it is damaged", failed],
  ] as const) {
    const writer = begin("load");
    writeSync(writer, new Uint8Array(600));
    bench.serve();
    expect(bench.told).toEqual([]);
    writeSync(writer, new Uint8Array(bytesMax - 600));
    closeFd(writer);
    bench.serve();
    expect(asked()).toMatchObject({ type: "ask-restore", bytes: bytesMax });
    answer({ type: "restore", error });
    expect(check()).toEqual(outcome);
  }
  expect(logged()).toBe("the device's state was not loaded: it is damaged");
});

test("what is longer than any state is read no further", () => {
  const writer = begin("load");
  writeSync(writer, new Uint8Array(bytesMax + 1));
  bench.serve();
  expect(() => writeSync(writer, new Uint8Array(1))).toThrow("EPIPE");
  closeFd(writer);
  expect(check()).toEqual(failed);
  expect(logged()).toBe("the device's state was not loaded: it is longer than 1000 bytes");
  expect(bench.told).toEqual([]);
});

test("what was loaded is the ctrl queue's alone: the session keeps nothing of it, and tells no successor", () => {
  const openBefore = openFds();
  const writer = begin("load");
  writeSync(writer, new Uint8Array(8));
  closeFd(writer);
  bench.serve();
  answer({ type: "restore", error: "" });
  expect(openFds()).toBe(openBefore);
  bench.dying = null;
  bench.forget();
  bench.losePeer("ctrl-queue");
  bench.returnPeer("ctrl-queue");
  expect(bench.forget().map(({ type }) => type)).not.toContain("ask-restore");
});

test("without a transfer there is nothing that went well, and with the feature not taken no transfer", () => {
  expect(check()).toEqual(failed);
  bench.dying = null;
  front.tell(R.SET_PROTOCOL_FEATURES, u64(0));
  front.send(frame(R.CHECK_DEVICE_STATE));
  expect(front.isClosed).toBe(true);
  expect(bench.context.logged.at(-1)!.text).toContain("DEVICE_STATE was not negotiated");
});

test("a front-end that goes in the middle of one leaves nothing behind", () => {
  const reader = begin("save");
  expect(front.ask(R.SET_DEVICE_STATE_FD, new Uint8Array(8), [reader]).payload).toEqual(refused);
  front.close();
  bench.dying = null;
  bench.serve();
  bench.forget();
  expect(readSync(reader, new Uint8Array(1))).toBe(0);
  closeFd(reader);
});
