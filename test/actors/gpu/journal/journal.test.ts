// The journal as memory of two processes: what one has written, another reads, whenever the first ended.

import { afterAll, afterEach, expect, test } from "bun:test";
import * as fc from "fast-check";
import { Journal } from "../../../../src/actors/gpu/journal/journal.ts";
import { contextName, JournalKind, KeptState } from "../../../../src/actors/gpu/journal/kept-state.ts";
import { Request } from "../../../../src/actors/queue/request.ts";
import * as commands from "../../../../lab/driver/commands.ts";
import * as commands3d from "../../../../lab/driver/commands-3d.ts";
import * as commandsBlob from "../../../../lab/driver/commands-blob.ts";
import { closeFd, createMemfd } from "../../../../src/transport/os/fds.ts";
import { NativeMemory } from "../../../../src/transport/os/native-memory.ts";
import {
  BlobMem,
  Format,
  Header,
  MemoryEntry,
  AttachBacking,
  scanoutsMax,
  SetScanout,
} from "../../../../src/transport/wire/virtio-gpu/protocol.ts";

const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0)) close();
});

const request = new Request(64 * 1024);
afterAll(() => request.close());

class Pair {
  readonly journal: Journal;
  private readonly fd: number;

  constructor(private readonly bytes = 1024 * 1024) {
    this.fd = createMemfd("journal", bytes);
    opened.push(() => closeFd(this.fd));
    this.journal = this.another();
  }

  /** As a successor has it. */
  another(): Journal {
    const journal = new Journal(NativeMemory.mapShared(this.fd, 0, this.bytes, "write"));
    opened.push(() => journal.close());
    return journal;
  }

  keep(view: DataView, journal = this.journal): void {
    new Uint8Array(request.words.buffer as ArrayBuffer, request.words.byteOffset).set(
      new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength),
    );
    request.length = view.byteLength;
    journal.keep(request);
  }

  read(): KeptState {
    return this.another().read();
  }
}

/** A state as plain values, to compare. */
function plain({ features, contexts, resources, scanouts, deaths }: KeptState): unknown {
  const list = (words: Uint32Array | null): number[] | null => words && [...words];
  return {
    features,
    contexts: [...contexts].map(([id, { create, attached }]) => [
      id,
      list(create),
      [...attached.keys()].sort((a, b) => a - b),
    ]),
    resources: [...resources].map(([id, { create, isBare, backing, uuid }]) => [
      id,
      list(create),
      isBare,
      list(backing),
      list(uuid),
    ]),
    scanouts: scanouts.map(list),
    deaths: [...deaths],
  };
}

const area = { x: 0, y: 0, width: 4, height: 4 };
const range = (address: number, length: number) => ({ address, length });

test("a successor reads what was made, and not what was ended", () => {
  const pair = new Pair();
  const { journal } = pair;
  expect(journal.isEmpty).toBe(true);
  journal.featuresAre(0b1011);
  pair.keep(commands.createResource2d(1, Format.B8G8R8X8, 4, 4));
  pair.keep(commands.attachBacking(1, [range(0x1000, 64)]));
  pair.keep(commands.createResource2d(2, Format.B8G8R8X8, 4, 4));
  pair.keep(commands3d.createContext(7, "glxgears"));
  pair.keep(commands3d.attachResource(7, 1));
  pair.keep(commands3d.attachResource(7, 2));
  pair.keep(commands.setScanout(0, 1, area));
  pair.keep(commands.setScanout(3, 2, area));
  pair.keep(commands.unrefResource(2));

  const state = pair.read();
  expect(state.features).toBe(0b1011);
  expect([...state.resources.keys()]).toEqual([1]);
  expect(state.resources.get(1)!.backing![AttachBacking.bytes / 4 + MemoryEntry.address / 4]).toBe(0x1000);
  expect([...state.contexts.get(7)!.attached.keys()]).toEqual([1]);
  expect(contextName(state.contexts.get(7)!.create)).toBe("glxgears");
  expect(state.scanouts.map((words) => words?.[SetScanout.resourceId / 4] ?? 0)).toEqual([
    1,
    ...Array.from({ length: scanoutsMax - 1 }, () => 0),
  ]);

  pair.keep(commands.detachBacking(1));
  pair.keep(commands3d.destroyContext(7));
  pair.keep(commands.setScanout(0, 0, area));
  const later = pair.read();
  expect(later.resources.get(1)!.backing).toBeNull();
  expect(later.contexts.size).toBe(0);
  expect(later.scanouts.every((one) => one === null)).toBe(true);
  journal.clear();
  expect(pair.another().isEmpty).toBe(true);
});

