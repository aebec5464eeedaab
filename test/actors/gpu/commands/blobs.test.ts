// Blobs: which the device makes, and with which code it refuses the others (virtio 1.3 §5.7.6.8).

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as commands from "../../../../lab/driver/commands.ts";
import * as commands3d from "../../../../lab/driver/commands-3d.ts";
import { type Blob, createBlob } from "../../../../lab/driver/commands-blob.ts";
import type { GuestRange } from "../../../../lab/driver/guest-memory.ts";
import { CtrlCounter } from "../../../../src/actors/gpu/counters.ts";
import { CtrlQueue } from "../../../../src/actors/gpu/ctrl-queue.ts";
import { EINVAL, ENOMEM } from "../../../../src/ffi/libc.ts";
import {
  BlobFlag,
  BlobMem,
  Feature,
  Format,
  Response,
} from "../../../../src/transport/wire/virtio-gpu/protocol.ts";
import { FakeContext, serverConfig } from "../../../support/fake-context.ts";
import { QueueBench } from "../../../support/queue-bench.ts";
import { ScriptedRenderer } from "../../../support/scripted-renderer.ts";

const {
  OK_NODATA,
  ERR_UNSPEC,
  ERR_OUT_OF_MEMORY,
  ERR_INVALID_RESOURCE_ID,
  ERR_INVALID_CONTEXT_ID,
  ERR_INVALID_PARAMETER,
} = Response;
const page = 4096;
const budget = 64 * page;
const features = (1 << Feature.VIRGL) | (1 << Feature.RESOURCE_BLOB);

let context: FakeContext;
let bench: QueueBench;
let renderer: ScriptedRenderer;

beforeEach(() => {
  const limits = [
    "--storage-bytes-max",
    String(budget),
    "--resources-max",
    "8",
    "--backing-entries-max",
    "4",
  ];
  context = new FakeContext("ctrl-queue", serverConfig(...limits));
  const queue = new CtrlQueue(context, (_config, _log, arena) => (renderer = new ScriptedRenderer(arena)));
  bench = new QueueBench(context, queue);
  restart(features);
  expect(run(commands3d.createContext(1))).toBe(OK_NODATA);
});
afterEach(() => {
  bench.tell({ type: "reset", token: 1 });
  bench.run();
  expect(context.counters[CtrlCounter.storageBytes]).toBe(0);
  bench.close();
});

function restart(taken: number): void {
  const base = bench.stopRing();
  bench.tell(bench.ringStart({ features: taken, base }));
}
const run = (command: DataView): number => bench.command(command).type;
const pages = (count: number): GuestRange[] => [bench.guest.allocate(count * page)];
const used = (): number => {
  bench.run();
  return context.counters[CtrlCounter.storageBytes]!;
};
const guest = (change: Partial<Blob> = {}): Blob => ({
  ...{ resourceId: 7, mem: BlobMem.GUEST, flags: BlobFlag.SHAREABLE, size: 2 * page },
  ...change,
});
const host = (change: Partial<Blob> = {}): Blob =>
  guest({ mem: BlobMem.HOST3D, flags: BlobFlag.MAPPABLE, ...change });
const shared = (change: Partial<Blob> = {}): Blob => host({ mem: BlobMem.HOST3D_GUEST, ...change });
const inContext = { contextId: 1 };

