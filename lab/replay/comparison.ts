// Holds what a replay shows and answers against what the recording says.

import type { DeviceState } from "../../src/recording/device-state.ts";
import { commandName, type CommandStep, typeOf } from "../../src/recording/steps.ts";
import type { Entry } from "../../src/transport/wire/record/entries.ts";
import { bytesPerPixel, Format, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import type { CommandResult } from "../driver/command-queue.ts";
import type { Rectangle } from "../driver/commands.ts";
import type { Framebuffer } from "../vmm/display-scanout.ts";
import { type Seen, shownBy } from "./expected.ts";
import type { Player } from "./player.ts";

/** What is not as it was, for people; pictures are of whole scanouts. */
export interface Difference {
  /** Of the command, counted from 0. */
  readonly command: number;
  readonly what: string;
  readonly pictures: Readonly<Record<string, Framebuffer>>;
}

/** The picture of a scanout may be drawn in pieces, and be told before it is drawn. */
const settleMs = 1_000;
/** What a person sees of a pixel. */
const seen = 0xff_ffff;

export class Comparison {
  first: Difference | null = null;
  differences = 0;
  /** Pictures that were as recorded, and those of which the recording says nothing. */
  same = 0;
  unknown = 0;

  /** `numberOf` returns the number of a command. */
  constructor(private readonly numberOf: (step: CommandStep) => number) {}

  /** Late answers are those of commands that were done. */
  answered(step: CommandStep, { type }: CommandResult): void {
    const was = step.answer?.type ?? Response.OK_NODATA;
    const [failed, fails] = [was, type].map((one) => one >= Response.ERR_UNSPEC);
    if (failed === fails && (!failed || was === type)) return;
    const what = `was answered ${responseName(was)}, and is now answered ${responseName(type)}`;
    this.add(step, what, {});
  }

  /** Looks at what `step`, which was played, has shown. */
  look(step: CommandStep, player: Player): void {
    for (const frame of step.frames) {
      for (const one of shownBy(frame, player.state)) this.lookAt(step, frame, one, player);
    }
  }

  private lookAt(step: CommandStep, frame: Entry<"frame">, one: Seen, player: Player): void {
    const { state, screen } = player;
    const replay = player.replay!;
    const deadline = performance.now() + settleMs;
    for (;;) {
      const got = screen.picture(replay, one.scanout);
      const verdict = verdictOn(frame, one, state, got);
      if (verdict === "unknown") this.unknown++;
      if (verdict === "same") this.same++;
      if (typeof verdict === "string") return;
      const left = deadline - performance.now();
      if (left > 0) {
        replay.guest.pump.epoll.wait(Math.ceil(left));
        continue;
      }
      this.add(step, `${whereOf(one)} ${verdict.what}`, verdict.pictures);
      return;
    }
  }

  private add(step: CommandStep, what: string, pictures: Difference["pictures"]): void {
    this.differences++;
    this.first ??= { command: this.numberOf(step), what: `${commandName(typeOf(step))} ${what}`, pictures };
  }
}

const whereOf = ({ scanout, rect: { x, y, width, height } }: Seen): string =>
  `shows another picture on scanout ${scanout} in ${width}x${height}+${x}+${y}:`;

type Verdict = "same" | "unknown" | { what: string; pictures: Difference["pictures"] };

function verdictOn(frame: Entry<"frame">, one: Seen, state: DeviceState, got: Framebuffer | null): Verdict {
  const view = state.scanouts[one.scanout]!;
  const resource = state.resources.get(view.resource)!;
  if (got === null || got.width !== view.width || got.height !== view.height) {
    const size = got === null ? "nothing" : `${got.width}x${got.height}`;
    return { what: `it shows ${size} where ${view.width}x${view.height} were`, pictures: {} };
  }
  const isWhole = one.rect.width === frame.width && one.rect.height === frame.height;
  const checksum = isWhole ? checksumOf(frame) : null;
  if (checksum !== null && checksum === checksumFrom(got, one.rect, view.layout?.format ?? resource.format))
    return "same";
  const pixels = resource.shown(view, view.layout);
  if (pixels === null) {
    if (checksum === null) return "unknown";
    return { what: "its checksum is another", pictures: { replayed: copyOf(got) } };
  }
  const was = { width: view.width, height: view.height, pixels };
  const pixel = firstDifference(was, got, one.rect);
  if (pixel === null && checksum === null) return "same";
  if (pixel === null) {
    const what = "its checksum is another, though it is what the recorded bytes make";
    return { what, pictures: { replayed: copyOf(got) } };
  }
  return { what: pixel, pictures: { recorded: was, replayed: copyOf(got) } };
}

/** Names the first pixel that differs for who looks at it; null where none does. */
export function firstDifference(was: Framebuffer, got: Framebuffer, rect: Rectangle): string | null {
  for (let y = rect.y; y < rect.y + rect.height; y++) {
    for (let x = rect.x; x < rect.x + rect.width; x++) {
      const at = y * was.width + x;
      if (((was.pixels[at]! ^ got.pixels[at]!) & seen) === 0) continue;
      const hex = (pixel: number): string => `#${(pixel & seen).toString(16).padStart(6, "0")}`;
      return `the first pixel is ${x},${y}, ${hex(was.pixels[at]!)} before and ${hex(got.pixels[at]!)} now`;
    }
  }
  return null;
}

export const copyOf = ({ width, height, pixels }: Framebuffer): Framebuffer => ({
  width,
  height,
  pixels: pixels.slice(),
});

function checksumOf({ body }: Entry<"frame">): number | null {
  if (body.length !== 4) return null;
  return new DataView(body.buffer, body.byteOffset, 4).getUint32(0, true);
}

/** crc32 of a rectangle's rows in the resource's form, as the recorder takes it. */
function checksumFrom(shown: Framebuffer, { x, y, width, height }: Rectangle, format: number): number {
  const back = turnedBack[format] ?? ((pixel: number) => pixel);
  let sum = 0;
  const row = new Uint32Array(width);
  const bytes = new Uint8Array(row.buffer, 0, width * bytesPerPixel);
  for (let line = y; line < y + height; line++) {
    const from = line * shown.width + x;
    for (let column = 0; column < width; column++) row[column] = back(shown.pixels[from + column]!);
    sum = Bun.hash.crc32(bytes, sum);
  }
  return sum;
}

const swapped = (pixel: number): number =>
  (pixel & 0xff00ff00) | ((pixel >>> 16) & 0xff) | ((pixel & 0xff) << 16);
const reversed = (pixel: number): number =>
  (pixel >>> 24) | ((pixel >>> 8) & 0xff00) | ((pixel << 8) & 0xff0000) | (pixel << 24);
const rotated = (pixel: number): number => (pixel << 8) | (pixel >>> 24);

/** From what a display is given to the resource's form. */
const turnedBack: Readonly<Record<number, (pixel: number) => number>> = {
  [Format.R8G8B8A8]: swapped,
  [Format.R8G8B8X8]: swapped,
  [Format.A8R8G8B8]: reversed,
  [Format.X8R8G8B8]: reversed,
  [Format.A8B8G8R8]: rotated,
  [Format.X8B8G8R8]: rotated,
};

/** The name of a response by its type. */
export function responseName(type: number): string {
  const [name] = Object.entries(Response).find(([, number]) => number === type) ?? [];
  return name ?? `0x${type.toString(16)}`;
}
