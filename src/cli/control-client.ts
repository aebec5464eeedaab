// One question to a running server on its control socket.

import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { OutsideSandbox } from "../actors/sandbox/outside.ts";
import type { ControlRequest } from "../actors/supervisor/control-request.ts";

const answerTimeoutMs = 15_000;
/** The VMM's socket answers nobody that asks. */
const vmmTimeoutMs = 2_000;

interface AnswerLine {
  ok: boolean;
  error?: string;
  /** Whether its sandbox does not let the server write where it was told to. */
  isOutside?: boolean;
}

/** No server is there, or it ends. */
export class ServerGone extends Error {}

/** Returns the answer without its `ok`. Throws what the server says where it refuses, and {@link ServerGone}. */
export async function ask(path: string, request: ControlRequest): Promise<Record<string, unknown>> {
  const answered = Promise.withResolvers<string>();
  let received = "";
  const isVmms = !path.endsWith(".ctl") && existsSync(`${path}.ctl`);
  const hint = isVmms ? `: ${path} is for a VMM, and its server's control socket ${path}.ctl` : "";
  const socket = await Bun.connect({
    unix: path,
    socket: {
      data(_, bytes) {
        received += bytes.toString("utf8");
        if (received.includes("\n")) answered.resolve(received);
      },
      close: () => answered.reject(new ServerGone(`the server closed the connection${hint}`)),
      error: (_, error) => answered.reject(error),
    },
  }).catch((error: Error) => {
    if ("code" in error && error.code === "EACCES")
      throw new Error(`this user may not ask the server at ${path}: only its own user may, and root`);
    throw new ServerGone(
      `no server answers at ${path}: "ctl list" has those that run, for --control-path${othersBeside(path)}`,
    );
  });
  const unanswered = (): void => answered.reject(new Error(`the server does not answer${hint}`));
  const timer = setTimeout(unanswered, isVmms ? vmmTimeoutMs : answerTimeoutMs);
  socket.write(`${JSON.stringify(request)}\n`);
  const line = await answered.promise.finally(() => clearTimeout(timer));
  socket.end();
  const { ok, error, isOutside, ...rest } = JSON.parse(line) as AnswerLine;
  if (!ok) throw isOutside === true ? new OutsideSandbox(error) : new Error(error);
  return rest;
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