describe("a blob of the guest's pages", () => {
  test("is made of them, and costs the host nothing", () => {
    expect(run(createBlob(guest(), pages(2)))).toBe(OK_NODATA);
    expect(used()).toBe(0);
    expect(renderer.has(7)).toBe(false);
    expect(run(commands.unrefResource(7))).toBe(OK_NODATA);
    expect(run(createBlob(guest(), pages(2)))).toBe(OK_NODATA);
  });

  test("may be smaller than its pages, and lie scattered in them", () => {
    const [range] = pages(3);
    const { address } = range!;
    const halves = [
      { address: address + page, length: 10 },
      { address: address + 100, length: page },
    ];
    expect(run(createBlob(guest({ size: page }), halves))).toBe(OK_NODATA);
  });

  test("is told the renderer once a context is to have it, with its pages", () => {
    expect(run(createBlob(guest(), pages(2)))).toBe(OK_NODATA);
    renderer.fail("createBlob", EINVAL);
    expect(run(commands3d.attachResource(1, 7))).toBe(ERR_INVALID_PARAMETER);
    renderer.fail("createBlob", ENOMEM);
    expect(run(commands3d.attachResource(1, 7))).toBe(ERR_OUT_OF_MEMORY);
    expect(renderer.hasBlob(7)).toBe(false);
    expect(run(commands3d.attachResource(1, 7))).toBe(OK_NODATA);
    expect(renderer.backingOf(7)?.length).toBe(2 * page);
    expect(run(commands.detachBacking(7))).toBe(OK_NODATA);
    expect(renderer.backingOf(7)).toBeNull();
    expect(run(commands.attachBacking(7, pages(3)))).toBe(OK_NODATA);
    expect(renderer.backingOf(7)?.length).toBe(3 * page);
    expect(run(commands.unrefResource(7))).toBe(OK_NODATA);
    expect(renderer.hasBlob(7)).toBe(false);
  });

  test("takes other pages once it has none, and no fewer than it is long", () => {
    expect(run(createBlob(guest(), pages(2)))).toBe(OK_NODATA);
    expect(run(commands.attachBacking(7, pages(2)))).toBe(ERR_UNSPEC);
    expect(run(commands.detachBacking(7))).toBe(OK_NODATA);
    expect(run(commands.attachBacking(7, pages(1)))).toBe(ERR_INVALID_PARAMETER);
    expect(run(commands.attachBacking(7, pages(2)))).toBe(OK_NODATA);
  });

  test("takes Linux's transfers, which copy nothing, and a flush where it is not shown", () => {
    const whole = { x: 0, y: 0, width: 9999, height: 9999 };
    expect(run(createBlob(guest(), pages(2)))).toBe(OK_NODATA);
    expect(run(commands.transferToHost2d(7, whole, 2n ** 60n))).toBe(OK_NODATA);
    expect(run(commands.flushResource(7, whole))).toBe(OK_NODATA);
    expect(used()).toBe(0);
    // It is another kind's command.
    expect(run(commands.setScanout(0, 7, { ...whole, width: 1, height: 1 }))).toBe(ERR_INVALID_PARAMETER);
  });
});

describe("a blob of the host's memory", () => {
  test("is made by the renderer for a context, and paid by the guest", () => {
    expect(run(createBlob(host(), [], inContext))).toBe(OK_NODATA);
    expect(used()).toBe(2 * page);
    expect(renderer.hasBlob(7)).toBe(true);
    expect(run(commands3d.attachResource(1, 7))).toBe(OK_NODATA);
    expect(run(commands.unrefResource(7))).toBe(OK_NODATA);
    expect([used(), renderer.hasBlob(7)]).toEqual([0, false]);
  });

  test("is what the renderer says where that makes none, and nothing is left of it", () => {
    for (const [errno, code] of [
      [EINVAL, ERR_INVALID_PARAMETER],
      [ENOMEM, ERR_OUT_OF_MEMORY],
    ] as const) {
      renderer.fail("createBlob", errno);
      expect(run(createBlob(shared(), pages(2), inContext))).toBe(code);
      expect(used()).toBe(0);
    }
    expect(run(commands.unrefResource(7))).toBe(ERR_INVALID_RESOURCE_ID);
  });

  test("has pages of the guest beside it where its kind does", () => {
    expect(run(createBlob(shared(), pages(2), inContext))).toBe(OK_NODATA);
    expect(renderer.backingOf(7)?.length).toBe(2 * page);
    expect(run(commands.detachBacking(7))).toBe(OK_NODATA);
    expect(renderer.backingOf(7)).toBeNull();
    expect(run(commands.attachBacking(7, pages(1)))).toBe(ERR_INVALID_PARAMETER);
  });

  test("goes when the driver starts anew", () => {
    expect(run(createBlob(host(), [], inContext))).toBe(OK_NODATA);
    bench.tell({ type: "reset", token: 1 });
    expect([used(), renderer.hasBlob(7)]).toEqual([0, false]);
  });
});

