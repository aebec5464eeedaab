// What the display is told of blobs: the guest's own pages where it can map them, a copy where it can't, the renderer's memory
// where that can be shared; and when it is told to let go.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as commands from "../../../../lab/driver/commands.ts";
import * as commands3d from "../../../../lab/driver/commands-3d.ts";
import { type BlobLayout, createBlob, setScanoutBlob } from "../../../../lab/driver/commands-blob.ts";
import type { GuestBuffer, GuestRange } from "../../../../lab/driver/guest-memory.ts";
import type { DisplayMessage } from "../../../../src/actors/display/messages.ts";
import { CtrlCounter } from "../../../../src/actors/gpu/counters.ts";
import { CtrlQueue } from "../../../../src/actors/gpu/ctrl-queue.ts";
import { MemfdStorage } from "../../../../src/actors/gpu/pixels/storage/memfd-storage.ts";
import { closeFd } from "../../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../../src/transport/os/native-memory.ts";
import { BlobMem, Feature, Format, Response } from "../../../../src/transport/wire/virtio-gpu/protocol.ts";
import { FakeContext, serverConfig } from "../../../support/fake-context.ts";
import { driverPatienceMs } from "../../../support/patience.ts";
import { QueueBench } from "../../../support/queue-bench.ts";
import { ScriptedRenderer } from "../../../support/scripted-renderer.ts";

const { OK_NODATA, ERR_UNSPEC, ERR_INVALID_PARAMETER } = Response;
const page = 4096;
const [width, height] = [32, 64];
const stride = width * 4;
const bytes = stride * height;
const area = { x: 0, y: 0, width, height };
const plain: BlobLayout = { format: Format.B8G8R8X8, width, height, strides: [stride] };
const piecesMax = 8;

let context: FakeContext;
let bench: QueueBench;
let renderer: ScriptedRenderer;

beforeEach(() => {
  context = new FakeContext("ctrl-queue", serverConfig("--surface-pieces-max", String(piecesMax)));
  const queue = new CtrlQueue(context, (_config, _log, arena) => (renderer = new ScriptedRenderer(arena)));
  bench = new QueueBench(context, queue);
  bench.stopRing();
  bench.tell(bench.ringStart({ features: (1 << Feature.VIRGL) | (1 << Feature.RESOURCE_BLOB) }));
  bench.plugAll();
  expectOk(commands3d.createContext(1));
  told();
});
afterEach(() => {
  bench.tell({ type: "reset", token: 1 });
  bench.run();
  giveBack(told());
  expect(context.counters[CtrlCounter.storageBytes]).toBe(0);
  bench.close();
  MemfdStorage.forget();
});

const run = (command: DataView): number => bench.command(command).type;
const expectOk = (command: DataView): void => expect(run(command)).toBe(OK_NODATA);
const told = (): DisplayMessage[] => {
  bench.run();
  return context.take("display");
};
/** All that it is told until there are `count` messages of a type: what changes often waits for the next slot. */
function toldUntil(type: DisplayMessage["type"], count: number): DisplayMessage[] {
  const all = told();
  const end = Date.now() + driverPatienceMs;
  while (all.filter((one) => one.type === type).length < count && Date.now() < end) {
    Bun.sleepSync(1);
    all.push(...told());
  }
  return all;
}
const typesOf = (messages: readonly DisplayMessage[]): string[] => messages.map(({ type }) => type);

/** The display gives back what it was told to drop, and closes what it was given. */
function giveBack(messages: readonly DisplayMessage[]): void {
  for (const message of messages) {
    if ("fd" in message) closeFd(message.fd);
    if ("regions" in message) for (const { fd } of message.regions) closeFd(fd);
    if (message.type === "drop-surface") bench.tell({ type: "surface-released", surface: message.surface });
  }
}

type Told<Type extends DisplayMessage["type"]> = Extract<DisplayMessage, { type: Type }>;
function only<Type extends DisplayMessage["type"]>(
  messages: readonly DisplayMessage[],
  type: Type,
): Told<Type> {
  const found = messages.filter((one): one is Told<Type> => one.type === type);
  expect(found).toHaveLength(1);
  return found[0]!;
}

