// What is refused of a stream before the library sees it, and what of guest memory it may have written: of commands that no
// library of this machine has, too.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Backing } from "../../../../src/actors/gpu/renderer/backing.ts";
import { Census, Tally } from "../../../../src/actors/gpu/renderer/virgl/census.ts";
import { VirglResource } from "../../../../src/actors/gpu/renderer/virgl/resource.ts";
import { StreamEffects } from "../../../../src/actors/gpu/renderer/virgl/stream-effects.ts";
import { Lack } from "../../../../src/actors/gpu/renderer/lack.ts";
import { StreamGuard } from "../../../../src/actors/gpu/renderer/virgl/stream-guard.ts";
import { EINVAL, ENOMEM } from "../../../../src/ffi/libc.ts";
import { closeFd, createMemfd } from "../../../../src/transport/os/fds.ts";
import { DirtyLog } from "../../../../src/transport/virtio/dirty-log.ts";
import { NativeMemory } from "../../../../src/transport/os/native-memory.ts";
import { type MappedGuest, mapGuest } from "../../../support/guest-map.ts";

const limits = { subContexts: 4, objects: 100, glContexts: 20, totalObjects: 300, objectBytes: 4000 };
const setStreamoutTargets = 25;
const createSubContext = 29;
const destroySubContext = 30;
const clearSurface = 62;
const getLayout = 63;
const texture = { target: 2, format: 1, bind: 2 | 8 };
const hostMemory = { target: 0, format: 64, bind: 1 << 17 };

let mapped: MappedGuest;
let resources: Map<number, VirglResource>;
let guard: StreamGuard;
let census: Census;

beforeEach(() => {
  mapped = mapGuest();
  resources = new Map();
  const tally = new Tally();
  guard = new StreamGuard(resources, limits, tally, new Lack());
  census = new Census(tally);
});
afterEach(() => mapped.free());

/** Adds a resource; `backed`: bytes of backing, from guest address `address` on, that the library has. */
function add(id: number, kind: typeof texture, width: number, backed = 0, address = 0): VirglResource {
  const resource = new VirglResource(id, [kind.target, kind.format, kind.bind, width, 1, 1, 1, 0, 0, 0]);
  if (backed > 0) {
    resource.backing = Backing.read(mapped.map, Uint32Array.of(address, 0, backed, 0), 0, 1);
    resource.pieces = 1;
  }
  resources.set(id, resource);
  return resource;
}

const command = (number: number, ...payload: number[]) =>
  Uint32Array.of(number | (payload.length << 16), ...payload);
const check = (words: Uint32Array) => guard.check(census, words, 0, words.length);

/** Has written pages marked: a bit each. */
function logPages(): { log: Uint8Array; counting: CountingLog; end: () => void } {
  const bytes = 32;
  const fd = createMemfd("dirty-log", bytes);
  const memory = NativeMemory.mapShared(fd, 0, bytes, "write");
  const counting = (mapped.map.dirtyLog = new CountingLog(fd, 0, bytes));
  const end = (): void => {
    mapped.map.dirtyLog = null;
    counting.unmap();
    memory.unmap();
    closeFd(fd);
  };
  return { log: new Uint8Array(memory.view()), counting, end };
}

class CountingLog extends DirtyLog {
  marks = 0;

  override mark(address: number, length: number): void {
    this.marks++;
    super.mark(address, length);
  }
}

describe("transfers from the host while pages are logged", () => {
  const array = { target: 7, format: 64, bind: 2 | 8 };
  const [width, height, layers] = [1, 200, 100];
  /** `count` transfers of the box, of one byte a row. */
  const transfers = (count: number, boxWidth: number, stride = 0) =>
    Uint32Array.from(
      Array.from({ length: count }, () => [
        ...command(43, 1, 0, 0, stride, 0, 0, 0, 0, boxWidth, height, layers, 0, 2),
      ]).flat(),
    );
  const addArray = (backed: number): void => {
    const resource = new VirglResource(1, [
      array.target,
      array.format,
      array.bind,
      width,
      height,
      1,
      layers,
      0,
      0,
      0,
    ]);
    resource.backing = Backing.read(mapped.map, Uint32Array.of(0, 0, backed, 0), 0, 1);
    resource.pieces = 1;
    resources.set(1, resource);
  };
  const follow = (words: Uint32Array, hasFailed: boolean): void => {
    expect(check(words)).toBe(0);
    new StreamEffects(resources).follow(census, words, 0, words.length, hasFailed);
  };

  test("cost no more than the pages that they touch", () => {
    addArray(layers * height * 20);
    const { log, counting, end } = logPages();
    follow(transfers(1, width, 20), false);
    expect(counting.marks).toBe(layers);
    const pages = Math.ceil((layers * height * 20) / 4096);
    const marked = [...log].reduce((sum, byte) => sum + byte.toString(2).replaceAll("0", "").length, 0);
    expect(marked).toBe(pages);
    end();
  });

  test("cost nothing where there is nothing to copy, and are not run layer by layer", () => {
    addArray(layers * height);
    const { counting, end } = logPages();
    follow(transfers(50, 0), false);
    expect([counting.marks, guard.layered.length]).toEqual([0, 0]);
    end();
  });

  test("mark all of a backing, once, where the stream ended nobody knows where", () => {
    addArray(layers * height);
    const { log, counting, end } = logPages();
    follow(transfers(1000, width, 1), true);
    expect(counting.marks).toBe(1);
    expect([...log].slice(0, 2)).toEqual([0b11111, 0]);
    end();
  });
});