const refused: [string, number, () => DataView][] = [
  ["of id 0", ERR_INVALID_RESOURCE_ID, () => createBlob(guest({ resourceId: 0 }), pages(2))],
  ["of no kind", ERR_INVALID_PARAMETER, () => createBlob(guest({ mem: 0 }), pages(2))],
  ["of a kind that there is not", ERR_INVALID_PARAMETER, () => createBlob(guest({ mem: 4 }), pages(2))],
  ["of a kind far away", ERR_INVALID_PARAMETER, () => createBlob(guest({ mem: 0xffff_ffff }), pages(2))],
  ["with flags that there are not", ERR_INVALID_PARAMETER, () => createBlob(guest({ flags: 8 }), pages(2))],
  ["of no bytes", ERR_INVALID_PARAMETER, () => createBlob(guest({ size: 0 }), pages(2))],
  ["with fewer pages than bytes", ERR_INVALID_PARAMETER, () => createBlob(guest(), pages(1))],
  ["with one byte too few", ERR_INVALID_PARAMETER, () => createBlob(guest({ size: 2 * page + 1 }), pages(2))],
  [
    "of 16 KiB with a backing of one byte",
    ERR_INVALID_PARAMETER,
    () => createBlob(guest({ size: 16_384 }), [{ ...pages(1)[0]!, length: 1 }]),
  ],
  ["with no pages at all", ERR_INVALID_PARAMETER, () => createBlob(guest())],
  [
    "whose size wraps to little",
    ERR_INVALID_PARAMETER,
    () => createBlob(guest({ size: 2n ** 64n - 1n }), pages(2)),
  ],
  [
    "whose size is little but for its high word",
    ERR_INVALID_PARAMETER,
    () => createBlob(guest({ size: 2n ** 32n + 1n }), pages(2)),
  ],
  ["of entries that the request lacks", ERR_INVALID_PARAMETER, () => createBlob(guest(), pages(2), {}, 2)],
  ["of more entries than may be", ERR_OUT_OF_MEMORY, () => createBlob(guest(), pages(2), {}, 0xffff_ffff)],
  [
    "outside of guest memory",
    ERR_INVALID_PARAMETER,
    () => createBlob(guest(), [{ address: 2 ** 40, length: 2 * page }]),
  ],
  ["of the host without a context", ERR_INVALID_CONTEXT_ID, () => createBlob(host())],
  ["of a context that there is not", ERR_INVALID_CONTEXT_ID, () => createBlob(host(), [], { contextId: 2 })],
  [
    "of the host with pages of the guest",
    ERR_INVALID_PARAMETER,
    () => createBlob(host(), pages(2), inContext),
  ],
  ["of both without pages", ERR_INVALID_PARAMETER, () => createBlob(shared(), [], inContext)],
  [
    "of more bytes of the host than it may have",
    ERR_OUT_OF_MEMORY,
    () => createBlob(host({ size: budget + 1 }), [], inContext),
  ],
  [
    "of nearly all bytes that there can be",
    ERR_OUT_OF_MEMORY,
    () => createBlob(host({ size: 2n ** 53n - 1n }), [], inContext),
  ],
];

describe("no blob is made", () => {
  for (const [what, code, command] of refused) {
    test(what, () => {
      expect(run(command())).toBe(code);
      expect(used()).toBe(0);
      expect(renderer.hasBlob(7)).toBe(false);
      // The id is free.
      expect(run(createBlob(guest(), pages(2)))).toBe(OK_NODATA);
    });
  }

  test("by an id that is in use, whatever of", () => {
    expect(run(commands.createResource2d(7, Format.B8G8R8A8, 4, 4))).toBe(OK_NODATA);
    for (const blob of [guest(), guest({ mem: 99 })]) {
      expect(run(createBlob(blob, pages(2)))).toBe(ERR_INVALID_RESOURCE_ID);
    }
    expect(run(createBlob(guest({ resourceId: 8 }), pages(2)))).toBe(OK_NODATA);
    expect(run(createBlob(guest({ resourceId: 8 }), pages(2)))).toBe(ERR_INVALID_RESOURCE_ID);
    expect(run(commands.createResource2d(8, Format.B8G8R8A8, 4, 4))).toBe(ERR_INVALID_RESOURCE_ID);
  });

  test("beyond the number of resources", () => {
    for (let id = 1; id <= 8; id++)
      expect(run(createBlob(guest({ resourceId: id }), pages(2)))).toBe(OK_NODATA);
    expect(run(createBlob(guest({ resourceId: 9 }), pages(2)))).toBe(ERR_OUT_OF_MEMORY);
  });

  test("of a context that is lost", () => {
    expect(run(commands3d.submit3d(1, new Uint8Array(new Uint32Array([2 << 16]).buffer)))).toBe(
      ERR_INVALID_PARAMETER,
    );
    expect(run(createBlob(host(), [], inContext))).toBe(ERR_UNSPEC);
  });

  test("for a driver that did not take the feature", () => {
    restart(1 << Feature.VIRGL);
    expect(run(createBlob(guest(), pages(2)))).toBe(ERR_UNSPEC);
  });
});
