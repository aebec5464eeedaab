// Ranges of a region against a list that is looked through whole.
import { expect, test } from "bun:test";
import { type Range, Ranges } from "../../../src/transport/virtio/ranges.ts";

/** A fixed sequence of numbers below `limit` that looks random. */
function numbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

test("what overlaps is found, and what begins somewhere, whatever was added and removed", () => {
  const next = numbers(7);
  const ranges = new Ranges<Range>();
  let model: Range[] = [];
  for (let step = 0; step < 20_000; step++) {
    const offset = next(1000);
    const bytes = 1 + next(20);
    const over = model.filter((one) => one.offset < offset + bytes && offset < one.offset + one.bytes);
    const found = ranges.overlapping(offset, bytes);
    if (over.length === 0) {
      expect(found).toBeUndefined();
      const one = { offset, bytes };
      ranges.add(one);
      model.push(one);
    } else {
      expect(over).toContain(found!);
      if (next(2) === 0) {
        ranges.remove(found!);
        model = model.filter((one) => one !== found);
      }
    }
    const at = next(1000);
    expect(ranges.at(at)).toBe(model.find((one) => one.offset === at));
    expect(ranges.count).toBe(model.length);
    expect(ranges.bytes).toBe(model.reduce((sum, one) => sum + one.bytes, 0));
  }
  expect([...ranges.all()]).toEqual(model.toSorted((one, other) => one.offset - other.offset));
  ranges.clear();
  expect([ranges.count, ranges.bytes, ranges.overlapping(0, 2000)]).toEqual([0, 0, undefined]);
});
