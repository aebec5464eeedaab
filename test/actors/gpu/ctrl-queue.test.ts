// The ctrl queue without its worker: limits, refusals, and what the display and the cursor queue are told.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { CtrlCounter } from "../../../src/actors/gpu/counters.ts";
import { MemfdStorage } from "../../../src/actors/gpu/pixels/storage/memfd-storage.ts";
import { CtrlQueue } from "../../../src/actors/gpu/ctrl-queue.ts";
import type { DisplayMessage } from "../../../src/actors/display/messages.ts";
import {
  attachBacking,
  createResource2d,
  detachBacking,
  flushResource,
  getCapset,
  getCapsetInfo,
  getDisplayInfo,
  getEdid,
  request,
  setScanout,
  transferToHost2d,
  unrefResource,
} from "../../../lab/driver/commands.ts";
import type { GuestBuffer } from "../../../lab/driver/guest-memory.ts";
import { libc } from "../../../src/ffi/libc.ts";
import { closeFd } from "../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../src/transport/os/native-memory.ts";
import {
  Command,
  DisplayInfo,
  Edid,
  Format,
  Response,
} from "../../../src/transport/wire/virtio-gpu/protocol.ts";
import { FakeContext, serverConfig } from "../../support/fake-context.ts";
import { openFds } from "../../support/fds.ts";
import { type Answer, QueueBench, untouched } from "../../support/queue-bench.ts";

const { OK_NODATA, ERR_UNSPEC, ERR_OUT_OF_MEMORY, ERR_INVALID_SCANOUT_ID } = Response;
const { ERR_INVALID_RESOURCE_ID, ERR_INVALID_PARAMETER } = Response;
const bgrx = Format.B8G8R8X8;

let context: FakeContext;
let bench: QueueBench;
let fdsBefore: number;
let dropped: number[];

function begin(...flags: string[]): void {
  fdsBefore = usedFds();
  context = new FakeContext("ctrl-queue", serverConfig(...flags));
  dropped = [];
  context.onSend = ({ message }) => {
    if (message.type === "drop-surface") dropped.push(message.surface);
  };
  const ctrl = new CtrlQueue(context);
  bench = new QueueBench(context, ctrl, { size: 256 });
  bench.plugAll();
  told();
}

/** Messages to the display since the last call; their descriptors are closed. */
function told(): DisplayMessage[] {
  const messages = context.take("display");
  for (const message of messages) if ("fd" in message) closeFd(message.fd);
  return messages;
}

afterEach(() => {
  // The driver goes, and the display gives back what it has.
  bench.tell({ type: "reset", token: 1 });
  for (const surface of dropped) bench.tell({ type: "surface-released", surface });
  bench.close();
  // The cursor pool's own descriptor lives as long as the actor, which a worker's end takes along.
  expect(usedFds()).toBeLessThanOrEqual(fdsBefore + 1);
});

const run = (command: DataView, room?: number): number => bench.command(command, room).type;
const rect = (x: number, y: number, width: number, height: number) => ({ x, y, width, height });
const whole = rect(0, 0, 16, 16);

/** Open descriptors, without those of storage that is kept for resources to come. */
function usedFds(): number {
  MemfdStorage.forget();
  return openFds();
}

/** A resource of 16 × 16 with a backing, whose first bytes are the buffer's. */
function makeResource(id: number, width = 16, height = 16, format: number = bgrx): GuestBuffer {
  const buffer = bench.guest.allocate(width * height * 4);
  expect(run(createResource2d(id, format, width, height))).toBe(OK_NODATA);
  expect(run(attachBacking(id, [buffer]))).toBe(OK_NODATA);
  return buffer;
}

