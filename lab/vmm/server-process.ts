// The real server as a child process, in a temporary directory of its own, with its log kept for whoever asks why.

import { bound } from "../bound-child.ts";
import { type ProcessUsage, usageOf } from "./process-usage.ts";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";

export interface ServerOptions {
  /** Arguments after `--socket-path PATH`. */
  args?: readonly string[];
  /** Another back-end to run instead; it must know `--socket-path`. */
  command?: readonly string[];
  /** A program that runs Bun with this checkout's server, where it is to be run in another way than this program is. */
  runner?: readonly string[];
  env?: Record<string, string>;
  /** How long it may take to listen, and to end, in milliseconds. */
  startMs?: number;
  stopMs?: number;
  /** Ends the wait for it to listen, and the server. */
  signal?: AbortSignal;
}

/** One line of answer on the control socket. */
export interface ControlAnswer {
  ok: boolean;
  error?: string;
  [field: string]: unknown;
}

/** The executable's word for the process of an actor. */
const actorWord = "actor-process";
/** What the server prints once it serves; it takes connections before. */
const upLine = " listens on ";
const logName = "server.log";
const sourceMain = join(import.meta.dir, "..", "..", "src", "cli", "server.ts");

export class ServerProcess {
  /** How this program's own server is started. */
  static own: readonly string[] = Bun.isStandaloneExecutable
    ? [process.execPath, "serve"]
    : [process.execPath, sourceMain];

  private constructor(
    readonly directory: string,
    private readonly child: Bun.Subprocess,
    private readonly stopMs: number,
  ) {}

  private static ownBy(runner: readonly string[] = []): readonly string[] {
    return runner.length === 0 ? ServerProcess.own : [...runner, process.execPath, sourceMain];
  }

  /** Starts the server and waits until it says that it is up; another back-end, until it listens. Throws with its log. */
  static async start(options: ServerOptions = {}): Promise<ServerProcess> {
    const directory = mkdtempSync(join(tmpdir(), "fencepost-"));
    const socketPath = join(directory, "gpu.sock");
    // One descriptor for both: two would overwrite each other's lines.
    const log = openSync(join(directory, logName), "w");
    const command = options.command ?? ServerProcess.ownBy(options.runner);
    const child = Bun.spawn(bound([...command, "--socket-path", socketPath, ...(options.args ?? [])]), {
      env: { ...process.env, ...options.env },
      stdin: "ignore",
      stdout: log,
      stderr: log,
      // A terminal's Ctrl-C is for whoever started it, who ends it when its guest is done.
      detached: true,
    });
    closeSync(log);
    const server = new ServerProcess(directory, child, options.stopMs ?? 30_000);
    const deadline = performance.now() + (options.startMs ?? 60_000);
    const isUp = (): boolean =>
      options.command === undefined ? server.log().includes(upLine) : existsSync(socketPath);
    while (!isUp()) {
      if (options.signal?.aborted) {
        await server.stop();
        options.signal.throwIfAborted();
      }
      if (server.hasEnded || performance.now() > deadline) {
        const state = server.hasEnded ? `ended with code ${server.exitCode}` : "is not listening";
        const text = server.log();
        await server.stop();
        throw new Error(`the server ${state}:\n${text}`);
      }
      await Bun.sleep(2);
    }
    return server;
  }

  get socketPath(): string {
    return join(this.directory, "gpu.sock");
  }

  get controlPath(): string {
    return `${this.socketPath}.ctl`;
  }

  get pid(): number {
    return this.child.pid;
  }

  /** Its exit code, or null while it runs. A signal counts as 128 plus its number, as in a shell. */
  get exitCode(): number | null {
    const { exitCode, signalCode } = this.child;
    return signalCode === null ? exitCode : 128 + (constants.signals[signalCode as NodeJS.Signals] ?? 0);
  }

  private get hasEnded(): boolean {
    return this.exitCode !== null;
  }

  /** Resolves with the exit code when the process ends. */
  get exited(): Promise<number> {
    return this.child.exited;
  }

  /** Where its log is, until it is stopped. */
  get logPath(): string {
    return join(this.directory, logName);
  }

  /** Everything that it has printed so far. */
  log(): string {
    return existsSync(this.logPath) ? readFileSync(this.logPath, "utf8") : "";
  }

  /** The processes of actors that do not run in its own. */
  get actorProcesses(): number[] {
    return childrenOf(this.pid).filter(isActor);
  }

  /** Where the ctrl queue and its renderer run. */
  get ctrlQueuePid(): number {
    return this.actorProcesses[0] ?? this.pid;
  }

  /** Other programs that its actors have started. */
  get children(): number[] {
    return [this.pid, ...this.actorProcesses].flatMap(childrenOf).filter((pid) => !isActor(pid));
  }

  /** Of all its actors. */
  usage(): ProcessUsage {
    return usageOf([this.pid, ...this.actorProcesses]);
  }

  /** Sends one command to the control socket and answers its line. */
  control(command: Record<string, unknown>, timeoutMs = 5000): Promise<ControlAnswer> {
    return new Promise((resolve, reject) => {
      let text = "";
      const socket = createConnection(this.controlPath);
      const fail = (error: Error) => {
        socket.destroy();
        reject(error);
      };
      socket.setTimeout(timeoutMs, () => fail(new Error(`no answer to ${JSON.stringify(command)}`)));
      socket.on("error", fail);
      socket.on("connect", () => socket.write(`${JSON.stringify(command)}\n`));
      socket.on("data", (chunk) => {
        text += chunk.toString();
        if (!text.includes("\n")) return;
        socket.end();
        resolve(JSON.parse(text.slice(0, text.indexOf("\n"))) as ControlAnswer);
      });
      socket.on("close", () => reject(new Error("the control socket closed without an answer")));
    });
  }

  /** Ends it by SIGTERM, by SIGKILL when that does not help; removes its directory; returns the exit code. */
  async stop(): Promise<number> {
    if (!this.hasEnded) this.child.kill("SIGTERM");
    const killer = setTimeout(() => this.child.kill("SIGKILL"), this.stopMs);
    const code = await this.child.exited;
    clearTimeout(killer);
    rmSync(this.directory, { recursive: true, force: true });
    return code;
  }
}

function childrenOf(pid: number): number[] {
  const threads = [...new Bun.Glob("*").scanSync({ cwd: `/proc/${pid}/task`, onlyFiles: false })];
  return threads.flatMap((thread) =>
    textOf(`/proc/${pid}/task/${thread}/children`).split(" ").filter(Boolean).map(Number),
  );
}

/** Whether a process is an actor of the server's, and not another program: src/actors/runtime/process/. */
function isActor(pid: number): boolean {
  const words = textOf(`/proc/${pid}/cmdline`).split("\0");
  return words.includes(actorWord) || words.some((word) => word.endsWith("/runtime/process/child.ts"));
}

/** A file of a process; "" where that has ended meanwhile. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    return "";
  }
}
