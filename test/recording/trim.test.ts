// Trimmed recordings: small, and yet they show the frames that were asked for.

import { expect, test } from "bun:test";
import fc from "fast-check";
import * as commands from "../../lab/driver/commands.ts";
import { attachResource, createContext, submit3d } from "../../lab/driver/commands-3d.ts";
import { shownBy } from "../../lab/replay/expected.ts";
import { DeviceState } from "../../src/recording/device-state.ts";
import { stepsOf, typeOf } from "../../src/recording/steps.ts";
import { trim, type TrimOptions } from "../../src/recording/trim.ts";
import type { Recording } from "../../src/transport/wire/record/recording.ts";
import { recordingFrom } from "../../src/transport/wire/record/reader.ts";
import { Command, Format } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { Tape } from "../support/tape.ts";
import { TapedScreen } from "../support/taped-screen.ts";

const open = (bytes: Uint8Array): Recording =>
  recordingFrom((at, length) => bytes.slice(at, Math.min(at + length, bytes.length)), bytes.length);

function trimmed(recording: Recording, options: Partial<TrimOptions>): Recording {
  const parts: Uint8Array[] = [];
  const append = (bytes: Uint8Array): void => void parts.push(bytes.slice());
  const shares = [...trim(recording, { frames: [], isBlank: false, ...options }, append)];
  expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  for (const share of shares) expect(share).toBeWithin(0, 1.0001);
  return open(Buffer.concat(parts));
}

const cursorsOf = ({ cursors }: DeviceState): string =>
  JSON.stringify(
    cursors.map((cursor) => cursor && { ...cursor, image: cursor.image && Bun.hash.crc32(cursor.image) }),
  );

/** What each frame shows of its scanout, by the model: all of it, with the cursors. */
function picturesOf(recording: Recording): { pixels: number; cursors: string }[] {
  const state = new DeviceState();
  const pictures: { pixels: number; cursors: string }[] = [];
  for (const step of stepsOf(recording.entries())) {
    state.take(step);
    if (step.kind !== "step") continue;
    for (const frame of step.frames) {
      const [seen] = shownBy(frame, state);
      const shown = state.resources.get(seen!.resource)!.shown(seen!.view)!;
      pictures.push({ pixels: Bun.hash.crc32(shown), cursors: cursorsOf(state) });
    }
  }
  return pictures;
}

const side = 64;
const number = (max: number): fc.Arbitrary<number> => fc.integer({ min: 0, max });
const action = fc.oneof(
  fc.record({
    kind: fc.constant("draw" as const),
    screen: number(2),
    x: number(40),
    colour: number(0xffffff),
  }),
  fc.record({ kind: fc.constant("show" as const), screen: number(2) }),
  fc.record({ kind: fc.constant("cursor" as const), screen: number(2), x: number(100) }),
  fc.record({ kind: fc.constant("remake" as const), screen: number(2) }),
);

function tapeOf(actions: readonly (typeof action extends fc.Arbitrary<infer One> ? One : never)[]): Tape {
  const tape = new Tape();
  const make = (id: number): TapedScreen => new TapedScreen(tape, id, side, side, Format.B8G8R8A8);
  const screens = [1, 2, 3].map(make);
  let shown = 2;
  for (const one of actions) {
    const screen = screens[one.screen]!;
    switch (one.kind) {
      case "draw": {
        const rect = { x: one.x, y: one.x, width: side - one.x, height: 9 };
        screen.transfer(rect, one.colour);
        if (shown === one.screen) screen.flush(rect);
        break;
      }
      case "show":
        shown = one.screen;
        tape.command(commands.setScanout(0, screen.id, { x: 0, y: 0, width: side, height: side }));
        break;
      case "cursor":
        tape.command(commands.updateCursor({ scanoutId: 0, x: one.x, y: 1 }, screen.id, 1, 2), { queue: 1 });
        break;
      case "remake":
        tape.command(commands.unrefResource(screen.id));
        screens[one.screen] = make(screen.id);
        shown = one.screen;
    }
  }
  return tape;
}

test("a trimmed recording shows the frames that were asked for, and no others", () => {
  fc.assert(
    fc.property(
      fc.array(action, { minLength: 5, maxLength: 40 }),
      fc.infiniteStream(fc.nat()),
      (actions, random) => {
        const whole = open(tapeOf(actions).end());
        const pictures = picturesOf(whole);
        fc.pre(pictures.length > 0);
        const pick = (): number => random.next().value % pictures.length;
        const frames = [...new Set([pick(), pick(), pick()])].toSorted((a, b) => a - b);
        expect(picturesOf(trimmed(whole, { frames }))).toEqual(frames.map((frame) => pictures[frame]!));
      },
    ),
    { numRuns: 100 },
  );
}, 60_000);

