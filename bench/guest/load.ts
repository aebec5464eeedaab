// What a guest does while it is measured.

import type { Root } from "../../lab/qemu/cache.ts";
import type { Renderer } from "../system/backends.ts";
import type { Budget } from "../system/stage.ts";

interface CommonLoad {
  /** Unique; slashes group. */
  name: string;
  /** For people. */
  title: string;
  /** What is counted. */
  unit: string;
  /** What the figures are about: how many, or how late. */
  measures: "rate" | "latency";
  /** Where a pixel tells which frame a picture is; null where no such place is, and so no age is known. */
  stampAt: readonly [x: number, y: number] | null;
  /** Whether QEMU's console is to show it. */
  isShown: boolean;
}

/** A load of the program in the guest (lab/guest/load.h), on scanouts that the program has set up. */
export interface DrawnLoad extends CommonLoad {
  kind: "drawn";
  width: number;
  height: number;
  /** Scanouts that show something. */
  heads: number;
  /** The command, given the milliseconds that it may take. */
  command: (ms: number) => string;
  /** Tasks that compute beside it, as long as nobody else wants their CPUs. */
  busyTasks: number;
  /** The least time unmeasured, where the budget's are too few frames for compilers to be done. */
  warmMsMin: number;
}

/** A program that draws with GL, and says itself how far it is. */
export interface GlLoad extends CommonLoad {
  kind: "gl";
  command: (budget: Budget) => string;
  /** The lines from which on and up to which it counts; of several the first and the last. */
  from: RegExp;
  to: RegExp;
  /** What it did between them. */
  parse: (lines: readonly string[]) => { count: number; durationUs: number };
}

export type GuestLoad = DrawnLoad | GlLoad;

/** What a guest is booted with for such loads. */
export const surroundings: Record<GuestLoad["kind"], { renderer: Renderer; root: Root }> = {
  drawn: { renderer: "software", root: "busybox" },
  gl: { renderer: "virgl", root: "debian" },
};

const sizes = [
  [1280, 800],
  [1920, 1080],
] as const;

const pokePauseMs = 300;
/** Of the text cursor that lab/guest/load.c paints. */
const cursorAt = [400, 300] as const;

const drawing = {
  kind: "drawn",
  heads: 1,
  busyTasks: 0,
  warmMsMin: 0,
  stampAt: [0, 0],
  unit: "frames/s",
  measures: "rate",
  isShown: true,
} as const satisfies Partial<GuestLoad>;

const drawn: readonly (Omit<DrawnLoad, "name" | "width" | "height" | "command"> & { load: string })[] = [
  { ...drawing, load: "flips", title: "page flips between two buffers that are painted already" },
  { ...drawing, load: "redraws", title: "all painted anew, and all marked dirty" },
  { ...drawing, load: "video", title: "all painted anew, 60 times a second", warmMsMin: 6_000 },
  { ...drawing, load: "blink", title: "8×16 pixels changed: a text cursor", stampAt: cursorAt },
  { ...drawing, load: "scroll", title: "640×400 pixels changed: a terminal that scrolls", stampAt: [64, 64] },
  {
    ...drawing,
    load: "drag",
    title: "408×308 pixels changed, each time elsewhere: a window is moved",
    stampAt: null,
  },
];

export const guestLoads: readonly GuestLoad[] = [
  ...sizes.flatMap(([width, height]): GuestLoad[] => [
    ...drawn.map(({ load, ...rest }) => ({
      ...rest,
      name: `${load}/${width}x${height}`,
      width,
      height,
      command: (ms: number) => `load ${load} 1 ${ms} ${Number(rest.stampAt !== null)}`,
    })),
    {
      ...drawing,
      name: `two-heads/${width}x${height}`,
      title: "page flips of two heads at a time",
      width,
      height,
      heads: 2,
      stampAt: null,
      command: (ms: number) => `load flips 2 ${ms} 0`,
    },
  ]),
  ...([1, 2] as const).flatMap((busyTasks) => [
    cursorLoad("images", "cursor images, new each time", busyTasks),
    cursorLoad("moves", "cursor moves", busyTasks),
  ]),
  {
    ...drawing,
    name: "latency/1280x800",
    title: `8×16 pixels changed after ${pokePauseMs} ms of rest, until the console has them`,
    width: 1280,
    height: 800,
    measures: "latency",
    stampAt: cursorAt,
    command: (ms: number) => `pokes ${Math.max(3, Math.ceil((2 * ms) / pokePauseMs))} ${pokePauseMs}`,
  },
  glLoad("offscreen", "frames", "frames/s", "a cube in GL that no screen shows, a frame at a time"),
  glLoad("readback", "readback", "reads/s", "a cube in GL, and glReadPixels of all of it"),
  ...sizes.map(([width, height]) => kmscube(width, height)),
];

function cursorLoad(kind: "images" | "moves", title: string, busyTasks: 1 | 2): GuestLoad {
  return {
    ...drawing,
    name: `cursor/${kind}/${busyTasks}-busy`,
    title: `${title}, while ${busyTasks} of the guest's two CPUs ${busyTasks === 1 ? "has" : "have"} other work`,
    width: 1280,
    height: 800,
    busyTasks,
    stampAt: null,
    isShown: false,
    unit: `${kind}/s`,
    command: (ms: number) => `load cursor-${kind} 1 ${ms} 0`,
  };
}

function glLoad(name: string, program: string, unit: string, title: string): GlLoad {
  return {
    kind: "gl",
    name: `gl/${name}`,
    title,
    unit,
    measures: "rate",
    stampAt: null,
    isShown: false,
    command: ({ warmMs, measureMs }) =>
      `sh /run/fencepost/fencepost-gl ${program} 1280 800 ${warmMs} ${measureMs}`,
    from: /^warm$/,
    to: /^ran /,
    parse: (lines) => {
      const ran = lines.map((line) => /^ran (\d+) \d+ (\d+)$/.exec(line)).find((match) => match !== null);
      if (ran === undefined) throw new Error(`the program says: ${lines.join(" ")}`);
      return { count: Number(ran[1]), durationUs: Number(ran[2]) };
    },
  };
}

const cubeStartMs = 2_300;
const cubeReportMs = 2_000;

function kmscube(width: number, height: number): GlLoad {
  return {
    kind: "gl",
    name: `kmscube/${width}x${height}`,
    title: "kmscube's frames, each shown",
    unit: "frames/s",
    measures: "rate",
    stampAt: null,
    isShown: true,
    // It ends when its input does, and on a terminal says every two seconds how far it is.
    command: ({ measureMs }) => {
      const ms = cubeStartMs + cubeReportMs * (1 + Math.ceil(measureMs / cubeReportMs));
      return `tty sleep ${(ms / 1e3).toFixed(1)} | kmscube -v ${width}x${height}`;
    },
    from: /^Rendered /,
    to: /^Rendered /,
    parse: (lines) => {
      const reports = lines.flatMap((line) => {
        const match = /^Rendered (\d+) frames in ([\d.]+) sec/.exec(line);
        return match === null ? [] : [{ frames: Number(match[1]), us: Number(match[2]) * 1e6 }];
      });
      const [first, last] = [reports[0], reports.at(-1)];
      if (first === undefined || first === last) {
        throw new Error(`kmscube told of its frames ${reports.length} times only`);
      }
      return { count: last!.frames - first.frames, durationUs: last!.us - first.us };
    },
  };
}