describe("creating and freeing", () => {
  beforeEach(() => begin());

  test("CREATE_2D with each virtio format returns ok", () => {
    Object.values(Format).forEach((format, index) => {
      expect(run(createResource2d(index + 1, format, 4, 4))).toBe(OK_NODATA);
    });
  });

  test("CREATE_2D with another format returns ERR_INVALID_PARAMETER", () => {
    for (const format of [0, 5, 66, 69, 135, 0xffff_ffff]) {
      expect(run(createResource2d(1, format, 4, 4))).toBe(ERR_INVALID_PARAMETER);
    }
  });

  test("CREATE_2D with no pixels returns ERR_INVALID_PARAMETER", () => {
    expect(run(createResource2d(1, bgrx, 0, 4))).toBe(ERR_INVALID_PARAMETER);
    expect(run(createResource2d(1, bgrx, 4, 0))).toBe(ERR_INVALID_PARAMETER);
  });

  test("CREATE_2D with id zero or in use returns ERR_INVALID_RESOURCE_ID", () => {
    expect(run(createResource2d(0, bgrx, 4, 4))).toBe(ERR_INVALID_RESOURCE_ID);
    expect(run(createResource2d(1, bgrx, 4, 4))).toBe(OK_NODATA);
    expect(run(createResource2d(1, bgrx, 8, 8))).toBe(ERR_INVALID_RESOURCE_ID);
  });

  test("CREATE_2D whose size overflows returns ERR_OUT_OF_MEMORY", () => {
    for (const [width, height] of [
      [0x4000_0001, 1],
      [0x3fff_ffff, 4],
      [0xffff_ffff, 0xffff_ffff],
      [0x1_0000, 0x1_0000],
      [1, 0xffff_ffff],
    ] as const) {
      expect(run(createResource2d(1, bgrx, width, height))).toBe(ERR_OUT_OF_MEMORY);
    }
    expect(context.counters[CtrlCounter.resources]).toBe(0);
  });

  test("unref of an absent resource returns ERR_INVALID_RESOURCE_ID", () => {
    expect(run(unrefResource(0))).toBe(ERR_INVALID_RESOURCE_ID);
    expect(run(unrefResource(7))).toBe(ERR_INVALID_RESOURCE_ID);
  });

  test("unref makes the id free again", () => {
    expect(run(createResource2d(1, bgrx, 4, 4))).toBe(OK_NODATA);
    expect(run(unrefResource(1))).toBe(OK_NODATA);
    expect(run(unrefResource(1))).toBe(ERR_INVALID_RESOURCE_ID);
    expect(run(createResource2d(1, bgrx, 4, 4))).toBe(OK_NODATA);
  });

  test("a resource that takes the place of another has nothing of it", () => {
    makeResource(1);
    expect(run(setScanout(0, 1, whole))).toBe(OK_NODATA);
    expect(run(unrefResource(1))).toBe(OK_NODATA);
    told();
    expect(run(createResource2d(2, bgrx, 16, 16))).toBe(OK_NODATA);

    expect(run(transferToHost2d(2, whole, 0))).toBe(ERR_UNSPEC);
    expect(run(flushResource(2, whole))).toBe(OK_NODATA);
    expect(told()).toEqual([]);
    expect(run(attachBacking(2, [bench.guest.allocate(4096)]))).toBe(OK_NODATA);
  });

  test("counters follow resources and their bytes", () => {
    run(createResource2d(1, bgrx, 10, 10));
    run(createResource2d(2, bgrx, 5, 4));
    expect([context.counters[CtrlCounter.resources], context.counters[CtrlCounter.storageBytes]]).toEqual([
      2, 8192,
    ]);
    run(unrefResource(1));
    expect([context.counters[CtrlCounter.resources], context.counters[CtrlCounter.storageBytes]]).toEqual([
      1, 4096,
    ]);
  });

  test("a hundred thousand creations and unrefs leave nothing behind", () => {
    const buffer = bench.guest.allocate(16 * 16 * 4);
    const commands = [
      createResource2d(1, bgrx, 16, 16),
      attachBacking(1, [buffer]),
      transferToHost2d(1, whole, 0),
      setScanout(0, 1, whole),
      unrefResource(1),
    ];
    const heads = commands.map((command) => {
      const bytes = bench.guest.allocate(256, 16);
      bytes.bytes.set(new Uint8Array(command.buffer));
      return bench.driver.add([bytes.slice(0, command.byteLength)], [bytes.slice(128, 24)]);
    });
    const before = usedFds();
    for (let round = 0; round < 2000; round++) {
      for (const head of heads) bench.driver.offer(head);
      bench.driver.commit();
      bench.run();
      for (const { answer } of bench.answers.splice(0)) expect(answer.length).toBe(24);
      for (const message of told()) {
        if (message.type !== "drop-surface") continue;
        bench.tell({ type: "surface-released", surface: message.surface });
      }
    }
    expect(usedFds()).toBe(before);
    expect(context.counters[CtrlCounter.resources]).toBe(0);
  });
});

describe("limits", () => {
  test("CREATE_2D beyond resources max returns ERR_OUT_OF_MEMORY", () => {
    begin("--resources-max", "3");
    for (const id of [1, 2, 3]) expect(run(createResource2d(id, bgrx, 1, 1))).toBe(OK_NODATA);

    expect(run(createResource2d(4, bgrx, 1, 1))).toBe(ERR_OUT_OF_MEMORY);
    run(unrefResource(2));
    expect(run(createResource2d(4, bgrx, 1, 1))).toBe(OK_NODATA);
  });

  test("CREATE_2D beyond storage bytes max returns ERR_OUT_OF_MEMORY", () => {
    begin("--storage-bytes-max", "4096");
    expect(run(createResource2d(1, bgrx, 32, 33))).toBe(ERR_OUT_OF_MEMORY);
    expect(run(createResource2d(1, bgrx, 32, 32))).toBe(OK_NODATA);
    expect(run(createResource2d(2, bgrx, 1, 1))).toBe(ERR_OUT_OF_MEMORY);
    run(unrefResource(1));
    expect(run(createResource2d(2, bgrx, 1, 1))).toBe(OK_NODATA);
  });

  test("ATTACH_BACKING beyond backing entries max returns ERR_OUT_OF_MEMORY", () => {
    begin("--backing-entries-max", "2");
    const entry = bench.guest.allocate(4096);
    run(createResource2d(1, bgrx, 16, 16));

    expect(run(attachBacking(1, [entry, entry, entry]))).toBe(ERR_OUT_OF_MEMORY);
    expect(run(attachBacking(1, [], {}, 0xffff_ffff))).toBe(ERR_OUT_OF_MEMORY);
    expect(run(attachBacking(1, [entry, entry]))).toBe(OK_NODATA);
  });

  test("ATTACH_BACKING beyond what all backings may have returns ERR_OUT_OF_MEMORY", () => {
    begin("--backing-entries-max", "4", "--backing-pieces-max", "1024");
    const memory = bench.guest.allocate(4096);
    const scattered = [0, 1, 2, 3].map((index) => memory.slice(index * 64, 4));
    for (let id = 1; id <= 257; id++) run(createResource2d(id, bgrx, 1, 1));
    for (let id = 1; id <= 256; id++) expect(run(attachBacking(id, scattered))).toBe(OK_NODATA);

    expect(run(attachBacking(257, [memory]))).toBe(ERR_OUT_OF_MEMORY);
    expect(run(detachBacking(257))).toBe(ERR_UNSPEC);
    expect(run(detachBacking(7))).toBe(OK_NODATA);
    expect(run(attachBacking(257, scattered))).toBe(OK_NODATA);
    expect(run(attachBacking(7, [memory]))).toBe(ERR_OUT_OF_MEMORY);
    expect(run(unrefResource(1))).toBe(OK_NODATA);
    expect(run(attachBacking(7, [memory]))).toBe(OK_NODATA);
  });

  test("a command beyond command bytes max returns ERR_OUT_OF_MEMORY", () => {
    begin("--command-bytes-max", "4096");
    expect(run(request(Command.RESOURCE_UNREF, 4097))).toBe(ERR_OUT_OF_MEMORY);
    expect(run(request(Command.RESOURCE_UNREF, 4096))).toBe(ERR_INVALID_RESOURCE_ID);
  });
});

