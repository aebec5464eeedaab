// What `ctl` does: asks a running server for its state, a picture or what its guest does, or tells it to stop.

import { copyFileSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseFilter } from "../actors/command-filter.ts";
import { type ControlRequest, readRequest } from "../actors/supervisor/control-request.ts";
import { readArguments, UsageError } from "../config-arguments.ts";
import { integer, ValueError } from "../config-values.ts";
import { OutsideSandbox } from "../actors/sandbox/outside.ts";
import { Refusal } from "../transport/os/errors.ts";
import { withFile } from "../transport/os/files.ts";
import { checkRuntimeDirectory, runtimeDirectory } from "../transport/os/runtime-directory.ts";
import type { CallOf } from "./begin.ts";
import { helpText, limitDefault, limitMax, restartable } from "./ctl-help.ts";
import type { Breaking } from "./breaks.ts";
import { ask } from "./control-client.ts";
import type { OutputsAnswer } from "./outputs.ts";
import type { Look, View } from "./look.ts";
import { plainJson } from "./plain-json.ts";

const exitRefused = 1;
const exitUsage = 2;

const viewNames: readonly string[] = ["actors", "resources", "contexts", "fences", "log"] satisfies View[];
const breakNames: readonly string[] = ["break", "step", "continue"];
const isView = (command: string): command is View => viewNames.includes(command);
const stepsKind = integer(1, 1_000_000);
const limitKind = integer(1, limitMax).default(limitDefault);

/** What each command takes after its name. */
const argumentOf: Readonly<Record<string, string | null>> = {
  status: null,
  screenshot: "a file to write",
  snapshot: "a file to write",
  inspector: null,
  "trace start": "a file to write",
  "trace stop": null,
  "record start": "a file to write",
  "record stop": null,
  "log-level": "a level: debug, info, warning, error",
  outputs: null,
  "outputs set": "modes, such as 1280x800,off or 1=1920x1080",
  kill: `an actor: ${restartable.join(", ")}`,
  shutdown: null,
};

