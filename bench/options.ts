// The command line of `bun bench`.

import { readArguments, UsageError } from "../src/config-arguments.ts";

export const help = `bun bench [options]

Measures the parts of the hot path in this process (micro), and a real server in front of a synthetic guest (system); or
how fast a Linux guest in QEMU draws (guest), beside QEMU's own device and its back-end.
Absolute times on a shared machine mean little: compare within one run.

What to run
  --micro, --system     only these
  --guest               only Linux guests: ./setup.sh gets what they need
  --filter REGEX        only workloads and micro benchmarks whose name matches
  --list                print the workloads' names and end
  --quick               short windows and 3 rounds, with --guest 2, for a first look
  --rounds N            rounds of each workload (default 5, with --quick or --guest 3)

What to compare this checkout's server with, in turn, a fresh process each time (default: --peer, where there is one)
  --peer PATH           another vhost-user-gpu back-end; default QEMU's own, installed or fetched by
                        scripts/fetch-peer.sh
  --no-peer             nothing; with --guest not QEMU's own device either
  --baseline DIR        the server of another checkout
  --rev REV             the server of a git revision
  --variant NAME=ARGS   this checkout's server with other arguments, or words like VARIABLE=value before them for its
                        environment; may be given several times
  --inspect             this checkout's server with the inspector on (tap), and with each view of its page open in
                        Chromium
  --record              this checkout's server with the inspector on (tap), and while it records to a file
  --server-args ARGS    arguments of every server of Fencepost

What to do with the figures
  --json FILE           write them
  --compare FILE        compare them with an earlier run's
  --help                this text

A ratio is how many times better this checkout's server is than the other: the median of the rounds' ratios, and their
least and greatest. Exit codes: 0 done, 1 this checkout's server failed, 2 wrong options, 130 interrupted.`;

/** A server of this checkout with settings of its own. */
export interface Variant {
  name: string;
  args: string[];
  env: Record<string, string>;
}

export interface BenchOptions {
  micro: boolean;
  system: boolean;
  guest: boolean;
  filter: RegExp;
  list: boolean;
  quick: boolean;
  rounds: number;
  /** Undefined: where there is one and nothing else to compare with. */
  peer: string | undefined;
  noPeer: boolean;
  baseline: string | undefined;
  rev: string | undefined;
  variants: Variant[];
  inspect: boolean;
  record: boolean;
  serverArgs: string[];
  json: string | undefined;
  compare: string | undefined;
  help: boolean;
}

export function parseOptions(argv: readonly string[]): BenchOptions {
  const values = parse(argv);
  const { micro, system, guest, quick } = values;
  const both = !guest && micro === system;
  const rounds = Number(values.rounds ?? (guest ? 3 : 5) - (quick ? (guest ? 1 : 2) : 0));
  if (!Number.isInteger(rounds) || rounds < 1) throw new UsageError("--rounds wants a whole number above 0");
  return {
    micro: both || micro,
    system: both || system,
    guest,
    filter: regularExpression(values.filter),
    list: values.list,
    quick,
    rounds,
    peer: values.peer,
    noPeer: values["no-peer"],
    baseline: values.baseline,
    rev: values.rev,
    variants: values.variant.map(variant),
    inspect: values.inspect,
    record: values.record,
    serverArgs: words(values["server-args"]),
    json: values.json,
    compare: values.compare,
    help: values.help,
  };
}

function parse(argv: readonly string[]) {
  return readArguments({
    args: [...argv],
    options: {
      micro: { type: "boolean", default: false },
      system: { type: "boolean", default: false },
      guest: { type: "boolean", default: false },
      filter: { type: "string", default: "." },
      list: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      rounds: { type: "string" },
      peer: { type: "string" },
      "no-peer": { type: "boolean", default: false },
      baseline: { type: "string" },
      rev: { type: "string" },
      variant: { type: "string", multiple: true, default: [] },
      inspect: { type: "boolean", default: false },
      record: { type: "boolean", default: false },
      "server-args": { type: "string", default: "" },
      json: { type: "string" },
      compare: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  }).values;
}

function regularExpression(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch {
    throw new UsageError(`--filter: ${text} is no regular expression`);
  }
}

function variant(text: string): Variant {
  const [, name, args] = /^([^=\s]+)=(.*)$/.exec(text) ?? [];
  if (name === undefined || args === undefined)
    throw new UsageError(`--variant wants NAME=ARGS, not ${text}`);
  const isVariable = (word: string): boolean => /^[A-Z_][A-Z0-9_]*=/.test(word);
  const all = words(args);
  const env = Object.fromEntries(
    all.filter(isVariable).map((word) => {
      const at = word.indexOf("=");
      return [word.slice(0, at), word.slice(at + 1)];
    }),
  );
  return { name, args: all.filter((word) => !isVariable(word)), env };
}

const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== "");