describe("backings", () => {
  beforeEach(() => begin());

  test("ATTACH_BACKING second time returns ERR_UNSPEC", () => {
    const buffer = makeResource(1);
    expect(run(attachBacking(1, [buffer]))).toBe(ERR_UNSPEC);
  });

  test("ATTACH_BACKING to an absent resource returns ERR_INVALID_RESOURCE_ID", () => {
    expect(run(attachBacking(9, []))).toBe(ERR_INVALID_RESOURCE_ID);
  });

  test("ATTACH_BACKING that claims more entries than it brings returns ERR_INVALID_PARAMETER", () => {
    const entry = bench.guest.allocate(4096);
    run(createResource2d(1, bgrx, 16, 16));

    expect(run(attachBacking(1, [entry], {}, 2))).toBe(ERR_INVALID_PARAMETER);
    expect(run(attachBacking(1, [], {}, 1))).toBe(ERR_INVALID_PARAMETER);
    expect(run(attachBacking(1, [entry], {}, 1))).toBe(OK_NODATA);
  });

  test("ATTACH_BACKING outside of memory returns ERR_INVALID_PARAMETER", () => {
    run(createResource2d(1, bgrx, 16, 16));
    for (const address of [2 ** 24, 2 ** 24 - 4, 2 ** 52, 2 ** 53]) {
      expect(run(attachBacking(1, [{ address, length: 8 }]))).toBe(ERR_INVALID_PARAMETER);
    }
    expect(run(detachBacking(1))).toBe(ERR_UNSPEC);
  });

  test("DETACH_BACKING without one returns ERR_UNSPEC", () => {
    run(createResource2d(1, bgrx, 16, 16));
    expect(run(detachBacking(1))).toBe(ERR_UNSPEC);
    expect(run(detachBacking(2))).toBe(ERR_INVALID_RESOURCE_ID);
  });

  test("DETACH_BACKING ends transfers and keeps the pixels", () => {
    const buffer = makeResource(1);
    buffer.words.fill(0x123456);
    run(transferToHost2d(1, whole, 0));
    expect(run(detachBacking(1))).toBe(OK_NODATA);

    expect(run(transferToHost2d(1, whole, 0))).toBe(ERR_UNSPEC);
    expect(run(setScanout(0, 1, whole))).toBe(OK_NODATA);
    expect(pixelsOf(context.take("display"))[0]).toBe(0x123456);
    expect(run(attachBacking(1, [buffer]))).toBe(OK_NODATA);
  });
});

test("storage that the display has given back never becomes another resource's", () => {
  begin("--storage", "memfd");
  const paint = (id: number, colour: number): void => {
    makeResource(id).words.fill(colour);
  };
  paint(1, 0x111111);
  expect(run(transferToHost2d(1, whole, 0))).toBe(OK_NODATA);
  expect(run(setScanout(0, 1, whole))).toBe(OK_NODATA);
  const surface = context.take("display").find(({ type }) => type === "add-surface");
  if (surface?.type !== "add-surface") throw new Error("no surface");
  // What a VMM is lent is read like this, as late as it likes.
  const late = NativeMemory.mapShared(surface.fd, 0, surface.bytes, "read");
  closeFd(surface.fd);
  expect(run(unrefResource(1))).toBe(OK_NODATA);
  for (const id of dropped.splice(0)) bench.tell({ type: "surface-released", surface: id });
  for (let id = 2; id < 10; id++) {
    paint(id, 0x222222);
    expect(run(transferToHost2d(id, whole, 0))).toBe(OK_NODATA);
  }
  expect(new Set(new Uint32Array(late.view()))).toEqual(new Set([0x111111]));
  late.unmap();
});

