// What all pixels do alike, wherever they are: in memory of ours, in the renderer since they moved there, or made there.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as commands from "../../lab/driver/commands.ts";
import * as commands3d from "../../lab/driver/commands-3d.ts";
import type { GuestBuffer } from "../../lab/driver/guest-memory.ts";
import { CtrlCounter } from "../../src/actors/gpu/counters.ts";
import { CtrlQueue } from "../../src/actors/gpu/ctrl-queue.ts";
import { MemfdStorage } from "../../src/actors/gpu/pixels/storage/memfd-storage.ts";
import type { DisplayMessage } from "../../src/actors/display/messages.ts";
import { EINVAL, ENOMEM } from "../../src/ffi/libc.ts";
import { closeFd } from "../../src/transport/os/fds.ts";
import { cursorSize, Feature, Format, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { FakeContext, serverConfig } from "../support/fake-context.ts";
import { QueueBench } from "../support/queue-bench.ts";
import { ScriptedRenderer } from "../support/scripted-renderer.ts";
import { BorrowedPicture } from "../support/storage.ts";

const { OK_NODATA, ERR_OUT_OF_MEMORY } = Response;
// A cursor's size, so that each can be one.
const size = cursorSize;
const bytes = size * size * 4;
const whole = { x: 0, y: 0, width: size, height: size };
const full = 8 * bytes;

let context: FakeContext;
let bench: QueueBench;
let renderer: ScriptedRenderer;
let queue: CtrlQueue;

beforeEach(() => {
  context = new FakeContext("ctrl-queue", serverConfig("--storage-bytes-max", String(full)));
  queue = new CtrlQueue(context, (_config, _log, arena) => (renderer = new ScriptedRenderer(arena)));
  bench = new QueueBench(context, queue);
  bench.tell(bench.ringStart({ features: 1 << Feature.VIRGL }));
  expectOk(commands3d.createContext(9));
});
afterEach(() => {
  bench.tell({ type: "reset", token: 1 });
  bench.run();
  giveBack();
  expect(context.counters[CtrlCounter.storageBytes]).toBe(0);
  bench.close();
  MemfdStorage.forget();
});

const run = (command: DataView): number => bench.command(command).type;
const expectOk = (command: DataView): void => expect(run(command)).toBe(OK_NODATA);

/** What the display was told since the last call; surfaces are the caller's to close. */
const told = (): DisplayMessage[] => context.take("display");

/** The display gives back all that was dropped, and closes what it was offered. */
function giveBack(): void {
  for (const message of told()) {
    close([message]);
    if (message.type === "drop-surface") bench.tell({ type: "surface-released", surface: message.surface });
  }
}

function close(messages: readonly DisplayMessage[]): void {
  for (const message of messages) if ("fd" in message) closeFd(message.fd);
}

type Offered = Extract<DisplayMessage, { type: "add-surface" }>;
const surfacesIn = (messages: readonly DisplayMessage[]): Offered[] =>
  messages.filter((message): message is Offered => message.type === "add-surface");

function attachBacking(id: number): GuestBuffer {
  const backing = bench.guest.allocate(bytes);
  expectOk(commands.attachBacking(id, [backing]));
  return backing;
}

const kinds = {
  "in memory of ours": (id: number): GuestBuffer => {
    expectOk(commands.createResource2d(id, Format.B8G8R8A8, size, size));
    return attachBacking(id);
  },
  "in the renderer, where they moved": (id: number): GuestBuffer => {
    expectOk(commands.createResource2d(id, Format.B8G8R8A8, size, size));
    const backing = attachBacking(id);
    expectOk(commands3d.attachResource(9, id));
    return backing;
  },
  "in the renderer, moved while they were shown": (id: number): GuestBuffer => {
    expectOk(commands.createResource2d(id, Format.B8G8R8A8, size, size));
    const backing = attachBacking(id);
    expectOk(commands.setScanout(0, id, whole));
    expectOk(commands3d.attachResource(9, id));
    expectOk(commands.setScanout(0, 0, whole));
    bench.tell({ type: "sinks-changed", dmabuf: true, modifiers: false });
    giveBack();
    return backing;
  },
  "made in the renderer": (id: number): GuestBuffer => {
    const format = Format.B8G8R8A8;
    expectOk(
      commands3d.createResource3d({ resourceId: id, target: 2, format, bind: 10, width: size, height: size }),
    );
    return attachBacking(id);
  },
} as const;

const picture = Uint32Array.from({ length: size * size }, (_, at) => 0xff00_0000 + at * 3);

for (const [kind, make] of Object.entries(kinds)) {
  describe(`pixels ${kind}`, () => {
    test("are shown as they were transferred, and flushed as they are then", () => {
      const backing = make(1);
      backing.words.set(picture);
      expectOk(commands.transferToHost2d(1, whole, 0));
      expectOk(commands.setScanout(0, 1, whole));
      const [offered] = surfacesIn(told());
      const shown = new BorrowedPicture(offered!.fd, offered!.stride, size, size);
      expect(shown.pixels).toEqual(picture);
      backing.words.fill(0xff12_3456);
      expectOk(commands.transferToHost2d(1, { ...whole, height: 1 }, 0));
      expectOk(commands.flushResource(1, whole));
      expect(told().map(({ type }) => type)).toEqual(["flush"]);
      expect(shown.pixels.subarray(0, size)).toEqual(new Uint32Array(size).fill(0xff12_3456));
      expect(shown.pixels.subarray(size)).toEqual(picture.subarray(size));
      shown.return();
    });

    test("keep what the backing does not hold of a transfer", () => {
      const backing = make(1);
      backing.words.set(picture);
      expectOk(commands.transferToHost2d(1, whole, 0));
      backing.words.fill(0xff00_0000);
      const lacking = size + 5;
      expectOk(commands.transferToHost2d(1, whole, lacking * 4));
      const expected = picture.slice().fill(0xff00_0000, 0, size * size - lacking);
      expect(lent(1)).toEqual(expected);
    });

    test("are offered to the display once, and to another one again, by another name", () => {
      make(1);
      expectOk(commands.setScanout(0, 1, whole));
      const before = told();
      expectOk(commands.setScanout(0, 0, whole));
      expectOk(commands.setScanout(0, 1, whole));
      expect(surfacesIn(told())).toEqual([]);
      queue.peerBack("display");
      const after = told();
      const names = [before, after].flatMap((messages) => surfacesIn(messages).map(({ surface }) => surface));
      expect(new Set(names).size).toBe(names.length);
      expect(surfacesIn(after)).toHaveLength(1);
      close([...before, ...after]);
    });

    test("are a cursor's image", () => {
      const backing = make(1);
      backing.words.set(picture);
      expectOk(commands.transferToHost2d(1, whole, 0));
      const memory = context.area("cursor-images", "read");
      bench.tell({ type: "ask-cursor-image", token: 3, resource: 1, slot: 2 });
      expect(context.take("cursor-queue")).toMatchObject([{ token: 3, error: 0 }]);
      expect(new Uint32Array(memory.view(2 * bytes, bytes)).slice()).toEqual(picture);
      memory.unmap();
    });

    test("that nothing was put into are all zero, to whomever", () => {
      make(1);
      expect(lent(1)).toEqual(new Uint32Array(size * size));
    });

    test("are paid for until the display, too, has let go of them", () => {
      make(1);
      expectOk(commands.setScanout(0, 1, whole));
      close(told());
      const before = context.counters[CtrlCounter.storageBytes]!;
      expect(before).toBeGreaterThan(0);
      expectOk(commands.unrefResource(1));
      expect(context.counters[CtrlCounter.storageBytes]).toBe(bytes);
      giveBack();
      bench.run();
      expect(context.counters[CtrlCounter.storageBytes]).toBe(0);
    });

    test("of an id that is used again know nothing of those before", () => {
      for (let life = 0; life < 3; life++) {
        const backing = make(1);
        expect(lent(1)).toEqual(new Uint32Array(size * size));
        backing.words.fill(0x0101_0101 * (life + 1));
        expectOk(commands.transferToHost2d(1, whole, 0));
        expectOk(commands.unrefResource(1));
        giveBack();
      }
    });
  });
}

describe("a move into the renderer", () => {
  const failures = {
    "makes no resource": () => renderer.fail("createResource", EINVAL),
    "has no room for the pixels": () => renderer.fail("copyPixels", ENOMEM),
    "has no room for the backing": () => renderer.fail("attachBacking", ENOMEM),
  };
  for (const [what, fail] of Object.entries(failures)) {
    test(`to one that ${what} is undone, and made later`, () => {
      const backing = kinds["in memory of ours"](1);
      backing.words.set(picture);
      expectOk(commands.transferToHost2d(1, whole, 0));
      const before = context.counters[CtrlCounter.storageBytes];
      fail();
      expect(run(commands3d.attachResource(9, 1))).toBe(ERR_OUT_OF_MEMORY);
      expect(renderer.has(1)).toBe(false);
      expect(context.counters[CtrlCounter.storageBytes]).toBe(before);
      expect(lent(1)).toEqual(picture);
      expectOk(commands3d.attachResource(9, 1));
      expect(renderer.has(1)).toBe(true);
      expect(lent(1)).toEqual(picture);
    });
  }

  test("of what is shown needs room beside it, and is shown on", () => {
    const backing = kinds["in memory of ours"](1);
    backing.words.set(picture);
    expectOk(commands.transferToHost2d(1, whole, 0));
    context.behind.set("display", 1000);
    expectOk(commands.setScanout(0, 1, whole));
    for (let id = 2; id <= 8; id++) expectOk(commands.createResource2d(id, Format.B8G8R8A8, size, size));
    expect(run(commands3d.attachResource(9, 1))).toBe(ERR_OUT_OF_MEMORY);
    expectOk(commands.unrefResource(8));
    expectOk(commands3d.attachResource(9, 1));
    expect(run(commands.createResource2d(8, Format.B8G8R8A8, size, size))).toBe(ERR_OUT_OF_MEMORY);
    context.behind.clear();
    bench.tell({ type: "sinks-changed", dmabuf: false, modifiers: true });
    bench.run();
    const [offered] = surfacesIn(told());
    const shown = new BorrowedPicture(offered!.fd, offered!.stride, size, size);
    expect(shown.pixels).toEqual(picture);
    shown.return();
  });
});

/** What a borrower reads of a resource. */
function lent(id: number): Uint32Array {
  bench.tell({ type: "ask-buffer", token: 1, resource: id });
  const [buffer] = context.take("resource-bridge");
  if (buffer?.type !== "buffer" || buffer.fd < 0) throw new Error("it was not lent");
  const borrowed = new BorrowedPicture(buffer.fd, buffer.stride, size, size);
  const { pixels } = borrowed;
  borrowed.return();
  return pixels;
}
