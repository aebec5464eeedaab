// Rings of contexts that are not virgl's: sixty-four timelines each, of work that comes by shared memory and no command tells of
// (virtio 1.3 §5.7.6.7).

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { EINVAL } from "../../../src/ffi/libc.ts";
import { CtrlQueue } from "../../../src/actors/gpu/ctrl-queue.ts";
import type { CtrlQueueMessage } from "../../../src/actors/gpu/messages.ts";
import * as commands from "../../../lab/driver/commands.ts";
import * as commands3d from "../../../lab/driver/commands-3d.ts";
import {
  Feature,
  Header,
  HeaderFlag,
  Response,
  ringsMax,
} from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { FakeContext, serverConfig } from "../../support/fake-context.ts";
import { limitsAreTold, limitTest } from "../../support/limit-test.ts";
import { type Answer, QueueBench } from "../../support/queue-bench.ts";
import { ScriptedRenderer } from "../../support/scripted-renderer.ts";

/** Venus's, whose contexts take their work from a ring in shared memory. */
const venus = 4;
const { ERR_INVALID_CONTEXT_ID, ERR_INVALID_PARAMETER, ERR_OUT_OF_MEMORY, ERR_UNSPEC, OK_NODATA } = Response;
const ringFlags = HeaderFlag.FENCE | HeaderFlag.INFO_RING_IDX;

const fencesMax = 100;

let renderer: ScriptedRenderer;
let context: FakeContext;
let bench: QueueBench;
let ctrl: CtrlQueue;
beforeEach(() => {
  context = new FakeContext("ctrl-queue", serverConfig("--fences-max", String(fencesMax)));
  ctrl = new CtrlQueue(context, (_, __, arena) => (renderer = new ScriptedRenderer(arena)));
  renderer.capsets.push({ id: venus, maxVersion: 0, bytes: 160 });
  bench = new QueueBench(context, ctrl, { size: 256 });
  bench.tell(bench.ringStart({ features: (1 << Feature.VIRGL) | (1 << Feature.CONTEXT_INIT) }));
  renderer.isStuck = true;
  make(1, venus);
});
afterEach(() => bench.close());

const run = (request: DataView): number => bench.command(request).type;

function make(id: number, capset: number): void {
  expect(run(commands3d.createContext(id, "", capset))).toBe(OK_NODATA);
}

/** What marks the end of a ring's work: a stream of nothing. */
const mark = (contextId: number, ringIndex: number, fenceId = 1n): DataView =>
  commands3d.submit3d(contextId, new Uint8Array(0), { fenceId, ringIndex });

function offer(request: DataView): number {
  const head = bench.offer(request);
  bench.run();
  return head;
}

function answerOf(head: number): Answer | null {
  bench.run();
  bench.collect();
  return bench.takeAnswer(head);
}

/** The renderer has done what it was given; the ctrl queue hears of it. */
function finishAll(): void {
  renderer.isStuck = false;
  bench.tell({ type: "poll-renderer" } satisfies CtrlQueueMessage);
  renderer.isStuck = true;
}

