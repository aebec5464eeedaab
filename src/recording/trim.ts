// Makes of a recording the smallest one that still shows some of its frames.

import type { Start } from "../transport/wire/record/details.ts";
import type { Entry } from "../transport/wire/record/entries.ts";
import { type Recording, totalsOf } from "../transport/wire/record/recording.ts";
import { RecordingError } from "../transport/wire/record/recording-error.ts";
import type { Append } from "../transport/wire/record/writer.ts";
import { RecordingWriter } from "../transport/wire/record/writer.ts";
import {
  AttachBacking,
  Command,
  CreateBlob,
  Cursor,
  DetachBacking,
  ResourceCreate2d,
  ResourceUnref,
  SetScanout,
  SetScanoutBlob,
  TransferToHost2d,
} from "../transport/wire/virtio-gpu/protocol.ts";
import { blankBody } from "./blank.ts";
import { DeviceState } from "./device-state.ts";
import { type CommandStep, hasEffect, type Step, stepsOf, typeOf } from "./steps.ts";
import { addEntry, writeState } from "./written-state.ts";

export interface TrimOptions {
  /** Counted from 0; with none all of the recording is kept. */
  readonly frames: readonly number[];
  /** Whether no pixel is kept. */
  readonly isBlank: boolean;
}

/** It is packed better than while it is made: who trims it can wait. */
const packingLevel = 9;

/**
 * Writes the trimmed recording by `append`, in pieces: after each it yields how much of the work is done, 0 to 1. Throws a
 * {@link RecordingError} where there is no such frame.
 */
export function* trim(recording: Recording, options: TrimOptions, append: Append): Generator<number, void> {
  const plan = options.frames.length === 0 ? null : yield* planFor(recording, options.frames);
  const writer = new RecordingWriter(append, startOf(recording.start, options), packingLevel);
  if (plan === null) yield* copyAll(recording, writer, options.isBlank);
  else yield* new Trimming(recording, plan, writer, options.isBlank).run();
}

function startOf(start: Start, { frames, isBlank }: TrimOptions): Start {
  return {
    ...start,
    isFromStart: start.isFromStart && frames.length === 0,
    hasChecksums: start.hasChecksums && !isBlank,
    notRecorded: [
      ...start.notRecorded,
      ...(frames.length > 0 ? [`all but what is needed for ${named(frames)}: it was cut out`] : []),
      ...(isBlank ? ["pixels: they were taken out"] : []),
    ],
  };
}

const named = (frames: readonly number[]): string =>
  `frame${frames.length === 1 ? "" : "s"} ${frames.join(", ")}`;

function* copyAll(recording: Recording, writer: RecordingWriter, isBlank: boolean): Generator<number, void> {
  const { entries } = totalsOf(recording);
  let time = 0;
  for (const entry of recording.entries()) {
    time = entry.time;
    yield entry.number / entries;
    if (entry.kind === "start" || entry.kind === "end") continue;
    copy(writer, entry, isBlank);
  }
  const { reason, text } = recording.ending;
  writer.end(time, { reason: reason === "cut" ? "crashed" : reason, text });
}

function copy(writer: RecordingWriter, entry: Entry, isBlank: boolean): void {
  const { kind, time, body } = entry;
  const numbers = entry as unknown as Readonly<Record<string, number>>;
  addEntry(writer, kind, time, numbers, isBlank ? blankBody(entry) : body);
}

/** What is kept of a recording. */
interface Plan {
  readonly frames: ReadonlySet<number>;
  /** Steps before this one are told by a keyframe; with 0 none is left out. */
  readonly firstStep: number;
  readonly lastFrame: number;
  /** Resources that the frames show; null where a renderer may have drawn on one, from anything. */
  readonly shown: ReadonlySet<number> | null;
}

/** Goes over the recording up to the last frame that is wanted. */
function* planFor(recording: Recording, wanted: readonly number[]): Generator<number, Plan> {
  const frames = new Set(wanted);
  const lastFrame = Math.max(...wanted);
  const state = new DeviceState();
  const shown = new Set<number>();
  /** Where the first frame is, and the last step before it at which all was known. */
  let [firstFlush, lastKnown] = [-1, 0];
  let isKnown = true;
  let [step, frame] = [0, 0];
  for (const one of stepsOf(recording.entries())) {
    if (one.kind === "step") {
      if (firstFlush < 0 && state.isKnown) lastKnown = step;
      const kept = one.frames.filter((_, index) => frames.has(frame + index));
      if (kept.length > 0 && firstFlush < 0) firstFlush = step;
      for (const { resource } of kept) {
        shown.add(resource);
        isKnown &&= state.resources.get(resource)?.isRendered === false;
      }
      if (firstFlush >= 0 && typeOf(one) === Command.UPDATE_CURSOR) shown.add(resourceOf(one));
      frame += one.frames.length;
    }
    state.take(one);
    step++;
    yield frame / (lastFrame + 1) / 2;
    if (frame > lastFrame) {
      return isKnown
        ? { frames, lastFrame, firstStep: firstFlush, shown }
        : { frames, lastFrame, firstStep: lastKnown, shown: null };
    }
  }
  throw new RecordingError(`this recording has no frame ${lastFrame}: there are ${frame}`);
}