/** The pixels of the surface that messages announce; their descriptors are closed. */
function pixelsOf(messages: DisplayMessage[]): Uint32Array {
  let pixels = new Uint32Array(0);
  for (const message of messages) {
    if (message.type === "add-surface") {
      const memory = NativeMemory.mapShared(message.fd, message.offset, message.bytes, "read");
      pixels = new Uint32Array(memory.view()).slice();
      memory.unmap();
    }
    if ("fd" in message) closeFd(message.fd);
  }
  return pixels;
}

describe("transfers", () => {
  beforeEach(() => begin());

  test("transfer without backing or resource is refused", () => {
    expect(run(transferToHost2d(1, whole, 0))).toBe(ERR_INVALID_RESOURCE_ID);
    run(createResource2d(1, bgrx, 16, 16));
    expect(run(transferToHost2d(1, whole, 0))).toBe(ERR_UNSPEC);
  });

  test("transfer outside of the resource returns ERR_INVALID_PARAMETER", () => {
    makeResource(1);
    for (const outside of [
      rect(0, 0, 17, 1),
      rect(0, 0, 1, 17),
      rect(16, 0, 1, 1),
      rect(0xffff_ffff, 0, 2, 1),
      rect(2, 0, 0xffff_ffff, 1),
      rect(0, 0xffff_fff0, 1, 0x20),
    ]) {
      expect(run(transferToHost2d(1, outside, 0))).toBe(ERR_INVALID_PARAMETER);
    }
  });

  // QEMU's device and its C back-end do so too, and the guest's kernel takes an error for a bug of its own.
  test("transfer beyond the backing copies what that holds, and leaves the rest", () => {
    const buffer = makeResource(1);
    buffer.words.fill(7);
    for (const offset of [1024, 2 ** 32, 2n ** 53n, 2n ** 64n - 1n, 2n ** 64n - 1024n]) {
      expect(run(transferToHost2d(1, whole, offset))).toBe(OK_NODATA);
    }
    run(setScanout(0, 1, whole));
    expect(pixelsOf(context.take("display")).every((pixel) => pixel === 0)).toBe(true);

    buffer.words.forEach((_, at, words) => (words[at] = at + 1));
    const last = makeResource(2);
    last.words.forEach((_, at, words) => (words[at] = at + 1));
    expect(run(transferToHost2d(2, whole, (13 * 16 + 8) * 4))).toBe(OK_NODATA);
    expect(run(transferToHost2d(2, rect(4, 8, 8, 8), (14 * 16 + 4) * 4))).toBe(OK_NODATA);
    run(setScanout(0, 2, whole));
    const pixels = pixelsOf(context.take("display"));
    pixels.forEach((pixel, at) => {
      const [x, y] = [at % 16, Math.floor(at / 16)];
      const fromWhole = at < 40 ? 13 * 16 + 8 + at + 1 : 0;
      const fromPart = x >= 4 && x < 12 && (y === 8 || y === 9) ? (6 + y) * 16 + x + 1 : 0;
      expect(pixel).toBe(fromWhole + fromPart);
    });
  });

  test("transfer of nothing returns ok even beyond the backing", () => {
    makeResource(1);
    expect(run(transferToHost2d(1, rect(0, 0, 0, 5), 2 ** 40))).toBe(OK_NODATA);
    expect(run(transferToHost2d(1, rect(16, 16, 0, 0), 0))).toBe(OK_NODATA);
  });

  test("transfer of a rectangle takes rows a stride apart", () => {
    const buffer = makeResource(1);
    buffer.words.forEach((_, at, words) => (words[at] = at));
    run(transferToHost2d(1, rect(3, 2, 5, 4), (2 * 16 + 3) * 4));
    run(setScanout(0, 1, whole));

    const pixels = pixelsOf(context.take("display"));
    pixels.forEach((pixel, at) => {
      const [x, y] = [at % 16, Math.floor(at / 16)];
      expect(pixel).toBe(x >= 3 && x < 8 && y >= 2 && y < 6 ? at : 0);
    });
  });

  test("transfer of a rectangle may start anywhere in the backing", () => {
    const buffer = makeResource(1);
    buffer.words.forEach((_, at, words) => (words[at] = at));
    run(transferToHost2d(1, rect(0, 0, 2, 2), 4));
    run(setScanout(0, 1, whole));

    const pixels = pixelsOf(context.take("display"));
    expect([pixels[0], pixels[1], pixels[2], pixels[16], pixels[17]]).toEqual([1, 2, 0, 17, 18]);
  });

  test("transfer goes on after the memory was mapped anew", () => {
    const buffer = makeResource(1);
    bench.ask(bench.memoryMessage());
    buffer.words.fill(0xabcdef);

    expect(run(transferToHost2d(1, whole, 0))).toBe(OK_NODATA);
    run(setScanout(0, 1, whole));
    expect(pixelsOf(context.take("display"))[255]).toBe(0xabcdef);
  });
});

