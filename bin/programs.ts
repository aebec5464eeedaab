// The programs that `fencepost` is, and which of them a command line asks for.

import type { Program } from "../src/cli/begin.ts";
import { nearest } from "./nearest.ts";

interface Listed {
  /** What begins its lines for people. */
  readonly name: string;
  readonly summary: string;
  /** Loaded when it is asked for: each is much that the others do not need. */
  readonly load: () => Promise<Program>;
}

export const programs = {
  serve: {
    name: "fencepost",
    summary: "serve a VMM: what a command line without a command means",
    load: () => import("../src/cli/serve.ts"),
  },
  ctl: {
    name: "ctl",
    summary: "ask a running server for its state, a picture or what its guest does, or tell it to stop",
    load: () => import("../src/cli/control.ts"),
  },
  demo: {
    name: "demo",
    summary: "a server with a synthetic guest in front of it, without a VMM",
    load: () => import("../lab/demo/demo.ts"),
  },
  replay: {
    name: "replay",
    summary: "play a recording, compare it, or look at it in a browser",
    load: () => import("../lab/replay/play.ts"),
  },
  "trace-info": {
    name: "trace-info",
    summary: "say what a recording holds",
    load: () => import("../src/cli/describe-recording.ts"),
  },
  "trace-trim": {
    name: "trace-trim",
    summary: "make a small recording of another one",
    load: () => import("../src/cli/trim-recording.ts"),
  },
  "bridge-client": {
    name: "bridge-client",
    summary: "borrow a resource from a server's resource bridge",
    load: () => import("../src/cli/borrow.ts"),
  },
} as const satisfies Record<string, Listed>;

export type ProgramWord = keyof typeof programs;

type Asked =
  | { kind: "overview" }
  | { kind: "program"; program: ProgramWord; args: string[] }
  | { kind: "unknown"; reason: string };

const isProgram = (word: string): word is ProgramWord => Object.hasOwn(programs, word);

/** Which program the words behind `fencepost` ask for, and with which arguments. */
export function readWords(words: readonly string[]): Asked {
  const [first, ...rest] = words;
  if (first === undefined) return { kind: "program", program: "serve", args: [] };
  if (first === "help") return rest[0] === undefined ? { kind: "overview" } : helpOf(rest[0]);
  if (rest.length === 0 && (first === "--help" || first === "-h")) return { kind: "overview" };
  // QEMU's conventions for back-ends know no commands.
  if (first.startsWith("-")) return { kind: "program", program: "serve", args: [...words] };
  return isProgram(first) ? { kind: "program", program: first, args: rest } : unknown(first);
}

function helpOf(word: string): Asked {
  return isProgram(word) ? { kind: "program", program: word, args: ["--help"] } : unknown(word);
}

function unknown(word: string): Asked {
  const near = nearest(word, Object.keys(programs));
  const guess = near === null ? "." : `: did you mean ${near}?`;
  return { kind: "unknown", reason: `"${word}" is no command${guess} See fencepost --help.` };
}

export function overview(): string {
  const rows = Object.entries<Listed>(programs).map(
    ([word, { summary }]) => `  ${word.padEnd(15)} ${summary}`,
  );
  return [
    "Fencepost: a virtio-gpu device server. Runs beside a VMM and is its guest's graphics card.",
    "",
    "Usage: fencepost [COMMAND] [arguments]",
    "",
    "Commands:",
    ...rows,
    "",
    "Flags:",
    "  -h, --help      this text; fencepost COMMAND --help, or fencepost help COMMAND, is about one",
    "  -V, --version   the version",
    "  any other       is for serve: fencepost serve --help lists them",
  ].join("\n");
}
