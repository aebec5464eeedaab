// Plays a recording: a guest's driver over the vhost-user socket, which does what the recorded one did in the same order and
// from the same bytes. The server knows of nothing.

import { DeviceState } from "../../src/recording/device-state.ts";
import { type CommandStep, isAccepted, type Step, typeOf } from "../../src/recording/steps.ts";
import { detailsOf } from "../../src/transport/wire/record/details.ts";
import type { Entry } from "../../src/transport/wire/record/entries.ts";
import { Command, Queue, Response } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import type { CommandResult } from "../driver/command-queue.ts";
import { ExpectedPictures } from "./expected.ts";
import type { Rectangle } from "../driver/commands.ts";
import type { Framebuffer } from "../vmm/display-scanout.ts";
import { type Extent, place, widen } from "./guest-bytes.ts";
import { InFlight } from "./in-flight.ts";
import { leftOut } from "./left-out.ts";
import { type GuestSetup, ReplayGuest, type Wait } from "./replay-guest.ts";
import { Restorer } from "./restored-state.ts";
import { Screen } from "./screen.ts";

export interface PlayerOptions extends Omit<GuestSetup, "drawn"> {
  /** Whether each picture is waited for, so that none is merged with the next. */
  readonly isWatched: boolean;
  /** Told when the device is as it was where this began: what comes next is the recording's own. */
  readonly began?: () => void;
  /** Told of each answer. */
  readonly answered?: (step: CommandStep, result: CommandResult) => void;
}

/** A step that is being played: yields what it has to wait for. */
export type Playing = Generator<Wait, void>;

export class Player {
  /** What the recording says that the device holds now. */
  state = new DeviceState();
  readonly screen = new Screen();
  replay: ReplayGuest | null = null;
  /** Pieces of guest memory that the recording has bytes for, and the guest no memory. */
  misplaced = 0;
  /** What the recording lacks from where this began, as sentences. */
  lacks: string[] = [];
  /** Pictures that the server did not show. */
  unseen = 0;

  private expected = new ExpectedPictures();
  /** Whose pictures are waited for. */
  private showing: CommandStep | null = null;
  private flights: InFlight | null = null;
  private restorer: Restorer | null = null;
  /** Whether commands or a keyframe came since the device was reset: later keyframes say what is known. */
  private hasBegun = false;
  private isInKeyframe = false;
  /** Commands amid the keyframe with which this begins. */
  private early: CommandStep[] = [];
  private isFromKeyframe = false;
  private isSkipping = false;
  private isReset = false;
  private startedWith = 0;

  constructor(private readonly options: PlayerOptions) {}

  /** Plays one step; a watched one is on the screen, and others may be under way. Throws where the server plays no part. */
  *play(step: Step): Playing {
    switch (step.kind) {
      case "step":
        // The cursor queue goes on while the other tells its state.
        if (this.isAmidKeyframe) return void this.early.push(step);
        this.hasBegun = true;
        if (this.isSkipping) break;
        return yield* this.playCommand(step);
      case "keyframe":
        this.isInKeyframe = true;
        if (!this.hasBegun) this.noteLacks(step);
        break;
      case "missing":
        this.lacks.push(detailsOf(step).what);
        return;
      case "keyframeEnd":
        this.isInKeyframe = false;
        return yield* this.endKeyframe();
      case "cursor":
        // The cursor queue tells its part of a keyframe when it gets to it.
        if (this.isFromKeyframe && !this.isInKeyframe && this.state.cursors[step.scanout] === null) {
          this.state.take(step);
          if (this.isSkipping) return;
          this.begin();
          return yield* this.restorer!.restoreCursor(this.state, step.scanout);
        }
        break;
      case "reset":
        // A device that was given a state tells that next.
        if (step.queue === Queue.CONTROL) this.hasBegun = false;
        if (this.isSkipping) break;
        this.isReset ||= step.queue === Queue.CONTROL;
        // What was answered before that is now too.
        yield* waited(this.flights?.settle((flight) => flight.step.answer !== null) ?? null);
        break;
      case "memory":
        if (this.replay === null || this.isSkipping) break;
        yield* this.settle();
        this.state.take(step);
        this.replay.setMemory(this.state.memory);
        return;
      default:
    }
    if (!this.isInKeyframe || !this.hasBegun) this.state.take(step);
  }

  /** Whether the state with which this begins is told in part. */
  get isAmidKeyframe(): boolean {
    return this.isInKeyframe && !this.hasBegun;
  }

  /** From here on steps are only remembered, until {@link land}: what they lead to can be told without them. */
  skip(): void {
    this.isSkipping = true;
  }

  /** Brings the device to what the skipped steps have led to, all of which must be known. */
  *land(): Playing {
    this.isSkipping = false;
    this.replay?.setMemory(this.state.memory);
    if (this.state.resources.size > 0) yield* this.restore();
  }

  /** Nothing more is played for a while: what was held back goes out, and what comes is served. */
  rest(): void {
    this.flights?.send();
    this.replay?.guest.pump.drain();
  }

  /** Waits until all is answered, and shown where it is watched. */
  *settle(): Playing {
    const wait = this.flights?.settle() ?? null;
    if (wait !== null) yield wait;
    yield* this.show();
  }

  /** As {@link settle}, for whoever does nothing else meanwhile. */
  finish(): void {
    for (const wait of this.settle()) this.replay!.until(wait);
  }

