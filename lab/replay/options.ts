// The command line of a replay.

import { readArguments, UsageError } from "../../src/config-arguments.ts";
import { readStreamAddress, type StreamAddress } from "./live/stream-address.ts";
import { type Address, InspectAddress, ValueError } from "../../src/config-values.ts";

export const helpText = (call: string): string => `Usage: ${call} FILE [options]
       ${call} --from URL [--save FILE] [options]
       ${call} --bisect A B FILE

Plays a recording: starts a server and does to it what the recorded guest did, over its vhost-user socket. A recording holds
the guest's screen, and so do the pictures that are saved.

  --renderer KIND     auto, virgl or software (default: as it was recorded)
  --server "…"        the server: @ and a revision or a checkout's path, its variables and its settings, such as
                      "@HEAD~1 GALLIUM_DRIVER=softpipe --storage memfd"
  --socket-path PATH  play to a server that runs already, as its VMM would
  --fast, --realtime  as fast as it goes (default), or at the recorded pace
  --to N              end after command N
  --frame K           end with frame K, and save its picture; begins with the keyframe before it
  --png DIR           save the picture of each frame, or of the one of --frame (default for that one: here)
  --compare           hold each picture and each answer against the recorded ones
  --bisect A B        play on two servers, and name the first command after which they differ; A and B as for --server, or
                      a renderer's name
  --from URL          plays what another server records, as it comes; URL is what that has logged for its page, and - has it
                      read from standard input. It holds what the guest shows, and comes without encryption: from
                      another machine through ssh -L
  --save FILE         of --from: keep the recording, for you alone
  --follow            FILE is still being written: play it as it comes, to its end mark
  --inspect[=[ADDRESS:]PORT]
                      show the device at work to browsers, with a bar to play, stop and go to any frame; stays there at the
                      end (default: a free port of 127.0.0.1); without the bar of what is still being recorded
  --help              this text

Commands and frames are counted from 0.
Exit codes: 0 done, and nothing differs; 1 the recording or a server failed; 2 wrong arguments; 3 something differs;
130 interrupted. A stream that was cut off is played as far as it is whole, as a file is.
`;

export interface ReplayOptions {
  /** Of a stream, a name for what is saved beside it. */
  file: string;
  /** Where a stream comes from, and the file that keeps it. */
  from: StreamAddress | undefined;
  save: string | undefined;
  follows: boolean;
  /** What plays it, or two of them to be held against each other. */
  servers: string[];
  socketPath: string | undefined;
  isRealtime: boolean;
  lastCommand: number | undefined;
  lastFrame: number | undefined;
  png: string | undefined;
  compares: boolean;
  /** Where browsers find the page; null where none is asked for. */
  inspect: Address | null;
}

const flags = {
  renderer: { type: "string" },
  server: { type: "string" },
  "socket-path": { type: "string" },
  realtime: { type: "boolean", default: false },
  fast: { type: "boolean", default: false },
  to: { type: "string" },
  frame: { type: "string" },
  png: { type: "string" },
  compare: { type: "boolean", default: false },
  bisect: { type: "boolean", default: false },
  from: { type: "string" },
  save: { type: "string" },
  follow: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

const read = (args: string[]) => readArguments({ args, allowPositionals: true, options: flags });

/** Returns null where help is asked for. Throws {@link UsageError}. */
export function parseReplayOptions(argv: readonly string[]): ReplayOptions | null {
  const [args, inspect] = withoutInspect(argv);
  const given = read(args);
  const { values, positionals } = given;
  if (values.help) return null;
  const { bisect, renderer, server, compare, from, save, png } = values;
  const sides = bisect ? positionals.slice(0, 2) : [];
  const [named, ...rest] = positionals.slice(sides.length);
  const file = from === undefined ? named : (save ?? "stream");
  if (file === undefined || rest.length > 0) {
    throw new UsageError(bisect ? "--bisect wants A, B and a recording" : "want the path of one recording");
  }
  refuseMixes(given, inspect !== null);
  const one = [...(renderer === undefined ? [] : [renderer]), ...(server === undefined ? [] : [server])];
  return {
    file,
    from: from === undefined ? undefined : readStreamAddress(from, compare),
    save,
    follows: values.follow,
    servers: bisect ? sides : [one.join(" ")],
    socketPath: values["socket-path"],
    isRealtime: values.realtime,
    lastCommand: numberOf("--to", values.to),
    lastFrame: numberOf("--frame", values.frame),
    png: png ?? (values.frame === undefined ? undefined : "."),
    compares: compare,
    inspect,
  };
}

/** Throws a {@link UsageError} where flags make no sense together. */
function refuseMixes({ values, positionals }: ReturnType<typeof read>, inspects: boolean): void {
  const { bisect, renderer, server, from, save, follow, realtime, fast } = values;
  const socketPath = values["socket-path"];
  const isLive = from !== undefined || follow;
  const isChosen = (server ?? renderer) !== undefined;
  const mixes: readonly (readonly [boolean, string])[] = [
    [bisect && isLive, "--bisect goes over a recording again: it wants a file that is whole"],
    [
      from !== undefined && (positionals.length > 0 || follow),
      "--from plays a stream: leave out FILE and --follow",
    ],
    [save !== undefined && from === undefined, "--save keeps what --from brings"],
    [
      isLive && (realtime || fast),
      "what is still being recorded is played as it comes: leave out --realtime and --fast",
    ],
    [fast && realtime, "give --fast or --realtime, not both"],
    [
      bisect && (isChosen || socketPath !== undefined),
      "--bisect names its servers itself: leave out --server, --renderer and --socket-path",
    ],
    [
      socketPath !== undefined && (isChosen || inspects),
      "--socket-path plays to a server that runs: leave out how one would be started",
    ],
  ];
  const found = mixes.find(([isThere]) => isThere);
  if (found !== undefined) throw new UsageError(found[1]);
}

/** The arguments without `--inspect`, whose value may be left out; and that. */
function withoutInspect(argv: readonly string[]): [rest: string[], inspect: Address | null] {
  const isInspect = (arg: string): boolean => /^--inspect(?:=|$)/.test(arg);
  const given = argv.findLast(isInspect);
  try {
    const value = given === undefined ? undefined : given === "--inspect" || given.slice("--inspect=".length);
    return [argv.filter((arg) => !isInspect(arg)), InspectAddress.read(value) ?? null];
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw new UsageError(`${given}: ${error.message}`, { cause: error });
  }
}

function numberOf(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new UsageError(`${flag} ${text}: want a number from 0 on`);
  return Number(text);
}
