// The fence poller without its worker: when it has the ctrl queue ask for fences, or look for those that are too old.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { FencePoller } from "../../../src/actors/fence-poller/fence-poller.ts";
import { FakeContext, serverConfig } from "../../support/fake-context.ts";

let context: FakeContext;
let poller: FencePoller;

function begin(...flags: string[]): void {
  context = new FakeContext("fence-poller", serverConfig(...flags));
  poller = new FencePoller(context);
}

beforeEach(() => begin());
afterEach(() => context.close());

/** `ticks`: the renderer has no descriptor. */
const expectFences = (fences: number, ticks: boolean): void =>
  context.deliver(poller, { type: "expect-fences", fences, ticks });

/** What it has told the ctrl queue after what is due now. */
function told(): string[] {
  context.timers.runDue();
  return context.take("ctrl-queue").map(({ type }) => type);
}

/** Waits for its next deadline. */
async function due(): Promise<string[]> {
  while (context.timers.timeout() > 0) await Bun.sleep(context.timers.timeout());
  return told();
}

test("without a descriptor the ctrl queue is woken again and again while fences are out, and not after", async () => {
  expect(await due()).toEqual([]);
  expectFences(2, true);
  for (let time = 0; time < 3; time++) expect(await due()).toEqual(["poll-renderer"]);
  expectFences(0, true);
  // What was under way is the last.
  expect(await due()).toEqual(["poll-renderer"]);
  await Bun.sleep(5);
  expect(told()).toEqual([]);
});

test("with a descriptor, on which the ctrl queue sleeps, it is left alone", async () => {
  expectFences(2, false);
  await Bun.sleep(5);
  expect(told()).toEqual([]);
});

test("fences that have been out for long are looked for, and a ctrl queue that does not look is told of once", async () => {
  context.close();
  begin("--fence-alarm-ms", "20");
  expectFences(1, false);
  expect(await due()).toEqual(["check-fences"]);
  expectFences(1, false);
  expect(await due()).toEqual(["check-fences"]);
  expect(context.logged).toEqual([]);
  for (let time = 0; time < 3; time++) await due();
  expect(context.logged).toEqual([{ level: "warning", text: "the ctrl queue is stuck: it does not answer" }]);
});
