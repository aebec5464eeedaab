// What actors log. A thread holds back what guests can provoke; a process may be anybody's by now, and is held back here.

import type { ServerConfig } from "../../config.ts";
import { hasProcess, type WorkerName } from "../registry.ts";
import { type Level, Log } from "../runtime/log.ts";
import type { LogSink } from "./log-sink.ts";

/** Lines a second of a process: more than one ever says that is ours. */
const linesMax = 100;

export class ActorLogs {
  private readonly ofProcesses = new Map<WorkerName, Log>();

  constructor(
    private readonly sink: Pick<LogSink, "write">,
    private readonly config: Pick<ServerConfig, "isolation">,
  ) {}

  write(level: Level, actor: WorkerName, text: string): void {
    if (hasProcess(actor, this.config)) this.logOf(actor).limited(level, () => text);
    else this.sink.write(level, actor, text);
  }

  private logOf(actor: WorkerName): Log {
    let log = this.ofProcesses.get(actor);
    if (log !== undefined) return log;
    log = new Log("debug", (level, text) => this.sink.write(level, actor, text), linesMax, "");
    this.ofProcesses.set(actor, log);
    return log;
  }
}