describe("scanouts", () => {
  beforeEach(() => begin());

  test("SET_SCANOUT with a bad scanout returns ERR_INVALID_SCANOUT_ID whatever the resource", () => {
    makeResource(1);
    for (const scanout of [16, 22, 0xffff_ffff]) {
      for (const resource of [0, 1, 99]) {
        expect(run(setScanout(scanout, resource, whole))).toBe(ERR_INVALID_SCANOUT_ID);
      }
    }
  });

  test("SET_SCANOUT with a bad resource returns ERR_INVALID_RESOURCE_ID", () => {
    expect(run(setScanout(0, 99, whole))).toBe(ERR_INVALID_RESOURCE_ID);
  });

  test("SET_SCANOUT with a bad rectangle returns ERR_INVALID_PARAMETER", () => {
    makeResource(1);
    for (const bad of [
      rect(0, 0, 0, 16),
      rect(0, 0, 16, 0),
      rect(1, 0, 16, 16),
      rect(0, 1, 16, 16),
      rect(0xffff_ffff, 0, 2, 2),
      rect(8, 8, 0xffff_fff9, 1),
    ]) {
      expect(run(setScanout(0, 1, bad))).toBe(ERR_INVALID_PARAMETER);
    }
    expect(told()).toEqual([]);
  });

  test("SET_SCANOUT announces the surface once and shows its rectangle", () => {
    makeResource(1);
    run(setScanout(0, 1, rect(2, 3, 8, 9)));
    run(setScanout(15, 1, whole));

    const [surface, first, second] = told();
    expect(surface).toMatchObject({
      type: "add-surface",
      stride: 64,
      width: 16,
      height: 16,
      bytes: 1024,
      offset: 0,
      format: bgrx,
    });
    const id = (surface as Extract<DisplayMessage, { type: "add-surface" }>).surface;
    expect(first).toEqual({ type: "show-scanout", scanout: 0, surface: id, ...rect(2, 3, 8, 9) });
    expect(second).toEqual({ type: "show-scanout", scanout: 15, surface: id, ...whole });
  });

  test("SET_SCANOUT with resource zero turns off", () => {
    makeResource(1);
    run(setScanout(4, 1, whole));
    told();
    expect(run(setScanout(4, 0, rect(0, 0, 0, 0)))).toBe(OK_NODATA);
    expect(told()).toEqual([{ type: "hide-scanout", scanout: 4 }]);
    run(flushResource(1, whole));
    expect(told()).toEqual([]);
  });

  test("flush reaches every scanout in its own coordinates", () => {
    makeResource(1);
    run(setScanout(0, 1, rect(0, 0, 8, 8)));
    run(setScanout(1, 1, rect(4, 4, 8, 8)));
    run(setScanout(2, 1, rect(12, 12, 4, 4)));
    told();

    expect(run(flushResource(1, rect(2, 5, 5, 4)))).toBe(OK_NODATA);

    expect(told()).toEqual([
      { type: "flush", scanout: 0, ...rect(2, 5, 5, 3) },
      { type: "flush", scanout: 1, ...rect(0, 1, 3, 4) },
    ]);
  });

  test("flush outside of the resource returns ERR_INVALID_PARAMETER", () => {
    makeResource(1);
    for (const bad of [
      rect(0, 0, 17, 1),
      rect(0, 16, 1, 1),
      rect(0xffff_ffff, 0, 1, 1),
      rect(1, 1, 0xffff_ffff, 1),
    ]) {
      expect(run(flushResource(1, bad))).toBe(ERR_INVALID_PARAMETER);
    }
    expect(run(flushResource(2, whole))).toBe(ERR_INVALID_RESOURCE_ID);
  });

  test("flush of nothing shows nothing", () => {
    makeResource(1);
    run(setScanout(0, 1, whole));
    told();
    expect(run(flushResource(1, rect(3, 3, 0, 4)))).toBe(OK_NODATA);
    expect(told()).toEqual([]);
  });

  test("a scanout that shows another resource takes no flush of the first", () => {
    makeResource(1);
    makeResource(2);
    run(setScanout(0, 1, whole));
    run(setScanout(0, 2, whole));
    told();
    run(flushResource(1, whole));
    expect(told()).toEqual([]);
    run(flushResource(2, whole));
    expect(told()).toHaveLength(1);
  });

  test("unref of what is shown turns every scanout off before the surface is dropped", () => {
    makeResource(1);
    run(setScanout(0, 1, whole));
    run(setScanout(15, 1, whole));
    const surface = (told()[0] as Extract<DisplayMessage, { type: "add-surface" }>).surface;

    expect(run(unrefResource(1))).toBe(OK_NODATA);

    expect(told()).toEqual([
      { type: "hide-scanout", scanout: 0 },
      { type: "hide-scanout", scanout: 15 },
      { type: "drop-surface", surface },
    ]);
    expect(run(setScanout(0, 0, whole))).toBe(OK_NODATA);
  });

  test("the storage of a shown resource lives until the display gives it back", () => {
    makeResource(1);
    const before = usedFds();
    run(setScanout(0, 1, whole));
    const surface = (told()[0] as Extract<DisplayMessage, { type: "add-surface" }>).surface;
    run(unrefResource(1));
    told();
    expect(usedFds()).toBe(before + 1);

    bench.tell({ type: "surface-released", surface });
    expect(usedFds()).toBe(before);
    bench.tell({ type: "surface-released", surface });
    expect(usedFds()).toBe(before);
  });

  test("an id that is made again before the display gave the old one back is another surface", () => {
    makeResource(1);
    run(setScanout(0, 1, whole));
    const first = (told()[0] as Extract<DisplayMessage, { type: "add-surface" }>).surface;
    run(unrefResource(1));
    told();
    makeResource(1);
    run(setScanout(0, 1, whole));
    const second = (told()[0] as Extract<DisplayMessage, { type: "add-surface" }>).surface;

    expect(second).not.toBe(first);
    bench.tell({ type: "surface-released", surface: first });
    expect(run(transferToHost2d(1, whole, 0))).toBe(OK_NODATA);
  });
});