function guestBlob(id: number, entries: readonly GuestRange[]): void {
  const size = entries.reduce((sum, { length }) => sum + length, 0);
  expectOk(createBlob({ resourceId: id, mem: BlobMem.GUEST, size }, entries));
}
const pages = (count = 2): GuestBuffer => bench.guest.allocate(count * page, page);
const show = (id: number, layout = plain, scanout = 0): number =>
  run(setScanoutBlob(scanout, id, area, layout));
const hostBlob = (id: number): number =>
  run(createBlob({ resourceId: id, mem: BlobMem.HOST3D, size: 4 * page }, [], { contextId: 1 }));

/** What a display reads of a surface. */
function readGuest({ regions, pieces, offset, bytes: length }: Told<"add-guest-surface">): Uint8Array {
  const fds = regions.map(({ fd }) => fd);
  const memory = NativeMemory.mapPieces(fds, pieces, offset, length);
  const read = new Uint8Array(memory.view()).slice();
  memory.unmap();
  return read;
}
const noise = (seed: number, length = bytes): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length }, (_, at) => (at * 7 + seed) & 0xff);

describe("a guest's blob", () => {
  test("is shown where it lies: nothing of it is copied, whatever is flushed and the display takes", () => {
    bench.tell({ type: "sinks-changed", dmabuf: true, modifiers: true });
    const memory = pages();
    guestBlob(1, [memory]);
    memory.bytes.set(noise(1));
    expect(show(1)).toBe(OK_NODATA);
    const first = told();
    expect(typesOf(first)).toEqual(["add-guest-surface", "show-scanout"]);
    const surface = only(first, "add-guest-surface");
    expect(readGuest(surface)).toEqual(noise(1));
    memory.bytes.set(noise(2));
    expect(readGuest(surface)).toEqual(noise(2));
    expectOk(commands.flushResource(1, area));
    expect(context.counters[CtrlCounter.storageBytes]).toBe(0);
    giveBack(first);
  });

  test("is what its layout says, from whichever page that begins on", () => {
    const memory = pages(6);
    guestBlob(1, [memory.slice(3 * page, 2 * page), memory.slice(0, 3 * page)]);
    const layout = { ...plain, strides: [stride * 2], offsets: [page + 128] };
    expect(show(1, layout)).toBe(OK_NODATA);
    const first = told();
    const surface = only(first, "add-guest-surface");
    expect(surface).toMatchObject({
      offset: 128,
      stride: 2 * stride,
      bytes: 2 * bytes - stride,
      width,
      height,
    });
    memory.bytes.set(noise(5, 6 * page));
    const blob = bench.guest.gather([memory.slice(3 * page, 2 * page), memory.slice(0, 3 * page)]);
    expect(readGuest(surface)).toEqual(blob.slice(page + 128, page + 128 + surface.bytes));
    giveBack(first);
  });

  const copied: [string, () => GuestRange[], BlobLayout?][] = [
    [
      "in more pieces than may be",
      () => {
        const all = pages(20);
        return Array.from({ length: 9 }, (_, at) => all.slice(at * 2 * page, page));
      },
      { ...plain, strides: [(((9 * page) / height) >> 2) << 2] },
    ],
    ["in pieces that are no pages", () => [pages(1).slice(0, 100), pages(3)]],
    ["that begin within a page", () => [pages(3).slice(16, 2 * page)]],
    ["in rows between pixels", () => [pages(3)], { ...plain, offsets: [2] }],
  ];
  for (const [what, entriesOf, layout = plain] of copied) {
    test(`${what} is copied, damage by damage`, () => {
      const entries = entriesOf();
      guestBlob(1, entries);
      expect(show(1, layout)).toBe(OK_NODATA);
      const first = told();
      expect(typesOf(first)).toEqual(["add-surface", "show-scanout"]);
      const { fd } = only(first, "add-surface");
      const copy = NativeMemory.mapShared(fd, 0, bytes, "read");
      const length = entries.reduce((sum, one) => sum + one.length, 0);
      bench.guest.scatter(noise(3, length), entries);
      expectOk(commands.flushResource(1, { x: 0, y: 1, width, height: 1 }));
      context.timers.runDue();
      const blob = bench.guest.gather(entries);
      const from = (layout.offsets?.[0] ?? 0) + layout.strides[0]!;
      toldUntil("flush", 1);
      const shown = new Uint8Array(copy.view());
      expect(shown.slice(stride, 2 * stride)).toEqual(blob.slice(from, from + stride));
      expect(shown.slice(0, stride).some((byte) => byte !== 0)).toBe(false);
      copy.unmap();
      expect(context.counters[CtrlCounter.storageBytes]).toBeGreaterThan(0);
      giveBack(first);
    });
  }

  test("gives back the pieces that it was mapped in, for the next one", () => {
    const entries = (): GuestRange[] => {
      const all = pages(12);
      return Array.from({ length: 6 }, (_, at) => all.slice(at * 2 * page, page));
    };
    const long = { ...plain, strides: [(6 * page) / height] };
    for (let times = 0; times < 3; times++) {
      guestBlob(1, entries());
      guestBlob(2, entries());
      expect([show(1, long, 0), show(2, long, 1)]).toEqual([OK_NODATA, OK_NODATA]);
      const first = toldUntil("show-scanout", 2);
      expect(typesOf(first).filter((type) => type.startsWith("add"))).toEqual([
        "add-guest-surface",
        "add-surface",
      ]);
      for (const id of [1, 2]) expectOk(commands.unrefResource(id));
      giveBack([...first, ...toldUntil("drop-surface", 2)]);
    }
  });

  test("has a surface a layout, of which those that nobody sees go with the next", () => {
    guestBlob(1, [pages(4)]);
    const at = (offset: number): BlobLayout => ({ ...plain, offsets: [offset] });
    for (const [scanout, offset] of [
      [0, 0],
      [1, 128],
      [0, 256],
      [0, 0],
    ] as const) {
      expect(show(1, at(offset), scanout)).toBe(OK_NODATA);
    }
    const all = toldUntil("show-scanout", 2);
    const begun = all.filter(({ type }) => type === "add-guest-surface").length;
    const ended = all.filter(({ type }) => type === "drop-surface").length;
    // Merged before they were told, or told and dropped: two scanouts are left, and one layout at most beside theirs.
    expect(begun - ended).toBeLessThanOrEqual(3);
    expect(begun - ended).toBeGreaterThanOrEqual(2);
    expectOk(commands.unrefResource(1));
    const rest = toldUntil("hide-scanout", 2);
    const dropped = [...all, ...rest].filter(({ type }) => type === "drop-surface").length;
    expect(dropped).toBe(begun);
    giveBack([...all, ...rest]);
  });

  test("is told a new display again, in the same pages", () => {
    const memory = pages();
    guestBlob(1, [memory]);
    expect(show(1)).toBe(OK_NODATA);
    giveBack(told());
    bench.returnPeer("display");
    const again = told();
    const surface = only(again, "add-guest-surface");
    memory.bytes.set(noise(4));
    expect(readGuest(surface)).toEqual(noise(4));
    giveBack(again);
  });

  test("is off while its memory is gone, and on again at once when it is back", () => {
    guestBlob(1, [pages()]);
    expect(show(1)).toBe(OK_NODATA);
    giveBack(told());
    bench.tell(bench.memoryMessage([]));
    const off = toldUntil("drop-surface", 1);
    expect(typesOf(off)).toEqual(["hide-scanout", "drop-surface"]);
    giveBack(off);
    bench.tell(bench.memoryMessage());
    const on = toldUntil("show-scanout", 1);
    expect(typesOf(on)).toEqual(["add-guest-surface", "show-scanout"]);
    giveBack(on);
  });

  test("is looked at as a scanout read it last", () => {
    const memory = pages();
    const looked = (): { fd: number; error: string; width: number; height: number } => {
      bench.tell({ type: "ask-picture", token: 5, resource: 1 });
      return context.take("inspector").at(-1) as never;
    };
    guestBlob(1, [memory]);
    expect(looked()).toMatchObject({ fd: -1, width: 0, height: 0 });
    expect(looked().error).toContain("no scanout has said how the pixels");
    expect(show(1)).toBe(OK_NODATA);
    giveBack(told());
    memory.bytes.set(noise(3));
    const { fd, ...rest } = looked();
    expect(rest).toMatchObject({ error: "", width, height });
    const copy = NativeMemory.mapShared(fd, 0, bytes, "read");
    expect(new Uint8Array(copy.view()).slice()).toEqual(noise(3).slice());
    copy.unmap();
    closeFd(fd);
  });
});