test("a blob that was made with pages and has lost them is shown no more, and has none", () => {
  const pair = new Pair();
  const layout = { format: Format.B8G8R8X8, width: 4, height: 4, strides: [16] };
  pair.keep(
    commandsBlob.createBlob({ resourceId: 5, mem: BlobMem.GUEST, size: 4096 }, [range(0x2000, 4096)]),
  );
  pair.keep(commandsBlob.setScanoutBlob(1, 5, area, layout));
  expect(pair.read().scanouts[1]).not.toBeNull();
  pair.keep(commands.detachBacking(5));
  const state = pair.read();
  expect(state.resources.get(5)).toMatchObject({ isBare: true, backing: null });
  expect(state.scanouts[1]).toBeNull();
  pair.keep(commands.attachBacking(5, [range(0x9000, 4096)]));
  expect(pair.read().resources.get(5)!.backing![AttachBacking.bytes / 4]).toBe(0x9000);
});

test("a resource that takes another's number is not shown in its place", () => {
  const pair = new Pair();
  pair.keep(commands.createResource2d(1, Format.B8G8R8X8, 4, 4));
  for (let flip = 0; flip < 3; flip++) pair.keep(commands.setScanout(2, 1, { ...area, x: flip }));
  expect(pair.read().scanouts[2]![SetScanout.x / 4]).toBe(2);
  const successor = pair.another();
  Object.assign(pair, { journal: successor });
  pair.keep(commands.unrefResource(1));
  pair.keep(commands.createResource2d(1, Format.B8G8R8X8, 4, 4));
  expect(pair.read().scanouts[2]).toBeNull();
});

test("what a snapshot shows by a request that is too long is shown, and nothing else is another by that", () => {
  const pair = new Pair();
  const longShown = (scanout: number, words: number) => {
    const { buffer, byteOffset, byteLength } = commands.setScanout(scanout, scanout + 1, area);
    const long = new Uint32Array(words).fill(0xdead);
    long.set(new Uint32Array(buffer, byteOffset, byteLength / 4));
    return { kind: JournalKind.request, words: long };
  };
  for (const id of [1, 2]) pair.keep(commands.createResource2d(id, Format.B8G8R8X8, 4, 4));
  pair.keep(commands.setScanout(1, 2, area));
  const made = [1, 2].map((id) => {
    const { buffer, byteOffset, byteLength } = commands.createResource2d(id, Format.B8G8R8X8, 4, 4);
    return {
      kind: JournalKind.request,
      words: new Uint32Array(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer),
    };
  });
  pair.journal.fill(KeptState.of([...made, longShown(0, 200)]));
  expect(pair.read().scanouts.map((words) => words?.[SetScanout.resourceId / 4] ?? 0)).toEqual([
    1,
    2,
    ...Array.from({ length: scanoutsMax - 2 }, () => 0),
  ]);
});

test("a UUID and deaths are kept, and a driver that starts anew is told of neither", () => {
  const pair = new Pair();
  pair.keep(commands.createResource2d(1, Format.B8G8R8X8, 4, 4));
  request.responseWords.set([1, 2, 3, 4], Header.bytes / 4);
  pair.keep(commands.assignUuid(1));
  expect([...pair.read().resources.get(1)!.uuid!]).toEqual([1, 1, 2, 3, 4]);
  for (let death = 1; death <= 3; death++) {
    expect(pair.journal.isDeadly("glxgears")).toBe(false);
    expect(pair.another().died("glxgears")).toBe(death);
    Object.assign(pair, { journal: pair.another() });
  }
  expect(pair.journal.isDeadly("glxgears")).toBe(true);
  expect(pair.journal.isDeadly("other")).toBe(false);
  expect([...pair.read().resources.get(1)!.uuid!]).toEqual([1, 1, 2, 3, 4]);
  pair.journal.clear();
  expect(pair.another().isDeadly("glxgears")).toBe(false);
});

