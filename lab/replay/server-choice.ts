// Which server plays a recording: this checkout's, another one's or a revision's, and with which settings.

import { existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { UsageError } from "../../src/config-arguments.ts";
import { Refusal } from "../../src/transport/os/errors.ts";
import { ServerProcess } from "../vmm/server-process.ts";

const home = join(import.meta.dir, "..", "..");
const renderers = ["auto", "virgl", "software"];
/** Each picture is shown, and read here. */
const always = ["--frame-rate", "unlimited", "--copy-pictures"];

export interface ServerChoice {
  /** As it was asked for. */
  readonly name: string;
  /** A checkout; a revision is one that is made for it. */
  readonly checkout: string;
  readonly revision: string | null;
  readonly args: readonly string[];
  /** Variables that it has beyond this program's. */
  readonly env: Readonly<Record<string, string>>;
}

const variable = /^([A-Z_][A-Z0-9_]*)=(.*)$/;

/**
 * Words with spaces between them: a renderer, `@` and a revision or the path of a checkout, variables as a shell has them, and
 * settings as the server's command line has them. Throws a {@link UsageError}.
 */
export function readChoice(name: string, directory: string): ServerChoice {
  let checkout = home;
  let revision: string | null = null;
  const args: string[] = [];
  const env: Record<string, string> = {};
  const words = name.split(" ").filter((word) => word !== "");
  for (const [index, word] of words.entries()) {
    const isValue = index > 0 && words[index - 1]!.startsWith("--");
    const [, variableName, value] = variable.exec(word) ?? [];
    if (variableName !== undefined) env[variableName] = value!;
    else if (word.startsWith("--") || isValue) args.push(word);
    else if (renderers.includes(word)) args.push("--renderer", word);
    else if (word.startsWith("@")) {
      const path = resolve(directory, word.slice(1));
      if (existsSync(join(path, "src/cli/server.ts"))) checkout = path;
      else revision = word.slice(1);
    } else {
      const kinds = `${renderers.join(", ")}, @ and a revision, NAME=value, or --settings`;
      throw new UsageError(`${word}: want one of ${kinds}`);
    }
  }
  return { name, checkout, revision, args, env };
}

/** A server that was started for a replay. */
export interface Chosen {
  readonly server: ServerProcess;
  stop(): Promise<void>;
}

export async function startChoice(
  { checkout, revision, args, env }: ServerChoice,
  more: readonly string[],
  signal: AbortSignal,
): Promise<Chosen> {
  const made = revision === null ? null : makeCheckout(revision);
  const command =
    made === null && checkout === home
      ? {}
      : { command: [bunForCheckouts(), join(made ?? checkout, "src/cli/server.ts")] };
  try {
    const server = await ServerProcess.start({
      ...command,
      args: [...always, ...more, ...args],
      env,
      signal,
    });
    return {
      server,
      stop: async () => {
        await server.stop();
        if (made !== null) removeCheckout(made);
      },
    };
  } catch (error) {
    if (made !== null) removeCheckout(made);
    if (signal.aborted) throw error;
    throw new Refusal((error as Error).message, { cause: error });
  }
}

function bunForCheckouts(): string {
  if (!Bun.isStandaloneExecutable) return process.execPath;
  const bun = Bun.which("bun");
  if (bun === null) throw new Refusal("a checkout's server runs by bun, which is not on PATH");
  return bun;
}

/** A work tree of `revision` with this one's packages. */
function makeCheckout(revision: string): string {
  if (Bun.isStandaloneExecutable) {
    const advice = "an executable has no revisions: call bun run replay in a checkout";
    throw new Refusal(`@${revision}: there is no checkout at that path, and ${advice}`);
  }
  if (!isKnown(revision)) {
    throw new Refusal(`@${revision}: there is no such revision here, and no checkout at that path`);
  }
  const path = mkdtempSync(join(tmpdir(), "fencepost-revision-"));
  git(["worktree", "add", "--detach", "--force", path, revision], revision);
  symlinkSync(join(home, "node_modules"), join(path, "node_modules"));
  return path;
}

function removeCheckout(path: string): void {
  rmSync(path, { recursive: true, force: true });
  git(["worktree", "prune"], path);
}

const isKnown = (revision: string): boolean =>
  Bun.spawnSync(["git", "-C", home, "rev-parse", "--verify", "--quiet", `${revision}^{commit}`]).success;

function git(args: readonly string[], revision: string): void {
  const { success, stderr } = Bun.spawnSync(["git", "-C", home, ...args]);
  if (!success) throw new Refusal(`${revision}: ${stderr.toString().trim().split("\n").at(-1)}`);
}