class Trimming {
  private readonly state = new DeviceState();
  /** Commands that are kept, by queue: their answers may come late. */
  private readonly kept = [new Set<number>(), new Set<number>()];
  private frame = 0;

  constructor(
    private readonly recording: Recording,
    private readonly plan: Plan,
    private readonly writer: RecordingWriter,
    private readonly isBlank: boolean,
  ) {}

  *run(): Generator<number, void> {
    const { plan, state, writer } = this;
    let [step, time] = [0, 0];
    for (const one of stepsOf(this.recording.entries())) {
      time = one.kind === "step" ? one.command.time : one.time;
      if (step === plan.firstStep && step > 0) this.begin(time);
      if (step >= plan.firstStep) this.take(one);
      state.take(one);
      step++;
      if (one.kind === "step") this.frame += one.frames.length;
      yield (1 + this.frame / (plan.lastFrame + 1)) / 2;
      if (this.frame > plan.lastFrame) break;
    }
    writer.end(time, { reason: "stopped", text: `the last of the frames that were cut out` });
  }

  private begin(time: number): void {
    const { state, plan, writer } = this;
    if (this.isBlank) state.blank();
    writeState(writer, state, time, ({ id }) => plan.shown === null || plan.shown.has(id));
  }

  private take(step: Step): void {
    if (step.kind === "step") {
      if (this.isKept(step)) this.keep(step);
      return;
    }
    if (step.kind === "answer" && !this.kept[step.queue]!.has(step.id)) return;
    if (step.kind === "start" || step.kind === "end") return;
    // A keyframe would say again what is known.
    if (this.plan.firstStep > 0 && !besides.has(step.kind)) return;
    copy(this.writer, step, this.isBlank);
  }

  private isKept(step: CommandStep): boolean {
    const { shown, frames } = this.plan;
    const type = typeOf(step);
    const showsOne = step.frames.some((_, index) => frames.has(this.frame + index));
    const brings = step.bytes.some(({ resource }) => shown === null || shown.has(resource));
    if (type === Command.RESOURCE_FLUSH) return showsOne || brings;
    if (shown === null || step.command.queue === 1) return true;
    const isScanout = type === Command.SET_SCANOUT || type === Command.SET_SCANOUT_BLOB;
    if (isScanout && resourceOf(step) === 0) return true;
    return shown.has(resourceOf(step)) && hasEffect(step);
  }

  private keep(step: CommandStep): void {
    const { writer, isBlank } = this;
    const { command, bytes, frames, answer } = step;
    this.kept[command.queue]!.add(command.id);
    copy(writer, command, isBlank);
    for (const entry of [...bytes, ...frames]) copy(writer, entry, isBlank);
    if (answer !== null) copy(writer, answer, isBlank);
  }
}

/** What stands beside commands and is no keyframe's. */
const besides: ReadonlySet<string> = new Set(["answer", "reset", "ring", "memory", "missing"]);

/** Where 2D commands name their resource. */
const resourceAt: Readonly<Record<number, number>> = {
  [Command.RESOURCE_CREATE_2D]: ResourceCreate2d.resourceId,
  [Command.RESOURCE_UNREF]: ResourceUnref.resourceId,
  [Command.RESOURCE_ATTACH_BACKING]: AttachBacking.resourceId,
  [Command.RESOURCE_DETACH_BACKING]: DetachBacking.resourceId,
  [Command.TRANSFER_TO_HOST_2D]: TransferToHost2d.resourceId,
  [Command.SET_SCANOUT]: SetScanout.resourceId,
  [Command.RESOURCE_CREATE_BLOB]: CreateBlob.resourceId,
  [Command.SET_SCANOUT_BLOB]: SetScanoutBlob.resourceId,
  [Command.UPDATE_CURSOR]: Cursor.resourceId,
};

/** Returns -1 for commands of no resource. */
function resourceOf(step: CommandStep): number {
  const { body } = step.command;
  const at = resourceAt[typeOf(step)];
  if (at === undefined || at + 4 > body.length) return -1;
  return new DataView(body.buffer, body.byteOffset).getUint32(at, true);
}
