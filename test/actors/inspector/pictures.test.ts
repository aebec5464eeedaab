// Which frames are told to have come of a command.

import { expect, test } from "bun:test";
import type { PictureRecord } from "../../../src/actors/inspector/feed.ts";
import { picturesOf } from "../../../src/actors/inspector/pictures.ts";

const picture = (ns: number, what: PictureRecord["what"], own: Partial<PictureRecord>): PictureRecord => ({
  ...{ ns, what, scanout: 0, surface: 1, resource: 0, x: 0, y: 0, width: 8, height: 8 },
  ...{ command: "", sink: "", message: 0, ...own },
});
const told = (ns: number, command: string, message: number, scanout = 0): PictureRecord =>
  picture(ns, "damage", { command, message, scanout });
const begun = (ns: number, sink: string, message: number): PictureRecord =>
  picture(ns, "frame-begun", { sink, message });
const shown = (ns: number, sink: string): PictureRecord => picture(ns, "frame-shown", { sink });

const past = [
  ...[told(1, "ctrl-queue:3", 10), begun(2, "vmm", 10), shown(3, "vmm")],
  // Told together with the one after it; the sink is still busy with the one before.
  ...[begun(4, "wayland", 10), told(5, "ctrl-queue:6", 0xffff_ffff), shown(6, "wayland")],
  ...[begun(7, "vmm", 2), told(8, "ctrl-queue:9", 3, 1), begun(9, "wayland", 0xffff_ffff)],
  ...[shown(10, "vmm"), begun(11, "vmm", 3), shown(12, "vmm")],
];

test("each sink's first frame with a command is told, and when its other side had that", () => {
  expect(picturesOf("ctrl-queue:5", past).map(({ ns }) => ns)).toEqual([5, 8, 7, 9, 10]);
});

test("what a display knew already is in the frame that shows what it was told before, also one from before the command", () => {
  const known = (ns: number, command: string, message: number): PictureRecord =>
    picture(ns, "known", { command, message });
  const flipped = [told(1, "ctrl-queue:3", 10), begun(2, "vmm", 10), known(3, "ctrl-queue:4", 10)];
  const later = [shown(4, "vmm"), told(5, "ctrl-queue:6", 11), begun(6, "vmm", 11)];
  expect(picturesOf("ctrl-queue:4", [...flipped, ...later]).map(({ ns }) => ns)).toEqual([3, 2, 4]);
});

test("what nobody was told of since has no frames, nor has another queue's command", () => {
  expect(picturesOf("ctrl-queue:10", past)).toEqual([]);
  expect(picturesOf("cursor-queue:5", past)).toEqual([]);
});