describe("a ring", () => {
  test("of each number waits for its own fence alone", () => {
    const heads = Array.from({ length: ringsMax }, (_, ring) =>
      offer(mark(1, ring, BigInt(ring) + 2n ** 32n)),
    );
    expect(heads.filter((head) => answerOf(head) !== null)).toEqual([]);
    // In another order than they came.
    for (const ring of [63, 0, 31]) {
      renderer.finish(1, ring);
      bench.tell({ type: "poll-renderer" });
      expect(answerOf(heads[ring]!)).toMatchObject({
        ...{ type: OK_NODATA, length: Header.bytes, flags: ringFlags, contextId: 1 },
        fenceId: BigInt(ring) + 2n ** 32n,
      });
    }
    expect(answerOf(heads[62]!)).toBeNull();
    finishAll();
    expect(heads.filter((head) => answerOf(head) !== null)).toHaveLength(ringsMax - 3);
  });

  test("asks the renderer at each fence, though no command gave that anything since the last", () => {
    for (let round = 0; round < 3; round++) {
      const head = offer(mark(1, 1));
      expect(answerOf(head)).toBeNull();
      finishAll();
      expect(answerOf(head)?.type).toBe(OK_NODATA);
    }
    expect(renderer.submitted).toEqual([]);
  });

  test("from 64 on is none, and its command is not run", () => {
    for (const ring of [64, 65, 128, 255]) {
      const refused = bench.command(commands3d.destroyContext(1, { fenceId: 7n, ringIndex: ring }));
      expect(refused).toMatchObject({ type: ERR_INVALID_PARAMETER, flags: ringFlags, fenceId: 7n });
    }
    const head = offer(mark(1, 63));
    finishAll();
    expect(answerOf(head)?.type).toBe(OK_NODATA);
  });

  test("that the context has not is refused at once, each time, and costs nothing that stays", () => {
    const { fences } = (ctrl as unknown as CtrlQueueParts).device.model;
    for (let ring = 0; ring < ringsMax; ring++) {
      renderer.fail("createContextFence", EINVAL);
      expect(bench.command(mark(1, ring))).toMatchObject({ type: ERR_UNSPEC, flags: ringFlags });
    }
    expect(fences.ofContexts.size).toBe(0);
    expect(fences.pending).toBe(0);
  });

  limitsAreTold(() => context.logged.map(({ text }) => text).join("\n"));

  limitTest("fencesMax", "is refused what would be one fence too many, and does what has none", () => {
    make(2, venus);
    const heads = Array.from({ length: fencesMax }, (_, at) => offer(mark(1 + (at % 2), at % ringsMax)));
    expect(bench.command(mark(1, 0))).toMatchObject({ type: ERR_OUT_OF_MEMORY, flags: ringFlags });
    // It was not run.
    expect(run(commands.createResource2d(9, 1, 4, 4, { fenceId: 1n }))).toBe(ERR_OUT_OF_MEMORY);
    expect(run(commands.createResource2d(9, 1, 4, 4))).toBe(OK_NODATA);
    expect(run(commands3d.submit3d(2, new Uint8Array(0), { ringIndex: 5 }))).toBe(OK_NODATA);
    finishAll();
    expect(heads.filter((head) => answerOf(head)?.type === OK_NODATA)).toHaveLength(fencesMax);
    const head = offer(mark(2, 0));
    finishAll();
    expect(answerOf(head)?.type).toBe(OK_NODATA);
  });

  test("without a fence runs the command at once", () => {
    const request = commands3d.submit3d(1, new Uint8Array(0), { ringIndex: 5 });
    expect(bench.command(request)).toMatchObject({ type: OK_NODATA, flags: 0 });
  });

  test("of a context that there is not, or of the device's own, is refused and not run", () => {
    for (const contextId of [0, 2, 0xffff_ffff]) {
      const request = commands.createResource2d(9, 1, 4, 4, { fenceId: 1n, ringIndex: 1, contextId });
      expect(bench.command(request)).toMatchObject({ type: ERR_INVALID_CONTEXT_ID, flags: ringFlags });
    }
    expect(run(commands.createResource2d(9, 1, 4, 4))).toBe(OK_NODATA);
  });

  test("behind a refused command is waited for, and the answer is the refusal", () => {
    const head = offer(commands.unrefResource(99, { fenceId: 3n, ringIndex: 2, contextId: 1 }));
    expect(answerOf(head)).toBeNull();
    finishAll();
    expect(answerOf(head)).toMatchObject({ type: Response.ERR_INVALID_RESOURCE_ID, fenceId: 3n });
  });

  test("of another context, and virgl's beside it, wait for nobody else", () => {
    make(2, venus);
    make(3, 1);
    const heads = [1, 2, 3].map((id) => offer(mark(id, 0)));
    renderer.finish(2, 0);
    bench.tell({ type: "poll-renderer" });
    expect(heads.map((head) => answerOf(head) !== null)).toEqual([false, true, false]);
    finishAll();
    expect(heads.map((head) => answerOf(head) !== null)).toEqual([true, false, true]);
  });

  test("is answered when its context is destroyed, on all of its rings, and the id is free", () => {
    make(2, venus);
    const heads = Array.from({ length: ringsMax }, (_, ring) => offer(mark(1, ring)));
    const other = offer(mark(2, 7));
    expect(run(commands3d.destroyContext(1))).toBe(OK_NODATA);
    expect(heads.every((head) => answerOf(head)?.type === OK_NODATA)).toBe(true);
    expect(answerOf(other)).toBeNull();
    make(1, venus);
    const again = offer(mark(1, 63));
    expect(answerOf(again)).toBeNull();
    finishAll();
    expect([other, again].map((head) => answerOf(head)?.type)).toEqual([OK_NODATA, OK_NODATA]);
  });
});

describe("a context", () => {
  test("of a capset that there is not is refused, whatever lies in the bits above it", () => {
    for (const capset of [2, 3, 63, 64, 255, 0x103]) {
      expect(run(commands3d.createContext(5, "", capset))).toBe(ERR_INVALID_PARAMETER);
    }
    expect(run(commands3d.createContext(5, "", 0xffff_ff00 | venus))).toBe(OK_NODATA);
  });

  test("is virgl's without CONTEXT_INIT, and a ring means nothing", () => {
    finishAll();
    const base = bench.stopRing();
    bench.tell(bench.ringStart({ base, features: 1 << Feature.VIRGL }));
    make(6, 99);
    const head = offer(mark(6, 200));
    finishAll();
    expect(answerOf(head)).toMatchObject({ type: OK_NODATA, fenceId: 1n });
  });
});

interface CtrlQueueParts {
  device: { model: { fences: { ofContexts: Map<number, unknown>; pending: number } } };
}