describe("a host's blob", () => {
  test("is shown in the memory that the renderer shares", () => {
    expect(hostBlob(1)).toBe(OK_NODATA);
    expect(show(1, { ...plain, offsets: [page] })).toBe(OK_NODATA);
    const first = told();
    const surface = only(first, "add-surface");
    expect(surface).toMatchObject({ offset: page, bytes, stride, width, height, format: plain.format });
    const memory = renderer.exportBlob(1)!;
    const written = NativeMemory.mapShared(memory.fd, 0, 4 * page, "write");
    const read = NativeMemory.mapShared(surface.fd, page, bytes, "read");
    new Uint8Array(written.view()).set(noise(6), page);
    expect(new Uint8Array(read.view()).slice()).toEqual(noise(6));
    written.unmap();
    read.unmap();
    closeFd(memory.fd);
    giveBack(first);
  });

  test("is a dma-buf to the display where it is one", () => {
    renderer.blobKind = "dmabuf";
    expect(hostBlob(1)).toBe(OK_NODATA);
    expect(show(1)).toBe(OK_NODATA);
    const first = told();
    expect(only(first, "add-dmabuf-surface")).toMatchObject({
      offset: 0,
      stride,
      width,
      height,
      modifierLow: 0,
    });
    giveBack(first);
  });

  test("is refused where only its driver knows how it lies", () => {
    renderer.blobKind = "opaque";
    expect(hostBlob(1)).toBe(OK_NODATA);
    expect(show(1)).toBe(ERR_UNSPEC);
    expect(told()).toEqual([]);
  });

  test("is refused outside of itself", () => {
    expect(hostBlob(1)).toBe(OK_NODATA);
    expect(show(1, { ...plain, offsets: [4 * page - bytes + 4] })).toBe(ERR_INVALID_PARAMETER);
  });
});