export async function main(args: string[], directory: string, callOf: CallOf): Promise<number> {
  const help = helpText(callOf("ctl"));
  try {
    const { values, positionals } = readArguments({
      args,
      allowPositionals: true,
      options: {
        "control-path": { type: "string" },
        scanout: { type: "string", short: "n" },
        json: { type: "boolean" },
        follow: { type: "boolean", short: "f" },
        limit: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help || positionals.length === 0) {
      console.log(help);
      return values.help ? 0 : exitUsage;
    }
    joinWords(positionals);
    const [command = ""] = positionals;
    if (command === "list") return await list(positionals, values);
    const run = runnerOf(command, positionals, values, directory);
    const path = resolve(directory, values["control-path"] ?? defaultPath());
    checkRuntimeDirectory(dirname(path));
    await run(path);
    return 0;
  } catch (error) {
    // Whatever it is, this is the end of the program, and a sentence for whoever called it.
    console.error(`ctl: ${(error as Error).message}`);
    return error instanceof UsageError ? exitUsage : exitRefused;
  }
}

/** Makes one command of two words, and one argument of several modes. Throws {@link UsageError}. */
function joinWords(positionals: string[]): void {
  const [first, second] = positionals;
  if (first === "outputs" && second === undefined) return;
  if (first === "outputs" && positionals.length > 3) positionals.push(positionals.splice(2).join(","));
  const seconds = Object.keys(argumentOf)
    .map((command) => command.split(" "))
    .flatMap(([one, other]) => (one === first && other !== undefined ? [other] : []));
  if (seconds.length === 0) return;
  if (second === undefined || !seconds.includes(second)) {
    const wrong = second === undefined ? "" : `, not "${second}"`;
    throw new UsageError(`${first} wants ${seconds.join(" or ")}${wrong}: see --help`);
  }
  positionals.splice(0, 2, `${first} ${second}`);
}

async function list(words: readonly string[], flags: Flags): Promise<number> {
  checkFlags("list", flags);
  if (words.length > 1) throw new UsageError(`too many arguments for list: ${words.slice(1).join(" ")}`);
  await (await import("./server-list.ts")).listServers(flags.json ?? false);
  return 0;
}

/** What there is to do at a control socket's path. Throws {@link UsageError}. */
function runnerOf(
  command: string,
  positionals: string[],
  flags: Flags,
  directory: string,
): (path: string) => Promise<void> {
  const words = positionals.slice(1);
  if (isView(command)) {
    const wanted = lookFrom(command, words, flags);
    // Loaded when it is needed: it is more than all the rest.
    return async (path) => (await import("./look.ts")).look(path, wanted);
  }
  if (breakNames.includes(command)) {
    const wanted = breakingFrom(command, words, flags);
    return async (path) => (await import("./breaks.ts")).breakAndStep(path, wanted);
  }
  const request = requestFrom(positionals, flags, directory);
  return (path) => send(path, request, flags.json ?? false);
}

const defaultPath = (): string => join(runtimeDirectory(), "fencepost.sock.ctl");

interface Flags {
  scanout?: string | undefined;
  json?: boolean | undefined;
  follow?: boolean | undefined;
  limit?: string | undefined;
}

/** The flags that some commands take, and which those are. */
const takersOf: Readonly<Record<keyof Flags, readonly string[]>> = {
  scanout: ["screenshot"],
  json: [...viewNames, ...breakNames, "list", "outputs", "outputs set"],
  follow: ["log"],
  limit: ["log"],
};

/** Throws {@link UsageError}. */
function checkFlags(command: string, flags: Flags): void {
  for (const [flag, takers] of Object.entries(takersOf)) {
    if (flags[flag as keyof Flags] !== undefined && !takers.includes(command))
      throw new UsageError(`${command} takes no --${flag}`);
  }
}

/** Throws {@link UsageError}. */
function breakingFrom(command: string, words: string[], flags: Flags): Breaking {
  const { json = false } = flags;
  checkFlags(command, flags);
  if (command === "break") {
    return words.length === 0 ? { json, what: "tell" } : { json, what: "break", filter: filterFrom(words) };
  }
  if (words.length > (command === "step" ? 1 : 0)) {
    throw new UsageError(`too many arguments for ${command}: ${words.join(" ")}`);
  }
  if (command === "continue") return { json, what: "continue" };
  const [count = "1"] = words;
  try {
    return { json, what: "step", count: stepsKind.read(/^\d+$/.test(count) ? Number(count) : count) };
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw new UsageError(`step: ${error.message}`, { cause: error });
  }
}

/** Throws {@link UsageError}. */
function filterFrom(words: readonly string[]): string {
  const filter = words.join(" ");
  try {
    parseFilter(filter);
    return filter;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new UsageError(error.message, { cause: error });
  }
}

/** Throws {@link UsageError}. */
function lookFrom(view: View, words: string[], flags: Flags): Look {
  const { json = false, follow = false, limit } = flags;
  checkFlags(view, flags);
  if (view !== "log" && words.length > 0)
    throw new UsageError(`too many arguments for ${view}: ${words.join(" ")}`);
  if (follow && limit !== undefined)
    throw new UsageError("--limit is of what has been, --follow of what comes");
  const filter = filterFrom(words);
  try {
    const asked = limit !== undefined && /^\d+$/.test(limit) ? Number(limit) : limit;
    return { view, json, follow, filter, limit: limitKind.read(asked) };
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw new UsageError(`limit: ${error.message}`, { cause: error });
  }
}

/** Throws {@link UsageError}. */
function requestFrom(positionals: string[], flags: Flags, directory: string): ControlRequest {
  const { scanout } = flags;
  const [command = "", argument, ...rest] = positionals;
  const wanted = Object.hasOwn(argumentOf, command) ? argumentOf[command]! : undefined;
  if (wanted === undefined) throw new UsageError(`unknown command "${command}": see --help`);
  if (wanted !== null && argument === undefined) throw new UsageError(`${command} wants ${wanted}`);
  if (rest.length > 0 || (wanted === null && argument !== undefined)) {
    throw new UsageError(
      `too many arguments for ${command}: ${positionals.slice(wanted === null ? 1 : 2).join(" ")}`,
    );
  }
  checkFlags(command, flags);
  try {
    return readRequest({
      command: command.replace(" ", "-"),
      ...(command === "kill" ? { actor: argument } : {}),
      ...(command === "log-level" ? { level: argument } : {}),
      ...(command === "outputs set" ? { outputs: argument } : {}),
      // The server has a working directory of its own.
      ...(argumentOf[command] === "a file to write" ? { path: resolve(directory, argument!) } : {}),
      ...(scanout === undefined ? {} : { scanout: /^\d+$/.test(scanout) ? Number(scanout) : scanout }),
    });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new UsageError(error.message, { cause: error });
  }
}

/** Sends one request and prints the answer. */
async function send(path: string, request: ControlRequest, isJson: boolean): Promise<void> {
  const answer = await (isWhole(request) ? fileOf(path, request) : ask(path, request));
  if (!isJson && (request.command === "outputs" || request.command === "outputs-set")) {
    console.log((await import("./outputs.ts")).outputsText(answer as unknown as OutputsAnswer));
    return;
  }
  console.log(done(request, answer) ?? plainJson(JSON.stringify(answer, null, 2)));
}

type Whole = Extract<ControlRequest, { command: "screenshot" | "snapshot" }>;
const isWhole = (request: ControlRequest): request is Whole =>
  request.command === "screenshot" || request.command === "snapshot";

/** What is written at once goes wherever the caller may write: where the server may not, by way of its socket's folder. */
async function fileOf(path: string, request: Whole): Promise<Record<string, unknown>> {
  try {
    return await ask(path, request);
  } catch (error) {
    if (!(error instanceof OutsideSandbox)) throw error;
  }
  const nearby = `${path}.${process.pid}.file`;
  try {
    const answer = await ask(path, { ...request, path: nearby });
    withFile(request.path, () => copyFileSync(nearby, request.path));
    return { ...answer, path: request.path };
  } finally {
    rmSync(nearby, { force: true });
  }
}

/** What a person is told in place of an answer as JSON. */
function done(request: ControlRequest, answer: Record<string, unknown>): string | null {
  if (request.command === "inspector") return String(answer["url"]);
  if (request.command === "trace-start") return `tracing into ${answer["path"]}, until ctl trace stop`;
  if (request.command === "trace-stop" || request.command === "record-stop")
    return `${answer["path"]} has ${answer["bytes"]} bytes`;
  if (request.command === "snapshot") return snapshotText(answer);
  if (request.command === "log-level") return `the log has ${request.level} and what is graver`;
  if (request.command === "kill") return `${request.actor} was told to crash: see status for what follows`;
  if (request.command === "record-start") return recordingText(answer);
  return request.command === "shutdown" ? "the server ends" : null;
}

function snapshotText({ path, bytes, resources, contexts }: Record<string, unknown>): string {
  const names = (contexts as string[]).join(", ");
  const text = `${path} has ${bytes} bytes: ${resources} resources`;
  return names === "" ? text : `${text}, but not what 3D contexts have: ${names}`;
}

function recordingText({ path, contexts }: Record<string, unknown>): string {
  const text = `recording to ${path}: it holds what the guest shows`;
  return contexts === 0
    ? text
    : `${text}, but not the state of 3D contexts (${contexts}): a replay cannot draw what they do`;
}