describe("the order of what a command does", () => {
  /** What the guest saw when each message went to the display: answers on the ring, and whether it had been called. */
  let seen: { type: string; answers: number; isCalled: boolean }[];

  beforeEach(() => {
    begin();
    makeResource(1);
    makeResource(2);
    run(setScanout(0, 1, whole));
    told();
    const count = new Uint8Array(8);
    let isCalled = libc.read(bench.driver.callFd, count, 8) < 0;
    const before = usedIndex();
    seen = [];
    context.onSend = ({ to, message }) => {
      if (to !== "display") return;
      isCalled = libc.read(bench.driver.callFd, count, 8) === 8 || (isCalled && seen.length > 0);
      seen.push({ type: message.type, answers: (usedIndex() - before) & 0xffff, isCalled });
    };
  });

  const usedIndex = (): number => bench.driver.used.data.getUint16(2, true);

  test("is answer, interrupt, display", () => {
    for (const command of [flushResource(1, whole), setScanout(0, 2, whole), unrefResource(1)]) {
      bench.offer(command);
    }
    bench.run();

    expect(seen.map(({ type }) => type)).toEqual(["add-surface", "show-scanout", "drop-surface"]);
    for (const { answers, isCalled } of seen) expect([answers, isCalled]).toEqual([3, true]);
  });

  test("is the same in a batch that is never empty", () => {
    for (let command = 0; command < 100; command++) bench.offer(flushResource(1, whole), 24);
    bench.run();

    expect(seen.map(({ answers }) => answers)).toEqual([64, 100]);
  });
});

describe("a display that is behind", () => {
  beforeEach(() => {
    begin();
    makeResource(1);
    makeResource(2);
    run(setScanout(0, 1, whole));
    told();
    context.behind.set("display", 65);
  });

  const catchUp = (): DisplayMessage[] => {
    context.behind.set("display", 0);
    bench.offer(request(0));
    bench.run();
    bench.answers.length = 0;
    return told();
  };

  test("damage is merged", () => {
    run(flushResource(1, rect(1, 2, 3, 4)));
    run(flushResource(1, rect(8, 0, 2, 2)));
    expect(told()).toEqual([]);

    expect(catchUp()).toEqual([{ type: "flush", scanout: 0, ...rect(1, 0, 9, 6) }]);
    expect(catchUp()).toEqual([]);
  });

  test("page flips are merged to the last", () => {
    for (let flip = 0; flip < 20; flip++) {
      run(setScanout(0, 1 + (flip % 2), whole));
      run(flushResource(1 + (flip % 2), whole));
    }
    expect(told()).toEqual([]);

    const messages = catchUp();
    expect(messages.map(({ type }) => type)).toEqual(["add-surface", "show-scanout"]);
  });

  test("a resource that is freed before the display heard of it is never announced", () => {
    const before = usedFds();
    run(setScanout(0, 2, whole));
    run(unrefResource(2));

    expect(told()).toEqual([]);
    expect(usedFds()).toBe(before);
    expect(catchUp()).toEqual([{ type: "hide-scanout", scanout: 0 }]);
  });

  test("a surface that the display knows is dropped after what comes before it", () => {
    run(flushResource(1, whole));
    run(unrefResource(1));

    expect(told()).toEqual([]);
    expect(catchUp().map(({ type }) => type)).toEqual(["hide-scanout", "drop-surface"]);
  });

  test("surfaces that many frames leave behind are dropped all the same", () => {
    let lent = 1;
    for (let frame = 0; frame < 40; frame++) {
      const [last, next] = frame % 2 === 0 ? [1, 2] : [2, 1];
      run(setScanout(0, next, whole));
      run(unrefResource(last));
      makeResource(last);
      for (const { type } of told()) lent += type === "add-surface" ? 1 : type === "drop-surface" ? -1 : 0;
      expect(lent).toBeLessThan(10);
      context.behind.set("display", frame % 5 === 0 ? 0 : 65);
    }
  });

  test("damage before a flip is not of the new picture", () => {
    run(flushResource(1, rect(0, 0, 1, 1)));
    run(setScanout(0, 2, rect(4, 4, 4, 4)));

    const messages = catchUp();
    expect(messages.at(-1)).toMatchObject({ type: "show-scanout", ...rect(4, 4, 4, 4) });
    expect(messages.some(({ type }) => type === "flush")).toBe(false);
  });

  test("what was held back is sent by a timer when the guest says nothing more", () => {
    run(flushResource(1, whole));
    context.behind.set("display", 0);
    while (context.timers.timeout() > 0) context.epoll.wait(context.timers.timeout());
    bench.run();

    expect(told()).toHaveLength(1);
  });
});

