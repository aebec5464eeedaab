// The traces that are being made: one in a file, and one for each page or program that reads one.

import { Refusal } from "../../../transport/os/errors.ts";
import type { ActorContext } from "../../runtime/actor.ts";
import type { Accounts } from "../accounts.ts";
import type { Collector } from "../collector.ts";
import { RunningTrace, type TraceSink } from "./running-trace.ts";
import { TraceFile } from "./trace-file.ts";
import { Tracer } from "./tracer.ts";
import { TraceStream } from "./trace-stream.ts";

/** How long an inspector that stops waits for the disk. */
const stopMs = 2_000;
/** How old what is known of the guest's resources may be. */
const inventoryMs = 400;

export class Traces {
  private readonly running = new Set<RunningTrace>();
  private file: RunningTrace | null = null;

  constructor(
    private readonly context: ActorContext,
    private readonly collector: Collector,
    private readonly accounts: Accounts,
    private readonly now: () => number,
  ) {}

  /** Whom records are for. */
  get tracers(): readonly Tracer[] {
    return this.running.size === 0 ? none : [...this.running].map(({ tracer }) => tracer);
  }

  /** Makes one in a file from byte `bytes` on, whose descriptor is its own from here on. */
  begin(fd: number, bytes: number): void {
    const { log } = this.context;
    this.file = this.add(new TraceFile(fd, bytes), (why) => {
      this.file = null;
      log.warning(`the trace ends: ${why}`);
      this.context.send("supervisor", { type: "trace-ended" });
    });
  }

  /** Ends that in the file. Returns how many bytes it has got of this actor. */
  async end(): Promise<number> {
    const { file } = this;
    if (file === null) return 0;
    this.file = null;
    this.remove(file);
    await file.end(this.now(), "it was stopped");
    return file.bytes;
  }

  /** One for whoever reads it, until they have enough. Throws a {@link Refusal}. */
  stream(): ReadableStream<Uint8Array> {
    const { traceReadersMax } = this.context.config;
    if (this.running.size - (this.file === null ? 0 : 1) >= traceReadersMax) {
      this.context.log.beyond("traceReadersMax", traceReadersMax, "it is refused", "who reads a trace");
      throw new Refusal(`${traceReadersMax} traces are being read already`);
    }
    const stream = new TraceStream();
    this.add(stream, () => {});
    return stream.body;
  }

  /** The records of this turn were taken. */
  turn(ns: number): void {
    for (const trace of this.running) trace.turn(ns);
  }

  /** Ends all of them, as far as the disk lets it in a moment. */
  async stop(): Promise<void> {
    const ns = this.now();
    const ends = [...this.running].map((trace) => trace.end(ns, "the inspector stops"));
    await Promise.race([Promise.all(ends), Bun.sleep(stopMs)]);
  }

  private add(sink: TraceSink, onEnd: (why: string) => void): RunningTrace {
    const { history, readers } = this.collector;
    const { config, life } = this.context;
    const tracer = new Tracer(history, readers, life, this.now());
    const trace = new RunningTrace(tracer, sink, config.traceBytesMax, (why) => {
      this.remove(trace);
      onEnd(why);
    });
    this.running.add(trace);
    for (const reader of readers) reader?.hearSleeps(true);
    void this.accounts.inventory.get(inventoryMs).then((all) => all !== null && tracer.draws.begin(all));
    return trace;
  }

  private remove(trace: RunningTrace): void {
    this.running.delete(trace);
    if (this.running.size > 0) return;
    for (const reader of this.collector.readers) reader?.hearSleeps(false);
  }
}

const none: readonly Tracer[] = [];