  /** Forgets all that was played: what comes next is the recording's start, or memory and a keyframe. */
  rewind(): void {
    const { features } = this.state;
    // Nothing is shown from here on.
    this.replay?.restart(features);
    this.startedWith = features;
    this.flights?.forget();
    this.screen.forget();
    this.state = new DeviceState();
    this.expected = new ExpectedPictures();
    this.lacks = [];
    this.early = [];
    this.isSkipping = false;
    this.hasBegun = this.isInKeyframe = this.isFromKeyframe = false;
    this.isReset = false;
    this.options.began?.();
  }

  /** The guest, which is started if it is not. */
  begin(): ReplayGuest {
    const { state, options, screen } = this;
    if (this.replay === null) {
      this.replay = ReplayGuest.start({ ...options, drawn: screen.drawn }, state.memory, state.features);
      this.flights = new InFlight(this.replay, (step, result) => {
        // What it refuses is not seen.
        if (result.type >= Response.ERR_UNSPEC && step === this.showing) screen.forget();
        options.answered?.(step, result);
      });
      this.restorer = new Restorer(this.replay.guest);
    } else if (this.isReset || state.features !== this.startedWith) {
      this.flights!.forget();
      this.replay.restart(state.features);
    }
    this.isReset = false;
    this.startedWith = state.features;
    return this.replay;
  }

  /** A copy of a resource's rectangle as a scanout would show it, which it does then; null where it cannot be shown. */
  probe(scanout: number, resource: number, view: Rectangle): Framebuffer | null {
    if (!this.state.resources.has(resource)) return null;
    this.finish();
    const replay = this.replay!;
    this.screen.expect(scanout, { ...view, x: 0, y: 0 });
    const { type } = replay.guest.gpu.setScanout(scanout, resource, view);
    if (type !== Response.OK_NODATA) {
      this.screen.forget();
      return null;
    }
    this.expected.sent(scanout, resource);
    if (!this.screen.settle(replay)) this.unseen++;
    const shown = this.screen.picture(replay, scanout);
    return shown && { ...shown, pixels: shown.pixels.slice() };
  }

  close(): void {
    this.replay?.close();
    this.replay = null;
  }

  private *playCommand(step: CommandStep): Playing {
    const replay = this.begin();
    const flights = this.flights!;
    // A cursor's image is what the commands before it have made; a move has to do with nothing.
    const isUpdate = typeOf(step) === Command.UPDATE_CURSOR;
    if (isUpdate) yield* waited(flights.settleQueue(Queue.CONTROL));
    const missing = leftOut(step, this.state);
    const bytes = missing.length === 0 ? step.bytes : [...step.bytes, ...missing];
    const reads = bytes.length === 0 ? null : yield* this.placeBytes(replay, step, bytes);
    if (this.options.isWatched) {
      this.showing = step;
      for (const { scanout, rect } of this.expected.of(step, this.state)) this.screen.expect(scanout, rect);
    }
    const room = flights.room(step);
    if (room !== null) yield room;
    flights.submit(step, reads);
    this.state.take(step);
    if (isUpdate) yield* waited(flights.settleQueue(Queue.CURSOR));
    if (this.options.isWatched) yield* this.show();
  }

  /** Puts what the command will read where it will be read. Returns where that is. */
  private *placeBytes(
    { guest }: ReplayGuest,
    step: CommandStep,
    bytes: readonly Entry<"bytes">[],
  ): Generator<Wait, Extent> {
    const extent = { start: Infinity, end: 0 };
    const { resources } = this.state;
    const known = bytes.flatMap((entry) => {
      const resource = resources.get(entry.resource);
      return resource === undefined ? [] : [{ resource, entry }];
    });
    for (const { resource, entry } of known) widen(extent, resource, entry);
    yield* waited(this.flights!.clear(extent));
    const misplaced = known.filter(({ resource, entry }) => !place(guest.memory, resource, entry));
    // What was refused has read what there was of it.
    if (isAccepted(step)) this.misplaced += misplaced.length;
    return extent;
  }

  private *show(): Playing {
    if (!this.options.isWatched || this.replay === null || this.screen.isSettled) return;
    yield* waited(this.flights!.settle());
    if (!this.screen.settle(this.replay)) this.unseen++;
  }

  private noteLacks({ contexts, rendered }: Entry<"keyframe">): void {
    if (contexts + rendered === 0) return;
    const text = `of ${contexts} contexts and ${rendered} resources of a renderer that were there before it`;
    this.lacks.push(`the recording has nothing ${text}: what uses them is refused`);
  }

  private *endKeyframe(): Playing {
    if (this.hasBegun) return;
    this.hasBegun = true;
    this.isFromKeyframe = this.state.resources.size > 0;
    if (this.isFromKeyframe && !this.isSkipping) yield* this.restore();
    for (const step of this.early.splice(0)) yield* this.play(step);
  }

  private *restore(): Playing {
    const { state } = this;
    this.begin();
    // Seen before anything else is: it would be taken for the picture of what comes next.
    if (this.options.isWatched) {
      state.scanouts.forEach((view, scanout) => {
        const isKnown = view !== null && state.resources.get(view.resource)?.isRendered === false;
        if (isKnown) this.screen.expect(scanout, { ...view, x: 0, y: 0 });
      });
    }
    yield* this.restorer!.restore(state);
    yield* this.show();
    this.options.began?.();
  }
}

function* waited(wait: Wait | null): Playing {
  if (wait !== null) yield wait;
}
