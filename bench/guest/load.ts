// What a guest does while it is measured.

/** One load of the program in the guest (lab/guest/load.h). */
export interface GuestLoad {
  /** Unique; slashes group. */
  name: string;
  /** For people. */
  title: string;
  width: number;
  height: number;
  /** Scanouts that show something. */
  heads: number;
  /** The command, given the milliseconds that it may take. */
  command: (ms: number) => string;
  /** Tasks that compute beside it, as long as nobody else wants their CPUs. */
  busyTasks: number;
  /** Where a pixel tells which frame a picture is; null where no such place is, and so no age is known. */
  stampAt: readonly [x: number, y: number] | null;
  /** What is counted. */
  unit: string;
  /** What the figures are about: how many, or how late. */
  measures: "rate" | "latency";
}

const sizes = [
  [1280, 800],
  [1920, 1080],
] as const;

const pokePauseMs = 300;
/** Of the text cursor that lab/guest/load.c paints. */
const cursorAt = [400, 300] as const;

const drawing = {
  heads: 1,
  busyTasks: 0,
  stampAt: [0, 0],
  unit: "frames/s",
  measures: "rate",
} as const satisfies Partial<GuestLoad>;

const drawn: readonly (Omit<GuestLoad, "name" | "width" | "height" | "command"> & { kind: string })[] = [
  { ...drawing, kind: "flips", title: "page flips between two buffers that are painted already" },
  { ...drawing, kind: "redraws", title: "all painted anew, and all marked dirty" },
  { ...drawing, kind: "blink", title: "8×16 pixels changed: a text cursor", stampAt: cursorAt },
  { ...drawing, kind: "scroll", title: "640×400 pixels changed: a terminal that scrolls", stampAt: [64, 64] },
  {
    ...drawing,
    kind: "drag",
    title: "408×308 pixels changed, each time elsewhere: a window is moved",
    stampAt: null,
  },
];

export const guestLoads: readonly GuestLoad[] = [
  ...sizes.flatMap(([width, height]) => [
    ...drawn.map(({ kind, ...load }) => ({
      ...load,
      name: `${kind}/${width}x${height}`,
      width,
      height,
      command: (ms: number) => `load ${kind} 1 ${ms} ${Number(load.stampAt !== null)}`,
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
    stampAt: cursorAt,
    measures: "latency",
    command: (ms) => `pokes ${Math.max(3, Math.ceil((2 * ms) / pokePauseMs))} ${pokePauseMs}`,
  },
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
    unit: `${kind}/s`,
    command: (ms) => `load cursor-${kind} 1 ${ms} 0`,
  };
}
