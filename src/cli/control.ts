// What `ctl` does: asks a running server for its state or a picture, or tells it to stop.

import { readdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { manifestOf, workerNames } from "../actors/registry.ts";
import { type ControlRequest, readRequest } from "../actors/supervisor/control-request.ts";
import { readArguments, UsageError } from "../config-arguments.ts";
import { Refusal } from "../transport/os/errors.ts";
import { checkRuntimeDirectory, runtimeDirectory } from "../transport/os/runtime-directory.ts";
import type { CallOf } from "./begin.ts";

const restartable = workerNames.filter((name) => manifestOf[name].survives);

const helpText = (call: string): string => `Talks to a running Fencepost over its control socket.

Usage: ${call} [--control-path PATH] COMMAND

Commands:
  status                    the state of the device, its actors, scanouts and counters, as JSON
  screenshot [-n N] FILE    write what scanout N shows (default 0) to a PNG file, without the cursor
  kill ACTOR                make an actor crash, to see it come back (${restartable.join(", ")})
  shutdown                  end the server in order

Flags:
  --control-path PATH       the server's control socket (default: that of a server with default settings)
  -n, --scanout N           which scanout, 0 to 15
  -h, --help                this text

Exit codes: 0 done, 1 the server refused or is not there, 2 a mistake in the command line.`;

const exitRefused = 1;
const exitUsage = 2;
const answerTimeoutMs = 15_000;

/** What each command takes after its name. */
const argumentOf: Readonly<Record<string, string | null>> = {
  status: null,
  screenshot: "a file to write",
  kill: "an actor",
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
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help || positionals.length === 0) {
      console.log(help);
      return values.help ? 0 : exitUsage;
    }
    const request = requestFrom(positionals, values.scanout, directory);
    const path = resolve(directory, values["control-path"] ?? defaultPath());
    checkRuntimeDirectory(dirname(path));
    return await send(path, request);
  } catch (error) {
    // Whatever it is, this is the end of the program, and a sentence for whoever called it.
    console.error(`ctl: ${(error as Error).message}`);
    return error instanceof UsageError ? exitUsage : exitRefused;
  }
}

const defaultPath = (): string => join(runtimeDirectory(), "fencepost.sock.ctl");

/** Throws {@link UsageError}. */
function requestFrom(positionals: string[], scanout: string | undefined, directory: string): ControlRequest {
  const [command = "", argument, ...rest] = positionals;
  const wanted = Object.hasOwn(argumentOf, command) ? argumentOf[command]! : undefined;
  if (wanted === undefined) throw new UsageError(`unknown command "${command}": see --help`);
  if (wanted !== null && argument === undefined) throw new UsageError(`${command} wants ${wanted}`);
  if (rest.length > 0 || (wanted === null && argument !== undefined)) {
    throw new UsageError(
      `too many arguments for ${command}: ${positionals.slice(wanted === null ? 1 : 2).join(" ")}`,
    );
  }
  if (scanout !== undefined && command !== "screenshot")
    throw new UsageError(`${command} takes no --scanout`);
  try {
    return readRequest({
      command,
      ...(command === "kill" ? { actor: argument } : {}),
      // The server has a working directory of its own.
      ...(command === "screenshot" ? { path: resolve(directory, argument!) } : {}),
      ...(scanout === undefined ? {} : { scanout: /^\d+$/.test(scanout) ? Number(scanout) : scanout }),
    });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new UsageError(error.message, { cause: error });
  }
}

/** The other control sockets beside `path`, such as those of servers on inherited descriptors. */
function othersBeside(path: string): string {
  let names: string[];
  try {
    names = readdirSync(dirname(path));
  } catch {
    // It only helps to find one.
    return "";
  }
  const others = names
    .map((name) => join(dirname(path), name))
    .filter((one) => one.endsWith(".ctl") && one !== path);
  return others.length === 0 ? "" : `; beside it is ${others.join(", ")}`;
}

/** Sends one request and prints the answer; returns the exit code. */
async function send(path: string, request: ControlRequest): Promise<number> {
  const answered = Promise.withResolvers<string>();
  let received = "";
  const socket = await Bun.connect({
    unix: path,
    socket: {
      data(_, bytes) {
        received += bytes.toString("utf8");
        if (received.includes("\n")) answered.resolve(received);
      },
      close: () => answered.reject(new Error("the server closed the connection")),
      error: (_, error) => answered.reject(error),
    },
  }).catch(() => {
    throw new Error(
      `no server answers at ${path}; is it running, and with that --control-path?${othersBeside(path)}`,
    );
  });
  const timer = setTimeout(() => answered.reject(new Error("the server does not answer")), answerTimeoutMs);
  socket.write(`${JSON.stringify(request)}\n`);
  const line = await answered.promise.finally(() => clearTimeout(timer));
  socket.end();
  const answer = JSON.parse(line) as { ok: boolean; error?: string };
  const { ok, error, ...rest } = answer;
  if (!ok) {
    console.error(`ctl: ${error}`);
    return exitRefused;
  }
  console.log(done(request) ?? JSON.stringify(rest, null, 2));
  return 0;
}

/** What a person is told of a request whose answer says nothing more. */
function done(request: ControlRequest): string | null {
  if (request.command === "kill") return `${request.actor} was told to crash: see status for what follows`;
  return request.command === "shutdown" ? "the server ends" : null;
}
