// The trace in a file that somebody has asked for: opened here, written by the inspector, whichever that is at the time.

import { closeSync, constants, fchmodSync, fstatSync, openSync } from "node:fs";
import { fileRefusal } from "../../transport/os/files.ts";
import type { ActorHost } from "../runtime/host.ts";
import { answered } from "./answered.ts";

/** A trace ends within two seconds, or the disk is stuck. */
const answerTimeoutMs = 5_000;
/** A pipe that nobody reads is an error, and no wait of which nobody hears. */
const always = constants.O_WRONLY | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOCTTY;

export class Tracing {
  /** The file of the trace that is being made. */
  path: string | null = null;
  /** Opened, and not given to an inspector yet. */
  private fd = -1;

  constructor(private readonly host: ActorHost) {}

  /** Opens the file of a trace for an inspector that is yet to come. Throws a {@link Refusal}. */
  prepare(path: string): void {
    this.fd = opened(path, constants.O_TRUNC);
    this.path = path;
  }

  /** Begins a trace now. Throws where that cannot be. */
  start(path: string): void {
    this.check();
    if (this.path !== null) throw new Error(`a trace is being made already, in ${this.path}`);
    this.prepare(path);
    this.proceed();
  }

  /** There is an inspector: it begins the trace that is wanted, or goes on with that of its predecessor. */
  proceed(): void {
    if (this.path === null) return;
    try {
      const fd = this.fd < 0 ? opened(this.path, constants.O_APPEND) : this.fd;
      this.fd = -1;
      this.host.send("inspector", { type: "start-trace", fd, bytes: fstatSync(fd).size });
    } catch {
      // Its file has gone, or may not be opened any more: nobody can go on with it.
      this.path = null;
    }
  }

  /** Ends the trace. Returns its file and how many bytes that got. Throws where there is none. */
  async stop(): Promise<{ path: string; bytes: number }> {
    this.check();
    const { path } = this;
    if (path === null) throw new Error("no trace is being made");
    this.path = null;
    const question = { type: "ask-trace-end" } as const;
    const answer = await answered(this.host.asks, "inspector", question, answerTimeoutMs);
    if (answer === null) throw new Error(`the disk is slow: the trace in ${path} may lack its end`);
    return { path, bytes: answer.bytes };
  }

  close(): void {
    if (this.fd >= 0) closeSync(this.fd);
    this.fd = -1;
  }

  private check(): void {
    if (!this.host.names.includes("inspector"))
      throw new Error("nothing can be traced: start the server with --inspect or --trace");
    if (!this.host.isAlive("inspector")) throw new Error("the inspector is not there: try again");
  }
}

/** Opens a trace's file, which its owner alone may read: it has all that a guest does. */
function opened(path: string, how: number): number {
  let fd = -1;
  try {
    fd = openSync(path, always | how, 0o600);
    if (fstatSync(fd).isFile()) fchmodSync(fd, 0o600);
    return fd;
  } catch (error) {
    if (fd >= 0) closeSync(fd);
    throw fileRefusal(error, path);
  }
}
