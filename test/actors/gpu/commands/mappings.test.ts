// Host blobs whose memory no guest could map, and what the session is asked of all others.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { createContext } from "../../../../lab/driver/commands-3d.ts";
import { createBlob, mapBlob, unmapBlob } from "../../../../lab/driver/commands-blob.ts";
import { CtrlCounter } from "../../../../src/actors/gpu/counters.ts";
import { CtrlQueue } from "../../../../src/actors/gpu/ctrl-queue.ts";
import type { ExportedBlob } from "../../../../src/actors/gpu/renderer/blob.ts";
import { closeFd, createMemfd, duplicateFd } from "../../../../src/transport/os/fds.ts";
import { BlobFlag, BlobMem, Feature, Response } from "../../../../src/transport/wire/virtio-gpu/protocol.ts";
import { FakeContext } from "../../../support/fake-context.ts";
import { openFds } from "../../../support/fds.ts";
import { QueueBench } from "../../../support/queue-bench.ts";
import { ScriptedRenderer } from "../../../support/scripted-renderer.ts";

const page = 4096;
const features = (1 << Feature.VIRGL) | (1 << Feature.RESOURCE_BLOB);
const shape = { resourceId: 7, mem: BlobMem.HOST3D, flags: BlobFlag.MAPPABLE, size: 3 * page };

let context: FakeContext;
let bench: QueueBench;
let renderer: ScriptedRenderer;
let fds: number;

beforeEach(() => {
  context = new FakeContext("ctrl-queue");
  const queue = new CtrlQueue(context, (_config, _log, arena) => (renderer = new ScriptedRenderer(arena)));
  bench = new QueueBench(context, queue);
  bench.tell(bench.ringStart({ features, base: bench.stopRing(), sharedMemoryBytes: 64 * page }));
  bench.command(createContext(1));
  expect(bench.command(createBlob(shape, [], { contextId: 1 })).type).toBe(Response.OK_NODATA);
  fds = openFds();
  context.take("vhost-session");
});
afterEach(() => bench.close());

/** The renderer shares this memory, in this form, instead of its own. */
function share(bytes: number, change: Partial<ExportedBlob> = {}): void {
  const fd = createMemfd("shared", bytes);
  renderer.exportBlob = () => ({ fd, kind: "memory", offset: 0, mapInfo: 1, ...change });
}

const asked = () => context.take("vhost-session").filter(({ type }) => type.startsWith("ask-"));

test("memory in a driver's own form is not mapped, of which there is one line", () => {
  for (let round = 0; round < 3; round++) {
    share(4 * page, { kind: "opaque" });
    expect(bench.command(mapBlob(7, 0)).type).toBe(Response.ERR_UNSPEC);
  }
  expect(asked()).toEqual([]);
  const warnings = context.logged.filter(({ level }) => level === "warning");
  expect(warnings.map(({ text }) => text)).toEqual([expect.stringMatching(/^the renderer's driver gives/)]);
  expect(openFds()).toBe(fds);
});

test("memory that ends before the blob does is not mapped: its guest would be killed there", () => {
  share(2 * page);
  expect(bench.command(mapBlob(7, 0)).type).toBe(Response.ERR_UNSPEC);
  share(3 * page, { offset: page });
  expect(bench.command(mapBlob(7, 0)).type).toBe(Response.ERR_UNSPEC);
  expect(asked()).toEqual([]);
  expect(openFds()).toBe(fds);
});

test("memory that cannot be shared is not mapped", () => {
  renderer.exportBlob = () => null;
  expect(bench.command(mapBlob(7, 0)).type).toBe(Response.ERR_UNSPEC);
  expect(asked()).toEqual([]);
});

test("memory that begins behind something of the driver's is mapped from there on", () => {
  share(4 * page, { offset: page });
  const head = bench.offer(mapBlob(7, 2 * page));
  bench.run();
  bench.collect();
  expect(bench.takeAnswer(head)).toBeNull();
  const [question] = asked();
  expect(question).toMatchObject({ type: "ask-mapping", fdOffset: page, offset: 2 * page, bytes: 3 * page });
  if (question?.type !== "ask-mapping") throw new Error("another question");
  closeFd(question.fd);
  expect([CtrlCounter.mappings, CtrlCounter.mappedBytes].map((at) => context.counters[at])).toEqual([
    1,
    3 * page,
  ]);
  bench.tell({ type: "mapping", token: question.token, outcome: "failed" });
  bench.collect();
  expect(bench.takeAnswer(head)).toMatchObject({ type: Response.ERR_UNSPEC });
  expect(bench.command(unmapBlob(7)).type).toBe(Response.ERR_UNSPEC);
  expect(context.counters[CtrlCounter.mappings]).toBe(0);
});

test("a dma-buf is mapped as plain memory is", () => {
  const fd = createMemfd("shared", 3 * page);
  renderer.exportBlob = () => ({ fd: duplicateFd(fd), kind: "dmabuf", offset: 0, mapInfo: 3 });
  bench.offer(mapBlob(7, 0));
  bench.run();
  const [question] = asked();
  expect(question).toMatchObject({ type: "ask-mapping", bytes: 3 * page });
  closeFd((question as { fd: number }).fd);
  closeFd(fd);
});
