// Every command of a stream is seen once, with what its header says; a stream that ends inside of a command is refused.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { EINVAL } from "../../../../src/ffi/libc.ts";
import { Census, Tally } from "../../../../src/actors/gpu/renderer/virgl/census.ts";
import { HandleSet } from "../../../../src/actors/gpu/renderer/virgl/handle-set.ts";
import { type StreamVisitor, walkStream } from "../../../../src/actors/gpu/renderer/virgl/stream-walk.ts";

interface Seen {
  command: number;
  object: number;
  header: number;
  length: number;
}

class Recorder implements StreamVisitor {
  readonly seen: Seen[] = [];
  constructor(private readonly refuseAt = -1) {}

  visit(command: number, object: number, words: Uint32Array, header: number, length: number): number {
    expect(header + length).toBeLessThan(words.length);
    if (this.seen.length === this.refuseAt) return 5;
    this.seen.push({ command, object, header, length });
    return 0;
  }
}

const commands = fc.array(
  fc.record({
    command: fc.nat(255),
    object: fc.nat(255),
    payload: fc.array(fc.nat(0xffff_ffff), { maxLength: 9 }),
  }),
  { maxLength: 12 },
);

function encode(list: { command: number; object: number; payload: number[] }[], from: number): Uint32Array {
  const words = Array.from({ length: from }, () => 0xffff_ffff);
  for (const { command, object, payload } of list) {
    words.push(command | (object << 8) | (payload.length << 16), ...payload);
  }
  return Uint32Array.from(words);
}

describe("a walk", () => {
  test("sees every command in order", () => {
    fc.assert(
      fc.property(commands, fc.nat(5), (list, from) => {
        const words = encode(list, from);
        const recorder = new Recorder();
        expect(walkStream(words, from, words.length - from, recorder)).toBe(0);
        let header = from;
        const expected = list.map(({ command, object, payload }) => {
          const seen = { command, object, header, length: payload.length };
          header += payload.length + 1;
          return seen;
        });
        expect(recorder.seen).toEqual(expected);
      }),
    );
  });

  test("returns EINVAL where the stream ends inside of a command, whatever lies behind", () => {
    fc.assert(
      fc.property(commands, fc.nat(), (list, cut) => {
        const words = encode(list, 0);
        const ends = new Set([0]);
        for (let at = 0; at < words.length;) ends.add((at += (words[at]! >>> 16) + 1));
        const count = cut % (words.length + 1);
        expect(walkStream(words, 0, count, new Recorder())).toBe(ends.has(count) ? 0 : EINVAL);
      }),
    );
  });

  test("ends with what a visit returns", () => {
    const words = encode(
      [1, 2, 3].map((command) => ({ command, object: 0, payload: [7] })),
      0,
    );
    const recorder = new Recorder(2);
    expect(walkStream(words, 0, words.length, recorder)).toBe(5);
    expect(recorder.seen.map(({ command }) => command)).toEqual([1, 2]);
  });
});

/** As the library does it, in the plainest words. */
class Model {
  readonly subs = new Map<number, Set<number>>([[0, new Set()]]);
  current = 0;
}

describe("a census", () => {
  const step = fc.record({
    kind: fc.constantFrom("create", "destroy", "createSub", "setSub", "destroySub"),
    id: fc.nat(4),
  });

  test("counts what a context has, whatever order things come and go in", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const tally = new Tally();
        const census = new Census(tally);
        const model = new Model();
        for (const { kind, id } of steps) {
          const objects = model.subs.get(model.current)!;
          switch (kind) {
            case "create":
              census.createObject(id, 3, false, null);
              // Handle 0 is no object's.
              if (id !== 0) objects.add(id);
              break;
            case "destroy":
              census.destroyObject(id);
              objects.delete(id);
              break;
            case "createSub":
              census.createSubContext(id);
              if (!model.subs.has(id)) {
                model.subs.set(id, new Set());
                model.current = id;
              }
              break;
            case "setSub":
              census.setSubContext(id);
              if (model.subs.has(id)) model.current = id;
              break;
            default:
              census.destroySubContext(id);
              if (id !== 0) {
                model.subs.delete(id);
                if (model.current === id) model.current = 0;
              }
          }
          const count = [...model.subs.values()].reduce((sum, { size }) => sum + size, 0);
          expect([census.objectCount, census.subContextCount]).toEqual([count, model.subs.size - 1]);
          expect([tally.objects, tally.objectWords]).toEqual([count, count * 3]);
          expect(tally.glContexts).toBe(model.subs.size);
        }
        census.close();
        expect([tally.objects, tally.objectWords, tally.glContexts]).toEqual([0, 0, 0]);
      }),
    );
  });
});

describe("a set of handles", () => {
  // Few enough to meet again, and many that want the same place.
  const handle = fc.oneof(
    fc.nat(40),
    fc.nat(15).map((high) => high * 0x1000_0000 + 1),
    fc.nat(0xffff_ffff),
  );

  test("is a set", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), handle), { maxLength: 300 }), (steps) => {
        const set = new HandleSet();
        const model = new Set<number>();
        for (const [isAdded, one] of steps) {
          if (isAdded) {
            expect(set.add(one, one & 7, false)).toBe(one !== 0 && !model.has(one));
            if (one !== 0) model.add(one);
          } else expect(set.delete(one)).toBe(model.delete(one));
          expect(set.size).toBe(model.size);
          expect(set.weight).toBe([...model].reduce((sum, each) => sum + (each & 7), 0));
        }
        for (const one of model) expect(set.add(one, 2, true)).toBe(false);
        expect(set.weight).toBe([...model].reduce((sum, each) => sum + (each & 7) + 2, 0));
        for (const one of model) expect(set.delete(one)).toBe(true);
        expect([set.size, set.weight]).toEqual([0, 0]);
      }),
    );
  });

  test("holds as many as a context may have", () => {
    const set = new HandleSet();
    for (let one = 1; one <= 100_000; one++) set.add(one, 1, false);
    expect(set.size).toBe(100_000);
    for (let one = 1; one <= 100_000; one += 2) expect(set.delete(one)).toBe(true);
    expect(set.size).toBe(50_000);
    for (let one = 2; one <= 100_000; one += 2) expect(set.add(one, 1, false)).toBe(false);
  });
});