describe("a question for a layout", () => {
  test("is refused where its answer would be written beyond what there is", () => {
    add(1, texture, 256);
    add(2, texture, 256, 79);
    add(3, hostMemory, 79);
    // The library has no pieces of it just now.
    add(4, texture, 256, 4096).pieces = 0;
    for (const id of [1, 2, 3, 4]) expect(check(command(getLayout, id, 1))).toBe(EINVAL);
    expect(check(command(getLayout, 1))).toBe(EINVAL);
    expect(check(command(getLayout))).toBe(EINVAL);
  });

  test("may be answered into a backing, or into the library's own memory", () => {
    add(1, texture, 256, 80);
    add(2, hostMemory, 80);
    for (const id of [1, 2]) expect(check(command(getLayout, id, 1))).toBe(0);
    // The library knows what is wrong with a resource that there is not.
    expect(check(command(getLayout, 99, 1))).toBe(0);
  });

  test("marks the pages that its answer was written to", () => {
    const { log, end } = logPages();
    // Its answer crosses from page 3 into page 4.
    add(1, texture, 256, 4096, 3 * 4096 + 4090);
    const words = command(getLayout, 1, 1);
    expect(check(words)).toBe(0);
    expect(guard.hasEffects).toBe(true);
    new StreamEffects(resources).follow(census, words, 0, words.length, false);
    expect([...log].slice(0, 2)).toEqual([0b11000, 0]);
    end();
  });
});

test("a shader's pieces count together, and what replaces an object counts alone", () => {
  const tally = new Tally();
  const own = new StreamGuard(resources, { ...limits, objectBytes: 100 }, tally, new Lack());
  const one = new Census(tally);
  const shader = (...payload: number[]) => {
    const words = command(1, ...payload);
    words[0]! |= 4 << 8;
    return words;
  };
  const run = (words: Uint32Array): number => {
    const error = own.check(one, words, 0, words.length);
    if (error === 0) new StreamEffects(resources).follow(one, words, 0, words.length, false);
    return error;
  };
  expect(run(shader(7, 0, 40, 9, 0, 1, 2, 3, 4, 5))).toBe(0);
  expect(run(shader(7, 0, 0x8000_0014, 9, 0, 1, 2, 3, 4, 5))).toBe(0);
  expect(tally.objectWords).toBe(20);
  expect(run(shader(7, 0, 0x8000_0014, 9, 0, 1))).toBe(ENOMEM);
  expect(run(shader(7, 0, 8, 9, 0))).toBe(0);
  expect([tally.objects, tally.objectWords]).toEqual([1, 5]);
  one.close();
  expect([tally.objects, tally.objectWords]).toEqual([0, 0]);
});

test("each set of streamout targets counts as an object until its sub-context goes", () => {
  const tally = new Tally();
  const own = new StreamGuard(resources, { ...limits, objects: 3 }, tally, new Lack());
  const one = new Census(tally);
  const run = (...streams: Uint32Array[]): number => {
    const words = Uint32Array.from(streams.flatMap((stream) => [...stream]));
    const error = own.check(one, words, 0, words.length);
    if (error === 0) new StreamEffects(resources).follow(one, words, 0, words.length, false);
    return error;
  };
  const targets = (...handles: number[]) => command(setStreamoutTargets, 0, ...handles);
  expect(run(command(createSubContext, 1))).toBe(0);
  expect(run(targets(5))).toBe(0);
  // None at all are no object, and what is known is none more.
  for (let round = 0; round < 5; round++) expect([run(targets()), run(targets(5))]).toEqual([0, 0]);
  expect(run(targets(5, 6), targets(6, 5))).toBe(0);
  expect([tally.objects, tally.objectWords]).toEqual([3, 5]);
  expect(run(targets(6))).toBe(ENOMEM);
  expect(run(command(destroySubContext, 1))).toBe(0);
  expect([tally.objects, tally.objectWords]).toEqual([0, 0]);
  expect(run(targets(6))).toBe(0);
  one.close();
  expect([tally.objects, tally.objectWords]).toEqual([0, 0]);
});

test("commands that are newer than this are refused: what they would write would be seen by nobody", () => {
  expect(check(command(clearSurface, 1))).toBe(0);
  for (let number = 64; number < 256; number++) expect(check(command(number, 1, 2, 3))).toBe(EINVAL);
});