describe("a blob that another device asks for", () => {
  const lent = (id: number): { fd: number; stride: number; offset: number } => {
    bench.tell({ type: "ask-buffer", token: 3, resource: id });
    bench.run();
    return context.take("resource-bridge").at(-1) as never;
  };

  test("is the host's memory as it was last shown, and none that only its driver can read", () => {
    expect(hostBlob(1)).toBe(OK_NODATA);
    const bare = lent(1);
    expect(bare).toMatchObject({ stride: 0, offset: 0 });
    expect(show(1, { ...plain, offsets: [page] })).toBe(OK_NODATA);
    giveBack(told());
    const shown = lent(1);
    expect(shown).toMatchObject({ stride, offset: page });
    for (const { fd } of [bare, shown]) closeFd(fd);
    renderer.blobKind = "opaque";
    expect(lent(1).fd).toBe(-1);
  });

  test("is none of a guest's pages", () => {
    guestBlob(1, [pages()]);
    expect(lent(1).fd).toBe(-1);
  });
});

describe("a cursor in a blob", () => {
  const image = 64 * 64 * 4;
  const ask = (id: number): { error: number; isNew: boolean } => {
    bench.tell({ type: "ask-cursor-image", token: 9, resource: id, slot: 2 });
    bench.run();
    return context.take("cursor-queue").at(-1) as unknown as { error: number; isNew: boolean };
  };
  const drawn = (): Uint8Array => {
    const area2 = context.area("cursor-images", "read");
    const pixels = new Uint8Array(area2.view()).slice(2 * image, 3 * image);
    area2.unmap();
    return pixels;
  };

  test("is 64×64 pixels from its first byte on, in the guest's pages or the host's memory", () => {
    const memory = pages(4);
    guestBlob(1, [memory]);
    memory.bytes.set(noise(8, image));
    expect(ask(1)).toMatchObject({ error: 0, isNew: true });
    expect(drawn()).toEqual(noise(8, image));
    expect(hostBlob(2)).toBe(OK_NODATA);
    expect(ask(2)).toMatchObject({ error: 0, isNew: true });
    expect(drawn()).toEqual(new Uint8Array(image));
  });

  test("is refused in one that is too short, and in one without pages", () => {
    guestBlob(1, [pages(3)]);
    expect(ask(1)).toMatchObject({ error: ERR_INVALID_PARAMETER });
    guestBlob(2, [pages(4)]);
    expectOk(commands.detachBacking(2));
    expect(ask(2)).toMatchObject({ error: ERR_UNSPEC });
  });
});
