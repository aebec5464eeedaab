// The recorder: empties the queues' rings into a file. Whatever becomes of that, the guest goes on.

import { ConfigError } from "../../config-error.ts";
import { asRefusal } from "../../transport/os/errors.ts";
import { closeFd } from "../../transport/os/fds.ts";
import type { End } from "../../transport/wire/record/details.ts";
import type { WorkerName } from "../registry.ts";
import type { Actor, ActorContext } from "../runtime/actor.ts";
import { MonotonicClock } from "../../transport/os/monotonic-clock.ts";
import { Counter } from "./counters.ts";
import { type Beginning, CurrentRecording } from "./current-recording.ts";
import { Intermission } from "./intermission.ts";
import type { RecorderMessage } from "./messages.ts";
import { QueueRings } from "./queue-rings.ts";
import { RecordingFile } from "./recording-file.ts";
import type { RecordingOutput } from "./recording-output.ts";
import { RecordingStream } from "./recording-stream.ts";
import { pauseMs } from "../../transport/os/clock.ts";

/** How soon the rings are looked at again: where something came, and where nothing has come for longer and longer. */
const lookMs = 4;
const lookMsMax = 32;
/** How long whoever reads a recording has for its end; and where the server ends. */
const endMs = 5_000;
const stopMs = 500;

const serverEnded: End = { reason: "stopped", text: "the server has ended" };
const crashed: End = { reason: "crashed", text: "the recorder has crashed" };

/** Called with what is wrong, or "" where nothing is. */
type Tell = (error: string) => void;
/** As {@link Tell}, and how many 3D contexts there were, of which nothing is recorded. */
type TellBegun = (error: string, contexts: number) => void;

export class Recorder implements Actor<RecorderMessage> {
  private readonly clock = new MonotonicClock();
  private readonly rings: QueueRings;
  current: CurrentRecording | null = null;
  /** Where a recording is about to begin. */
  private starting: RecordingOutput | null = null;
  /** Why the recording ends, while the queues are asked for the rest. */
  ending: End | null = null;
  /** Once they have told it: no later than when it has ended. */
  closing: { end: End; untilNs: number } | null = null;
  private readonly endAnswers: Tell[] = [];
  private readonly intermission: Intermission;
  private last: (End & { path: string; bytes: number }) | null = null;
  private isLooking = false;
  private pauseMs = lookMs;

  constructor(private readonly context: ActorContext) {
    const { config, life } = context;
    this.rings = new QueueRings(context);
    this.intermission = new Intermission(context, this.rings, this);
    // A successor would write over what its predecessor has left.
    if (config.record === undefined || life > 1) return;
    const { record, recordChecksums } = config;
    const error = this.begin(
      () => new RecordingFile(record),
      recordChecksums,
      (why) => {
        if (why !== "") context.log.error(`no recording: ${why}`);
      },
    );
    if (error === "") return;
    this.stop();
    throw new ConfigError(`--record: ${error}`);
  }

  receive(message: RecorderMessage): void {
    const { context } = this;
    switch (message.type) {
      case "ask-recording": {
        const { token, path } = message;
        const answer: TellBegun = (error, contexts) =>
          context.send("supervisor", { type: "recording", token, error, contexts });
        const error = this.begin(() => new RecordingFile(path), context.config.recordChecksums, answer);
        if (error !== "") answer(error, 0);
        return;
      }
      case "ask-recording-stream": {
        const { token, fd, reader, checksums } = message;
        const answer: Tell = (error) =>
          context.send("supervisor", { type: "recording-stream", token, error });
        const error = this.begin(() => new RecordingStream(fd, reader, context.epoll), checksums, answer);
        if (error === "") return;
        closeFd(fd);
        return answer(error);
      }
      case "ask-recording-end": {
        const answer: Tell = (error) => {
          const { path, bytes } = this.last ?? { path: "", bytes: 0 };
          context.send("supervisor", { type: "recording-end", token: message.token, error, path, bytes });
        };
        if (this.current === null) return answer(`nothing is being recorded${this.lastEnded()}`);
        this.endAnswers.push(answer);
        this.end({ reason: "stopped", text: "as asked" });
        return;
      }
      case "ask-recording-pause":
        return this.intermission.begin(message.token, message.isInOrder);
      case "ask-description":
        context.send("supervisor", { type: "description", token: message.token, state: this.describe() });
        return;
    }
  }

  peerLost(peer: WorkerName): void {
    if (peer === "cursor-queue") this.end({ reason: "crashed", text: "the cursor queue has crashed" });
    if (peer === "ctrl-queue") this.intermission.lost();
  }

  peerBack(peer: WorkerName): void {
    if (peer === "ctrl-queue") this.intermission.goOn();
  }

  turn(): boolean {
    const { current } = this;
    if (current === null) return false;
    if (this.closing !== null) {
      this.settle();
      return false;
    }
    let more = false;
    const before = current.entries;
    try {
      more = current.write(this.clock.now());
    } catch (error) {
      // Nothing more goes into it: the queues need not wait.
      this.finish({ reason: "disk", text: asRefusal(error).message });
      this.stopQueues(() => {});
      return false;
    }
    this.count(current);
    if (current.transcript.owesCursors) {
      current.transcript.owesCursors = false;
      this.context.send("cursor-queue", { type: "record-cursors" });
    }
    const { output } = current;
    if (output.isUnread) this.end({ reason: "stopped", text: "its reader has gone" });
    if (current.gaveUp) this.end({ reason: "too-slow", text: `${output.taker} was too slow for the guest` });
    if (current.isFull) this.end({ reason: "too-long", text: "there are as many chunks as there may be" });
    if (!more && output.hasRoom) this.intermission.written(current.isLevel);
    const most = Math.min(lookMsMax, output.ageMs / 4);
    this.pauseMs = current.entries > before ? lookMs : Math.min(most, 2 * this.pauseMs);
    if (!more) this.lookLater();
    return more;
  }