test("what a frame does not show is left out", () => {
  const tape = new Tape();
  const hidden = new TapedScreen(tape, 1, side, side);
  hidden.draw({ x: 0, y: 0, width: side, height: side }, 1);
  const shown = new TapedScreen(tape, 2, side, side);
  for (let index = 0; index < 50; index++) shown.draw({ x: 0, y: 0, width: side, height: side }, index);
  const whole = open(tape.end());
  const cut = trimmed(whole, { frames: [40] });
  const kinds = [...cut.entries()].map(({ kind }) => kind);
  expect(kinds.filter((kind) => kind === "command")).toHaveLength(1);
  expect(kinds.filter((kind) => kind === "resource")).toHaveLength(1);
  expect(cut.start).toMatchObject({ isFromStart: false });
  expect(cut.start.notRecorded.at(-1)).toContain("frame 40:");
});

/** The commands of a trimmed recording of a picture that a context has, which runs a stream or does not. */
function commandsWith(hasStream: boolean): number[] {
  const tape = new Tape();
  const screen = new TapedScreen(tape, 1, side, side);
  const all = { x: 0, y: 0, width: side, height: side };
  screen.draw(all, 1);
  tape.command(createContext(1, "a"));
  tape.command(attachResource(1, 1));
  if (hasStream) tape.command(submit3d(1, new Uint8Array(4)));
  for (const colour of [2, 3, 4]) screen.draw(all, colour);
  return [...stepsOf(trimmed(open(tape.end()), { frames: [2] }).entries())].flatMap((step) =>
    step.kind === "step" ? [typeOf(step)] : [],
  );
}

test("a frame that a renderer may have drawn keeps all from where that began", () => {
  const { CTX_CREATE, CTX_ATTACH_RESOURCE, SUBMIT_3D, TRANSFER_TO_HOST_2D, RESOURCE_FLUSH } = Command;
  expect(commandsWith(true)).toEqual([
    ...[CTX_CREATE, CTX_ATTACH_RESOURCE, SUBMIT_3D],
    ...[TRANSFER_TO_HOST_2D, TRANSFER_TO_HOST_2D, RESOURCE_FLUSH],
  ]);
});

test("a picture that a context has but runs no stream on is known", () => {
  expect(commandsWith(false)).toEqual([Command.RESOURCE_FLUSH]);
});

test("a blank recording keeps every size, and no pixel", () => {
  const tape = new Tape({ hasChecksums: true });
  const screen = new TapedScreen(tape, 1, side, side);
  screen.draw({ x: 0, y: 0, width: side, height: side }, 0x55_66_77, true);
  const stream = new Uint32Array([
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    32 + 68,
    9 | (15 << 16),
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    0xabcd,
    0xabcd,
    0xabcd,
    0xabcd,
    0,
  ]);
  stream[0] = 0x207;
  tape.command(new DataView(stream.buffer));
  const bytes = tape.end();
  const blank = trimmed(open(bytes), { isBlank: true });
  const [was, is] = [open(bytes), blank].map((one) => [...one.entries()]);
  const sizes = (entries: typeof was): unknown =>
    entries!
      .filter(({ kind }) => kind !== "start" && kind !== "frame")
      .map(({ kind, body }) => [kind, body.length]);
  expect(sizes(is)).toEqual(sizes(was));
  for (const { kind, body } of is!) {
    if (kind === "bytes") expect(body.every((byte) => byte === 0)).toBe(true);
    if (kind === "frame") expect(body).toHaveLength(0);
    expect([kind, Buffer.from(body).indexOf(Buffer.from([0xcd, 0xab]))]).toEqual([kind, -1]);
  }
  expect(blank.start.hasChecksums).toBe(false);
  // What is no pixel stays.
  const submit = is!.find(({ kind, body }) => kind === "command" && body[1] === 2)!;
  expect(new Uint32Array(new Uint8Array(submit.body).buffer).slice(8, 20)).toEqual(stream.slice(8, 20));
});

test("a frame that is not there is said to be missing", () => {
  const tape = new Tape();
  expect(() => trimmed(open(tape.end()), { frames: [3] })).toThrow(
    "this recording has no frame 3: there are 0",
  );
});