describe("questions to the display", () => {
  beforeEach(() => begin());

  const modes = [
    { x: 0, y: 0, width: 1280, height: 800, enabled: true },
    { x: 1280, y: 0, width: 640, height: 480, enabled: false },
  ];

  /** Asks, and answers the token that went to the display and the head that waits. */
  function ask(command: DataView, room?: number): { token: number; head: number } {
    const head = bench.offer(command, room);
    bench.run();
    const [question] = context.take("display");
    if (question === undefined || !("token" in question)) throw new Error("nothing was asked");
    return { token: question.token, head };
  }

  function answerOf(head: number): Answer {
    bench.collect();
    const answer = bench.takeAnswer(head);
    if (answer === null) throw new Error("not answered");
    return answer;
  }

  test("display info is answered when the display has", () => {
    const { token, head } = ask(getDisplayInfo({ fenceId: 77n }));
    bench.collect();
    expect(bench.takeAnswer(head)).toBeNull();

    bench.tell({ type: "display-info", token, modes });

    const answer = answerOf(head);
    expect(answer).toMatchObject({ type: Response.OK_DISPLAY_INFO, length: 408, fenceId: 77n, flags: 1 });
    const words = new Uint32Array(answer.bytes.slice(0, DisplayInfo.bytes).buffer);
    expect([...words.subarray(6, 18)]).toEqual([0, 0, 1280, 800, 1, 0, 1280, 0, 640, 480, 0, 0]);
    expect(words.subarray(18).every((word) => word === 0)).toBe(true);
    expect(answer.bytes[408]).toBe(untouched);
  });

  test("display info is cut where there is less room", () => {
    const { token, head } = ask(getDisplayInfo(), 100);
    bench.tell({ type: "display-info", token, modes });

    expect(answerOf(head).length).toBe(100);
  });

  test("EDID is zero filled and never longer than its field", () => {
    const { token, head } = ask(getEdid(3));
    bench.tell({ type: "edid", token, edid: new Uint8Array(128).fill(7) });
    const answer = answerOf(head);
    expect(answer).toMatchObject({ type: Response.OK_EDID, length: Edid.bytes });
    const view = new DataView(answer.bytes.slice().buffer);
    expect(view.getUint32(24, true)).toBe(128);
    expect([answer.bytes[32], answer.bytes[159], answer.bytes[160]]).toEqual([7, 7, 0]);

    const second = ask(getEdid(3));
    bench.tell({ type: "edid", token: second.token, edid: new Uint8Array(5000).fill(9) });
    const long = answerOf(second.head);
    expect(long.length).toBe(Edid.bytes);
    expect(new DataView(long.bytes.slice().buffer).getUint32(24, true)).toBe(1024);
  });

  test("an earlier answer does not shine through a later one", () => {
    const first = ask(getEdid(0));
    bench.tell({ type: "edid", token: first.token, edid: new Uint8Array(1024).fill(0xff) });
    answerOf(first.head);
    const second = ask(getDisplayInfo());
    bench.tell({ type: "display-info", token: second.token, modes: [] });

    expect(
      answerOf(second.head)
        .bytes.subarray(24, 408)
        .every((byte) => byte === 0),
    ).toBe(true);
  });

  test("more modes than scanouts are cut", () => {
    const { token, head } = ask(getDisplayInfo());
    bench.tell({ type: "display-info", token, modes: Array.from({ length: 16 }, () => modes[0]!) });

    expect(answerOf(head).length).toBe(408);
  });

  test("EDID of a bad scanout returns ERR_INVALID_SCANOUT_ID and asks nobody", () => {
    for (const scanout of [16, 0xffff_ffff]) expect(run(getEdid(scanout))).toBe(ERR_INVALID_SCANOUT_ID);
    expect(context.take("display")).toEqual([]);
  });

  test("answers may come in any order and twice", () => {
    const first = ask(getDisplayInfo());
    const second = ask(getEdid(0));
    bench.tell({ type: "edid", token: second.token, edid: new Uint8Array(128) });
    bench.tell({ type: "edid", token: second.token, edid: new Uint8Array(128) });
    bench.tell({ type: "display-info", token: 99999, modes });
    bench.tell({ type: "display-info", token: first.token, modes });

    expect(answerOf(second.head).type).toBe(Response.OK_EDID);
    expect(answerOf(first.head).type).toBe(Response.OK_DISPLAY_INFO);
    expect(bench.answers).toEqual([]);
  });

  test("a flood of questions returns ERR_OUT_OF_MEMORY", () => {
    const heads = Array.from({ length: 70 }, () => bench.offer(getDisplayInfo(), 24));
    bench.run();

    expect(context.take("display")).toHaveLength(64);
    const refused = heads.map((head) => bench.takeAnswer(head)).filter((answer) => answer !== null);
    expect(refused.map(({ type }) => type)).toEqual(Array.from({ length: 6 }, () => ERR_OUT_OF_MEMORY));
  });

  test("a display that was restarted is asked again with the same token", () => {
    const { token, head } = ask(getDisplayInfo());
    bench.returnPeer("display");
    const again = told();

    expect(again.filter(({ type }) => type === "ask-display-info")).toEqual([
      { type: "ask-display-info", token },
    ]);
    bench.tell({ type: "display-info", token, modes });
    expect(answerOf(head).type).toBe(Response.OK_DISPLAY_INFO);
  });

  test("stopping the ring answers open questions with ERR_UNSPEC", () => {
    const { token, head } = ask(getDisplayInfo());
    expect(bench.stopRing()).toBe(1);

    expect(answerOf(head).type).toBe(ERR_UNSPEC);
    bench.tell({ type: "display-info", token, modes });
    bench.collect();
    expect(bench.answers).toEqual([]);
  });
});

