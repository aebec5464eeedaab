// The fence poller without its worker: when it has the ctrl queue look for fences that have retired, or are too old.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { FencePoller } from "../../../src/actors/fence-poller/fence-poller.ts";
import type { FencePollerMessage } from "../../../src/actors/fence-poller/messages.ts";
import { closeFd, createEventfd, duplicateFd, signalEventfd } from "../../../src/transport/os/fds.ts";
import { FakeContext, serverConfig } from "../../support/fake-context.ts";
import { isOpen } from "../../support/fds.ts";

let context: FakeContext;
let poller: FencePoller;
let retired: number;

function begin(...flags: string[]): void {
  context = new FakeContext("fence-poller", serverConfig(...flags));
  poller = new FencePoller(context);
}

beforeEach(() => {
  begin();
  retired = createEventfd();
});
afterEach(() => {
  poller.stop();
  context.close();
  closeFd(retired);
});

const tell = (message: FencePollerMessage): void => context.deliver(poller, message);
const expectFences = (fences: number): void => tell({ type: "expect-fences", fences });

/** Gives it a descriptor of the renderer's; returns the number that is its own now. */
function watch(): number {
  const fd = duplicateFd(retired);
  tell({ type: "watch", fd });
  return fd;
}

/** What it has told the ctrl queue after what is ready now. */
function told(): string[] {
  while (context.epoll.wait(0) > 0);
  context.timers.runDue();
  return context.take("ctrl-queue").map(({ type }) => type);
}

/** Waits for its next deadline. */
async function due(): Promise<string[]> {
  while (context.timers.timeout() > 0) await Bun.sleep(context.timers.timeout());
  return told();
}

test("each time that the renderer's descriptor becomes readable, the ctrl queue is woken once", () => {
  watch();
  expectFences(1);
  expect(told()).toEqual([]);
  for (let time = 0; time < 2; time++) {
    signalEventfd(retired);
    expect(told()).toEqual(["fences-signalled"]);
    expect(told()).toEqual([]);
  }
});

test("another descriptor takes the first one's place, which is closed, and so is the last one", () => {
  const first = watch();
  const second = watch();
  expect([first, second].map(isOpen)).toEqual([false, true]);
  signalEventfd(retired);
  expect(told()).toEqual(["fences-signalled"]);
  poller.stop();
  expect(isOpen(second)).toBe(false);
});

test("without a descriptor the ctrl queue is woken again and again while fences are out, and not after", async () => {
  expect(await due()).toEqual([]);
  expectFences(2);
  for (let time = 0; time < 3; time++) expect(await due()).toEqual(["fences-signalled"]);
  expectFences(0);
  // What was under way is the last.
  expect(await due()).toEqual(["fences-signalled"]);
  await Bun.sleep(5);
  expect(told()).toEqual([]);
});

test("fences that have been out for long are looked for, and a ctrl queue that does not look is told of once", async () => {
  context.close();
  begin("--fence-alarm-ms", "20");
  watch();
  expectFences(1);
  expect(await due()).toEqual(["check-fences"]);
  expectFences(1);
  expect(await due()).toEqual(["check-fences"]);
  expect(context.logged).toEqual([]);
  for (let time = 0; time < 3; time++) await due();
  expect(context.logged).toEqual([{ level: "warning", text: "the ctrl queue is stuck: it does not answer" }]);
});
