// What is known of a recording without playing it: which command made a pixel, when frames were shown.

import { expect, test } from "bun:test";
import * as commands from "../../lab/driver/commands.ts";
import { Catalogue, thinned } from "../../src/recording/catalogue.ts";
import { stepsOf } from "../../src/recording/steps.ts";
import { Touches } from "../../src/recording/touches.ts";
import type { Recording } from "../../src/transport/wire/record/recording.ts";
import { recordingFrom } from "../../src/transport/wire/record/reader.ts";
import { Format, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { chanceOf } from "../../lab/fuzz/chance.ts";
import { Tape } from "../support/tape.ts";

const size = { width: 12, height: 9 };
const opened = (bytes: Buffer): Recording =>
  recordingFrom((offset, length) => bytes.subarray(offset, offset + length), bytes.length);

function whole(bytes: Buffer): Catalogue {
  const catalogue = new Catalogue(opened(bytes));
  while (!catalogue.isWhole) catalogue.advance(1);
  return catalogue;
}

/** What made each pixel of a resource. */
interface Made {
  writer: (number | null)[];
  flush: (number | null)[];
}

/** After each command: what each resource's pixels were made by, and what scanout 0 shows. */
interface Moment {
  made: Map<number, Made>;
  view: { resource: number; x: number; y: number } | null;
}

/** A guest that draws by chance, with every pixel's makers kept beside it. */
function drawn(seed: number, steps: number): { bytes: Buffer; moments: Moment[] } {
  const chance = chanceOf(seed);
  const tape = new Tape();
  const moments: Moment[] = [];
  const made = new Map<number, Made>();
  let view: Moment["view"] = null;
  const nothing = (): (number | null)[] => Array.from({ length: size.width * size.height }, () => null);
  const rectOf = () => {
    const [x, y] = [chance(size.width), chance(size.height)];
    return { x, y, width: 1 + chance(size.width - x), height: 1 + chance(size.height - y) };
  };
  const fill = (pixels: (number | null)[], { x, y, width, height }: ReturnType<typeof rectOf>): void => {
    for (let row = y; row < y + height; row++) {
      pixels.fill(moments.length, row * size.width + x, row * size.width + x + width);
    }
  };
  for (let step = 0; step < steps; step++) {
    const id = 1 + chance(3);
    const rect = rectOf();
    const known = made.get(id);
    const type = known === undefined ? Response.ERR_INVALID_RESOURCE_ID : Response.OK_NODATA;
    switch (chance(known === undefined ? 3 : 12)) {
      case 0:
        tape.command(commands.unrefResource(id), { type });
        if (view?.resource === id) view = null;
        made.delete(id);
        break;
      case 1:
        if (known !== undefined) continue;
        tape.command(commands.createResource2d(id, Format.B8G8R8X8, size.width, size.height));
        made.set(id, { writer: nothing(), flush: nothing() });
        break;
      case 2:
        tape.command(commands.setScanout(0, id, rect), { type });
        if (known !== undefined) view = { resource: id, x: rect.x, y: rect.y };
        break;
      case 3:
        tape.add("reset", { queue: 0 });
        made.clear();
        view = null;
        continue;
      case 4:
        tape.command(commands.setScanout(0, 0, rect));
        view = null;
        break;
      case 5:
        // What was refused has made nothing.
        tape.command(commands.transferToHost2d(id, rect, 0), { type: Response.ERR_INVALID_PARAMETER });
        break;
      case 6:
      case 7:
      case 8:
        tape.command(commands.flushResource(id, rect), { type });
        if (known !== undefined) fill(known.flush, rect);
        break;
      default:
        tape.command(commands.transferToHost2d(id, rect, 0), { type });
        if (known !== undefined) fill(known.writer, rect);
    }
    const copies = [...made].map(([key, one]) => {
      return [key, { writer: [...one.writer], flush: [...one.flush] }] as [number, Made];
    });
    moments.push({ made: new Map(copies), view });
  }
  return { bytes: tape.end(), moments };
}

test.each([1, 2, 3])(
  "names the makers of every pixel at every moment, as a model has them (seed %p)",
  (seed) => {
    const { bytes, moments } = drawn(seed, 250);
    const { touches, commands: count } = whole(bytes);
    expect(count).toBe(moments.length);
    const found: unknown[] = [];
    const wanted: unknown[] = [];
    moments.forEach(({ made, view }, command) => {
      // A reset behind a command is played with the next.
      found.push(touches.view(0, command + 1));
      wanted.push(view);
      for (const id of [1, 2, 3]) {
        const one = made.get(id);
        for (let at = 0; at < size.width * size.height; at += 7) {
          const place = { x: at % size.width, y: Math.floor(at / size.width) };
          found.push(touches.makers(id, place, command + 1));
          wanted.push(one === undefined ? null : { writer: one.writer[at]!, flush: one.flush[at]! });
        }
      }
    });
    expect(found).toEqual(wanted);
  },
);

test("says nothing of what a renderer may have drawn, and of what it had no room for", () => {
  const tape = new Tape();
  tape.command(commands.createResource2d(1, Format.B8G8R8X8, 8, 8));
  const all = { x: 0, y: 0, width: 8, height: 8 };
  for (let count = 0; count < 3; count++) tape.command(commands.transferToHost2d(1, all, 0));
  const recording = opened(tape.end());
  const touches = new Touches(3);
  let command = 0;
  for (const step of stepsOf(recording.entries())) {
    touches.take(step, command);
    if (step.kind === "step") command++;
  }
  expect(touches.makers(1, { x: 1, y: 1 }, 3)).toEqual({ writer: 2, flush: null });
  expect(touches.makers(1, { x: 1, y: 1 }, 4)).toBeNull();
  expect(touches.makers(2, { x: 1, y: 1 }, 3)).toBeNull();
});

test("begins with what the first keyframe has, and minds no later one", () => {
  const tape = new Tape();
  const keyframe = (): void => {
    tape.add("keyframe", { features: 2 });
    tape.add("resource", { id: 1, format: Format.B8G8R8X8, width: 8, height: 8 });
    tape.add("resource", { id: 2, width: 8, height: 8, flags: 1 });
    tape.add("scanout", { scanout: 0, resource: 1, x: 2, y: 1, width: 4, height: 4 });
    tape.add("keyframeEnd", {});
  };
  keyframe();
  tape.command(commands.transferToHost2d(1, { x: 0, y: 0, width: 8, height: 4 }, 0));
  keyframe();
  tape.command(commands.flushResource(1, { x: 0, y: 0, width: 8, height: 8 }));
  const { touches } = whole(tape.end());
  expect(touches.view(0, 2)).toEqual({ resource: 1, x: 2, y: 1 });
  expect(touches.makers(1, { x: 3, y: 3 }, 2)).toEqual({ writer: 0, flush: 1 });
  expect(touches.makers(1, { x: 3, y: 5 }, 2)).toEqual({ writer: null, flush: 1 });
  expect(touches.makers(2, { x: 3, y: 5 }, 2)).toBeNull();
});

test("knows when frames were shown and commands refused, as far as the file is whole", () => {
  const tape = new Tape();
  tape.command(commands.createResource2d(1, Format.B8G8R8X8, 8, 8));
  const rect = { x: 0, y: 0, width: 8, height: 8 };
  const shows = (): void => {
    const during = (): void => tape.add("frame", { scanouts: 1, resource: 1, ...rect });
    tape.command(commands.flushResource(1, rect), { during });
  };
  shows();
  tape.command(commands.unrefResource(7), { type: Response.ERR_INVALID_RESOURCE_ID });
  tape.writer.flush();
  const cut = tape.bytes().length;
  shows();
  const bytes = tape.end();
  const all = whole(bytes);
  expect([all.frameTimes.length, all.errorTimes.length, all.commands]).toEqual([2, 1, 4]);
  expect(all.frameTimes[0]!).toBeLessThan(all.errorTimes[0]!);
  const some = whole(bytes.subarray(0, cut + 80));
  expect([some.frameTimes.length, some.errorTimes.length, some.commands]).toEqual([1, 1, 3]);
  const damaged = Buffer.from(bytes);
  damaged[cut + 100]! ^= 0xff;
  expect(whole(damaged).commands).toBe(3);
});

test("thins out what is nearer than a scale can show", () => {
  expect(thinned([0, 1, 2, 10, 11, 99], 100, 10)).toEqual([0, 10, 99]);
  expect(thinned([], 0, 10)).toEqual([]);
});