describe("capsets and what is not known", () => {
  beforeEach(() => begin());

  test("capsets of any index or id return ERR_INVALID_PARAMETER with a bare header", () => {
    for (const index of [0, 1, 2, 99, 0xffff_ffff]) {
      expect(bench.command(getCapsetInfo(index))).toMatchObject({ type: ERR_INVALID_PARAMETER, length: 24 });
      expect(bench.command(getCapset(index, index))).toMatchObject({
        type: ERR_INVALID_PARAMETER,
        length: 24,
      });
    }
  });

  test("commands of features that were not offered return ERR_UNSPEC", () => {
    for (const type of [
      0,
      1,
      0xff,
      0x100 + 0xff,
      0x10b,
      0x10c,
      0x10d,
      0x200,
      0x207,
      0x208,
      0x2ff,
      0x300,
      0x301,
      0x1100,
      0x8000_0000,
      0xffff_ffff,
    ]) {
      expect(run(request(type, 128))).toBe(ERR_UNSPEC);
    }
  });

  test("every command that is too short returns ERR_UNSPEC", () => {
    const { RESOURCE_CREATE_2D, RESOURCE_UNREF, SET_SCANOUT, RESOURCE_FLUSH, TRANSFER_TO_HOST_2D } = Command;
    const { RESOURCE_ATTACH_BACKING, RESOURCE_DETACH_BACKING, GET_CAPSET_INFO, GET_CAPSET, GET_EDID } =
      Command;
    for (const [type, bytes] of [
      [RESOURCE_CREATE_2D, 40],
      [RESOURCE_UNREF, 32],
      [SET_SCANOUT, 48],
      [RESOURCE_FLUSH, 48],
      [TRANSFER_TO_HOST_2D, 56],
      [RESOURCE_ATTACH_BACKING, 32],
      [RESOURCE_DETACH_BACKING, 32],
      [GET_CAPSET_INFO, 32],
      [GET_CAPSET, 32],
      [GET_EDID, 32],
    ] as const) {
      for (const length of [24, bytes - 1]) expect(run(request(type, length))).toBe(ERR_UNSPEC);
    }
  });

  test("a short command is not filled up with the one before it", () => {
    run(createResource2d(1, bgrx, 4, 4));
    run(createResource2d(2, bgrx, 4, 4));
    expect(run(request(Command.RESOURCE_UNREF, 24))).toBe(ERR_UNSPEC);
    expect(run(unrefResource(2))).toBe(OK_NODATA);
  });
});

describe("the driver's life", () => {
  beforeEach(() => begin());

  test("a driver that starts anew finds nothing of the last one", () => {
    makeResource(1);
    makeResource(2);
    run(setScanout(3, 1, whole));
    told();
    bench.stopRing();
    bench.driver.reset(0);
    bench.ask(bench.ringStart());
    bench.run();

    expect(told().map(({ type }) => type)).toEqual(["hide-scanout", "drop-surface"]);
    expect(run(createResource2d(1, bgrx, 4, 4))).toBe(OK_NODATA);
    expect(run(flushResource(2, whole))).toBe(ERR_INVALID_RESOURCE_ID);
    expect(context.counters[CtrlCounter.resources]).toBe(1);
  });

  test("a driver that was paused goes on with its resources", () => {
    makeResource(1);
    run(setScanout(0, 1, whole));
    told();
    const base = bench.stopRing();
    bench.ask(bench.ringStart({ base }));

    expect(told()).toEqual([]);
    expect(run(flushResource(1, whole))).toBe(OK_NODATA);
    expect(told()).toHaveLength(1);
  });

  test("a display that was restarted is told what is shown as new surfaces", () => {
    makeResource(1);
    makeResource(2);
    run(setScanout(0, 1, rect(1, 1, 4, 4)));
    run(setScanout(2, 2, whole));
    run(setScanout(2, 0, whole));
    const before = told()
      .filter((message) => message.type === "add-surface")
      .map(({ surface }) => surface);

    bench.returnPeer("display");

    const messages = told();
    expect(messages.map(({ type }) => type)).toEqual([
      "drop-surface",
      "drop-surface",
      "add-surface",
      "show-scanout",
      ...Array.from({ length: 15 }, () => "hide-scanout" as const),
    ]);
    const [surface, scanout] = messages.slice(2) as unknown as [{ surface: number }, { surface: number }];
    expect(messages.slice(4)).toEqual(
      Array.from({ length: 15 }, (_, index) => ({ type: "hide-scanout", scanout: index + 1 })),
    );
    expect(before).not.toContain(surface.surface);
    expect(scanout).toMatchObject({ scanout: 0, surface: surface.surface, ...rect(1, 1, 4, 4) });
  });

  test("storage that a dead display had on lease is freed", () => {
    makeResource(1);
    const before = usedFds();
    run(setScanout(0, 1, whole));
    run(unrefResource(1));
    told();
    expect(usedFds()).toBe(before + 1);

    bench.returnPeer("display");
    told();

    expect(usedFds()).toBe(before);
  });

  test("a reset forgets everything", () => {
    makeResource(1);
    run(setScanout(0, 1, whole));
    told();
    expect(bench.ask({ type: "reset", token: 1 })).toBe("");
    bench.run();

    expect(told().map(({ type }) => type)).toEqual(["hide-scanout", "drop-surface"]);
  });
});
