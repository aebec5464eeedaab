// What `bun run ctl` does: asks a running server for its state or a picture, or tells it to stop.

import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { manifestOf, workerNames } from "../actors/registry.ts";
import type { ControlRequest } from "../actors/supervisor/control-server.ts";
import { checkRuntimeDirectory, runtimeDirectory } from "../transport/os/runtime-directory.ts";

const restartable = workerNames.filter((name) => manifestOf[name].survives);

const help = `Talks to a running Fencepost over its control socket.

Usage: bun run ctl [--control-path PATH] COMMAND

Commands:
  status                    the state of the device, its actors, scanouts and counters, as JSON
  screenshot [-n N] FILE    write what scanout N shows (default 0) to a PNG file
  kill ACTOR                make an actor crash, to see it come back (${restartable.join(", ")})
  shutdown                  end the server in order

Flags:
  --control-path PATH       the server's control socket (default: that of a server with default settings)
  -h, --help                this text

Exit codes: 0 done, 1 the server refused or is not there, 2 a mistake in the command line.`;

const exitRefused = 1;
const exitUsage = 2;
const answerTimeoutMs = 15_000;

class UsageError extends Error {}

export async function main(args: string[], directory: string): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        "control-path": { type: "string", default: join(runtimeDirectory(), "fencepost.sock.ctl") },
        scanout: { type: "string", short: "n", default: "0" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (values.help || positionals.length === 0) {
      console.log(help);
      return values.help ? 0 : exitUsage;
    }
    const path = resolve(directory, values["control-path"]);
    checkRuntimeDirectory(dirname(path));
    return await send(path, requestFrom(positionals, Number(values.scanout), directory));
  } catch (error) {
    console.error(`ctl: ${(error as Error).message}`);
    return error instanceof UsageError || error instanceof TypeError ? exitUsage : exitRefused;
  }
}

function requestFrom(
  [command, argument, ...rest]: string[],
  scanout: number,
  directory: string,
): ControlRequest {
  if (rest.length > 0) throw new UsageError(`too many arguments for ${command}`);
  switch (command) {
    case "status":
    case "shutdown":
      return { command };
    case "screenshot":
      if (argument === undefined) throw new UsageError("screenshot wants a file to write");
      // The server has a working directory of its own.
      return { command, scanout, path: resolve(directory, argument) };
    case "kill":
      if (argument === undefined) throw new UsageError("kill wants an actor");
      return { command, actor: argument as Extract<ControlRequest, { command: "kill" }>["actor"] };
    default:
      throw new UsageError(`unknown command "${command}": see --help`);
  }
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
    throw new Error(`no server answers at ${path}; is it running, and with that --control-path?`);
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
  if (Object.keys(rest).length > 0) console.log(JSON.stringify(rest, null, 2));
  return 0;
}