test("what is made and ended again and again takes no more room", () => {
  const pair = new Pair(64 * 1024);
  pair.keep(commands.createResource2d(99, Format.B8G8R8X8, 4, 4));
  for (let id = 1; id < 5000; id++) {
    pair.keep(commands.createResource2d(1 + (id % 3), Format.B8G8R8X8, 4, 4));
    pair.keep(commands.unrefResource(1 + (id % 3)));
  }
  expect([...pair.read().resources.keys()]).toEqual([99]);
  expect(pair.journal.isOver).toBe(false);
});

test("more than there is room for is said to be missing, until the driver starts anew", () => {
  const pair = new Pair(64 * 1024);
  for (let id = 1; id < 5000; id++) pair.keep(commands.createResource2d(id, Format.B8G8R8X8, 4, 4));
  expect(pair.another().isOver).toBe(true);
  pair.journal.clear();
  expect(pair.another().isOver).toBe(false);
});

test("whatever a process has left there that was somebody else's by then, it can be read", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 64, maxLength: 512 }), fc.nat(16_000), (bytes, used) => {
      const size = 64 * 1024;
      const fd = createMemfd("journal", size);
      const memory = NativeMemory.mapShared(fd, 0, size, "write");
      new Uint8Array(memory.view()).set(bytes, 8192);
      new Int32Array(memory.view())[1] = used;
      const journal = new Journal(memory);
      const state = journal.read();
      for (const { create } of state.contexts.values()) contextName(create);
      journal.died("x");
      expect(journal.read().deaths.get("x")).toBe(1);
      journal.close();
      closeFd(fd);
    }),
  );
});

/** Any request that makes or ends something, of few ids. */
const id = fc.integer({ min: 1, max: 4 });
const step = fc.oneof(
  id.map((one) => commands.createResource2d(one, Format.B8G8R8X8, 4, 4)),
  id.map((one) =>
    commandsBlob.createBlob({ resourceId: one, mem: BlobMem.GUEST, size: 64 }, [range(64, 64)]),
  ),
  id.map((one) => commands.unrefResource(one)),
  id.map((one) => commands.attachBacking(one, [range(4096 * one, 64)])),
  id.map((one) => commands.detachBacking(one)),
  fc.tuple(id, id).map(([scanout, one]) => commands.setScanout(scanout, one - 1, area)),
  id.map((one) => commands3d.createContext(one, `c${one}`)),
  id.map((one) => commands3d.destroyContext(one)),
  fc.tuple(id, id).map(([one, other]) => commands3d.attachResource(one, other)),
  fc.tuple(id, id).map(([one, other]) => commands3d.detachResource(one, other)),
);

test("a journal that was written anew says the same", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const pair = new Pair(64 * 1024);
      for (const one of steps) pair.keep(one);
      const before = plain(pair.read()) as { deaths: unknown };
      // Which writes it anew.
      pair.journal.died("somebody");
      const after = plain(pair.read()) as { deaths: unknown };
      expect(after).toEqual({ ...before, deaths: [["somebody", 1]] });
    }),
  );
});

test("a resource that is left out is gone for all who come after, with what it was attached to and shown on", () => {
  const pair = new Pair();
  const area = { x: 0, y: 0, width: 8, height: 8 };
  for (const id of [1, 2]) pair.keep(commands.createResource2d(id, Format.B8G8R8X8, 8, 8));
  pair.keep(commands3d.createContext(5, "demo"));
  pair.keep(commands3d.attachResource(5, 2));
  pair.keep(commands.setScanout(0, 2, area));

  pair.another().leaveOut(2);

  const { resources, contexts, scanouts } = pair.read();
  expect([...resources.keys()]).toEqual([1]);
  expect(contexts.get(5)!.attached.size).toBe(0);
  expect(scanouts[0]).toBeNull();
});

test("a death between the end of what is shown and that of its being shown shows no other resource of its id", () => {
  const pair = new Pair();
  const create = commands.createResource2d(4, Format.B8G8R8X8, 8, 8);
  pair.keep(create);
  pair.keep(commands.setScanout(0, 4, { x: 0, y: 0, width: 8, height: 8 }));
  pair.journal["hide"] = () => {};
  pair.keep(commands.unrefResource(4));
  pair.keep(create, pair.another());
  const { resources, scanouts } = pair.read();
  expect({ ids: [...resources.keys()], shown: scanouts[0] }).toEqual({ ids: [4], shown: null });
});