  stop(): void {
    this.finishWith(this.context.isStopping() ? serverEnded : crashed, stopMs);
    while (this.current !== null) {
      pauseMs(1);
      this.settle();
    }
    this.starting?.close();
    this.clock.close();
    this.rings.close();
  }

  /** Begins a recording, and answers once it has begun; returns why it cannot, or "". */
  private begin(open: () => RecordingOutput, checksums: boolean, answer: TellBegun): string {
    const { context } = this;
    const other = this.current?.output ?? this.starting;
    if (other !== null) return `a recording goes on, to ${other.name}: end it first`;
    try {
      this.starting = open();
    } catch (error) {
      return asRefusal(error).message;
    }
    this.rings.empty();
    const startNs = this.clock.now();
    const settle = (beginning: Beginning | null): void => {
      if (beginning === null) answer(this.discard("the ctrl queue has crashed"), 0);
      else answer(this.began(beginning, checksums, startNs), beginning.contexts);
    };
    context.asks.ask("ctrl-queue", { type: "ask-recording-start", checksums }, settle, { again: true });
    return "";
  }

  private lastEnded(): string {
    return this.last === null ? "" : `: ${this.last.path} has ended (${this.last.text})`;
  }

  private discard(error: string): string {
    this.starting?.discard();
    this.starting = null;
    return error;
  }

  private began(beginning: Beginning, checksums: boolean, startNs: number): string {
    const output = this.starting!;
    this.starting = null;
    const { context, rings } = this;
    if (beginning.error !== "") {
      output.discard();
      return beginning.error;
    }
    try {
      this.current = new CurrentRecording(output, context.config, beginning, checksums, rings, startNs);
    } catch (error) {
      output.discard();
      this.stopQueues(() => {});
      return asRefusal(error).message;
    }
    context.send("cursor-queue", { type: "start-recording" });
    const { contexts } = beginning;
    const lacks =
      contexts === 0 ? "" : `, but not what the 3D contexts have drawn, of which there are ${contexts}`;
    context.log.info(`recording to ${output.name}: it holds what the guest shows${lacks}`);
    return "";
  }

  /** Has the queues stop, and ends the recording when all of theirs is written. */
  end(end: End): void {
    if (this.ending !== null || this.current === null) return;
    this.ending = end;
    this.stopQueues(() => this.finishWith(end));
  }

  /** `done` runs when no queue writes any more. */
  private stopQueues(done: () => void): void {
    const { asks } = this.context;
    let left = 2;
    const stopped = (): void => {
      if (--left === 0) done();
    };
    // A cursor queue that has crashed writes no more either.
    asks.ask("ctrl-queue", { type: "ask-recording-stop" }, stopped);
    asks.ask("cursor-queue", { type: "ask-recording-stop" }, stopped);
  }

  /** Writes all that is there, and ends: within `ms`, where somebody reads it. */
  private finishWith(end: End, ms = endMs): void {
    if (this.current === null) return;
    this.closing = { end: this.closing?.end ?? end, untilNs: this.clock.now() + ms * 1e6 };
    this.settle();
  }

  /** Writes what is left, as far as it is taken now; the turn that follows a timer does the rest. */
  private settle(): void {
    const { end, untilNs } = this.closing!;
    const current = this.current!;
    const { output } = current;
    const now = this.clock.now();
    try {
      while (current.write(now));
    } catch (error) {
      return this.finish({ reason: "disk", text: asRefusal(error).message });
    }
    const isLate = now >= untilNs;
    if (output.hasRoom || isLate) current.end(now, end);
    if (output.isTaken || isLate) return this.finish(end);
    this.lookLater();
  }

  private finish(end: End): void {
    const { context } = this;
    const current = this.current!;
    const { output, bytes } = current;
    current.end(this.clock.now(), end);
    output.close();
    this.count(current);
    this.current = this.ending = this.closing = null;
    this.intermission.ended();
    this.last = { ...end, path: output.name, bytes };
    const size = `${Math.ceil(bytes / 1024)} KiB`;
    const line = `the recording to ${output.name} has ended, with ${size}: ${end.text}`;
    if (end.reason === "stopped") context.log.info(line);
    else context.log.error(line);
    for (const answer of this.endAnswers.splice(0)) answer(end.reason === "stopped" ? "" : end.text);
    // Some MiB, which little that comes here would soon have collected.
    context.tidy();
  }

  private describe(): Record<string, unknown> {
    const { current, last } = this;
    if (current === null) return { state: "off", last };
    const { output, bytes, entries, transcript } = current;
    return { state: "recording", path: output.name, bytes, entries, keyframes: transcript.keyframes };
  }

  private count({ entries, bytes, transcript }: CurrentRecording): void {
    const { counters } = this.context;
    counters[Counter.entries] = entries;
    counters[Counter.bytes] = bytes;
    counters[Counter.keyframes] = transcript.keyframes;
  }

  private lookLater(): void {
    if (this.isLooking) return;
    this.isLooking = true;
    this.context.timers.after(this.pauseMs, this.looked);
  }

  /** The turn that follows a timer does the rest. */
  private readonly looked = (): void => {
    this.isLooking = false;
  };
}
