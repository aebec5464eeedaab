// Fenced commands that the renderer has yet to finish, in the order of their timelines (virtio 1.3 §5.7.6.7).
//
// A timeline is the device's own, or with RING_IDX one context's ring. Its commands are answered in order. On the device's
// own a command waits for the renderer only if something was given to that since the last fence; else for those before it at
// most. On a ring it always does: what a context draws there may have come by shared memory, and this command only marks its end.

import { Header, Response, ringsMax } from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { Lifecycles } from "./lifecycles.ts";
import { PARKED, type Parked } from "../../queue/queue-handler.ts";
import { type QueueRunner } from "../../queue/queue-runner.ts";
import type { Request } from "../../queue/request.ts";
import { RecordKind } from "../../runtime/tap/layout.ts";
import type { Tap } from "../../runtime/tap/tap.ts";
import type { Renderer } from "../renderer/renderer.ts";
import { describeWaiting, type StuckFence, Timeline, Waiting } from "./timeline.ts";
import { milliseconds, pauseMs } from "../../../transport/os/clock.ts";

/** How long a stopping ring waits for the renderer, in milliseconds. */
const drainMs = 1_000;

/** What the renderer does for fences. */
export type FenceMaker = Pick<
  Renderer,
  "epoch" | "onFence" | "onContextFence" | "createFence" | "createContextFence" | "poll"
>;

export class Fences {
  private readonly global: Timeline;
  private readonly ofContexts = new Map<number, Timeline>();
  private readonly free: Waiting[] = [];
  /** Those whose answers come from elsewhere, each with its timeline. */
  private readonly held = new Map<Parked, [Waiting, Timeline]>();
  private readonly event;
  private count = 0;
  /** How long the command that was answered last had waited, in milliseconds. */
  lastWaitMs = 0;

  constructor(
    private readonly queue: QueueRunner,
    private readonly lifecycle: Lifecycles["fence"],
    private readonly renderer: FenceMaker,
    /** The last fence that was made. Numbers are 32 bits wide and wrap. */
    private last = 0,
    private readonly tap: Tap | null = null,
  ) {
    this.global = new Timeline(0, 0, last);
    renderer.onFence = (fence) => this.retire(this.global, fence);
    renderer.onContextFence = (context, ring, fence) => {
      const timeline = this.ofContexts.get(keyOf(context, ring));
      if (timeline !== undefined) this.retire(timeline, fence);
    };
    this.event = {
      submit: lifecycle.event("SUBMIT"),
      signal: lifecycle.event("SIGNAL"),
      fail: lifecycle.event("FAIL"),
      alarm: lifecycle.event("ALARM"),
      retire: lifecycle.event("RETIRE"),
    };
  }

  /** Commands that wait. */
  get pending(): number {
    return this.count;
  }

  /**
   * Returns what a fenced request is answered now with, or {@link PARKED} when that has to wait. `hasRing`: its header
   * names a ring of a context.
   */
  finish(request: Request, response: number, hasRing: boolean): number {
    const timeline = this.timelineOf(request, hasRing);
    const failed = !this.cover(timeline);
    const answer = failed ? Response.ERR_UNSPEC : response;
    if (timeline.isSettled) return answer;
    const waiting = this.wait(timeline, request, this.queue.park(), failed);
    const more = answer < Response.ERR_UNSPEC ? this.queue.responseBytes - Header.bytes : 0;
    waiting.response = answer;
    if (more > 0) waiting.body = request.responseBytes(Header.bytes, more).slice();
    this.queue.succession?.ranParked(waiting.parked!, answer, Header.bytes + more);
    return PARKED;
  }

  /** Has a fenced request, which is `parked` until {@link release} says what it is answered, keep its place on its timeline. */
  hold(parked: Parked, request: Request, hasRing: boolean): void {
    const timeline = this.timelineOf(request, hasRing);
    const waiting = this.wait(timeline, request, parked, !this.cover(timeline));
    waiting.isHeld = true;
    this.held.set(parked, [waiting, timeline]);
  }

  /** Answers a request that is held once those before it are answered. Returns false, with nothing done, for any other. */
  release(parked: Parked, response: number, body: Uint8Array | null): boolean {
    const found = this.held.get(parked);
    if (found === undefined) return false;
    const [waiting, timeline] = found;
    this.held.delete(parked);
    waiting.isHeld = false;
    waiting.response = response;
    waiting.body = body;
    this.advance(timeline);
    this.queue.publish();
    return true;
  }

  /**
   * The renderer's number of the fence that a command of the device's own timeline waits for, by the halves of the id
   * that the guest gave it; 0 when no such command waits.
   */
  numberOf(fenceHigh: number, fenceLow: number): number {
    const { waiting, first } = this.global;
    for (let index = first; index < waiting.length; index++) {
      const { id, parked } = waiting[index]!;
      const { header } = parked!;
      const isIt = header[Header.fenceId / 4] === fenceLow && header[Header.fenceId / 4 + 1] === fenceHigh;
      if (isIt) return id;
    }
    return 0;
  }

  /** Asks the renderer which fences have retired, and answers their commands. `isTold`: it says that it has news. */
  poll(isTold = false): void {
    if (this.count === 0 && !isTold) return;
    this.renderer.poll();
    this.queue.publish();
  }

  /** A context takes no more work, and finishes none: what waits on its rings is answered. */
  contextLost(context: number): void {
    for (const timeline of this.ofContexts.values())
      if (timeline.context === context) this.retireAll(timeline);
  }

  /** A context is gone. Since the library may lose the fence that it just waits for, every other timeline gets a new one. */
  contextDestroyed(context: number): void {
    this.contextLost(context);
    for (const [key, timeline] of this.ofContexts)
      if (timeline.context === context) this.ofContexts.delete(key);
    for (const timeline of this.timelines()) {
      if (!timeline.isEmpty && !this.mark(timeline)) this.retireAll(timeline);
    }
  }

  /** Gives the renderer some time to finish what the guest waits for, and answers the rest unfinished: the ring stops. */
  drain(): void {
    for (const end = milliseconds() + drainMs; this.count > 0 && milliseconds() < end;) {
      this.poll();
      if (this.count > 0) pauseMs(1);
    }
    this.finishAll();
  }

  /** Answers everything, done or not. */
  finishAll(): void {
    for (const timeline of this.timelines()) this.retireAll(timeline);
  }

  /** Calls `report` with each command that has waited for longer than `limitMs`, once. */
  alarm(limitMs: number, report: (stuck: StuckFence) => void): void {
    const now = milliseconds();
    for (const timeline of this.timelines()) {
      for (let index = timeline.first; index < timeline.waiting.length; index++) {
        const waiting = timeline.waiting[index]!;
        const ageMs = now - waiting.since;
        if (ageMs < limitMs) break;
        if (waiting.isHeld || !this.lifecycle.can(waiting, this.event.alarm)) continue;
        this.lifecycle.take(waiting, this.event.alarm);
        report({ command: waiting.command, context: waiting.parked!.header[Header.contextId / 4]!, ageMs });
      }
    }
  }

  /** Commands that wait, the oldest of each timeline first. */
  *waiting(): Generator<Waiting> {
    for (const { waiting, first } of this.timelines()) {
      for (let index = first; index < waiting.length; index++) yield waiting[index]!;
    }
  }

  /** What waits, for people: `max` commands at most, the oldest of each timeline first. */
  describe(max: number): Record<string, number | string>[] {
    return describeWaiting(this.timelines(), this.lifecycle, max);
  }

  private *timelines(): Generator<Timeline> {
    yield this.global;
    yield* this.ofContexts.values();
  }

  private timelineOf(request: Request, hasRing: boolean): Timeline {
    if (!hasRing) return this.global;
    const context = request.u32(Header.contextId);
    const ring = request.u32(Header.ringIndex) & 0xff;
    const key = keyOf(context, ring);
    let timeline = this.ofContexts.get(key);
    if (timeline === undefined) {
      timeline = new Timeline(context, ring, this.last);
      this.ofContexts.set(key, timeline);
    }
    return timeline;
  }

  /** Sees to it that a fence stands behind everything so far. Returns false where the renderer takes none. */
  private cover(timeline: Timeline): boolean {
    if (timeline === this.global && timeline.epoch === this.renderer.epoch) return true;
    if (this.mark(timeline)) return true;
    // A ring that the context has not is nothing to remember.
    if (timeline.isSettled && !timeline.isMarked)
      this.ofContexts.delete(keyOf(timeline.context, timeline.ring));
    return false;
  }

  /** Makes a fence behind everything that the renderer was given. Returns false when it takes none. */
  private mark(timeline: Timeline): boolean {
    // 0 is nobody's.
    const fence = (this.last + 1) >>> 0 || 1;
    const { context, ring } = timeline;
    // One that waits for nothing keeps up: a number from 2^31 fences ago would look like one to come.
    if (timeline.isSettled) timeline.retired = this.last;
    const error =
      timeline === this.global
        ? this.renderer.createFence(fence)
        : this.renderer.createContextFence(context, ring, fence);
    if (error !== 0) return false;
    if (this.tap !== null) this.note(RecordKind.fenceMade, timeline, fence);
    this.last = fence;
    timeline.isMarked = true;
    timeline.fence = fence;
    timeline.epoch = this.renderer.epoch;
    return true;
  }

  private wait(timeline: Timeline, request: Request, parked: Parked, failed: boolean): Waiting {
    const waiting = this.free.pop() ?? new Waiting();
    waiting.command = request.type;
    waiting.parked = parked;
    waiting.id = timeline.fence;
    waiting.since = milliseconds();
    this.lifecycle.renew(waiting);
    this.lifecycle.take(waiting, failed ? this.event.fail : this.event.submit);
    timeline.waiting.push(waiting);
    this.count++;
    return waiting;
  }

  /** Answers the commands of a timeline that waited for fences up to `fence`. Numbers wrap. */
  private retire(timeline: Timeline, fence: number): void {
    if (((fence - timeline.retired) | 0) > 0) timeline.retired = fence;
    if (this.tap !== null) this.note(RecordKind.fenceRetired, timeline, fence);
    this.advance(timeline);
  }

  /** Of what waits for nothing more, up to the first that still does. */
  private advance(timeline: Timeline): void {
    for (; !timeline.isEmpty; timeline.first++) {
      const waiting = timeline.waiting[timeline.first]!;
      if (waiting.isHeld || ((waiting.id - timeline.retired) | 0) > 0) break;
      this.answer(waiting);
    }
    this.compact(timeline);
  }

  private note(kind: number, timeline: Timeline, fence: number): void {
    this.tap!.fence(kind, fence, timeline.context, timeline.ring, timeline !== this.global);
  }

  private retireAll(timeline: Timeline): void {
    timeline.retired = timeline.fence;
    if (this.tap !== null && !timeline.isEmpty) this.note(RecordKind.fenceRetired, timeline, timeline.fence);
    this.advance(timeline);
  }

  private compact(timeline: Timeline): void {
    const { waiting, first } = timeline;
    if (!timeline.isEmpty && first < 64) return;
    waiting.copyWithin(0, first);
    waiting.length -= first;
    timeline.first = 0;
  }

  private answer(waiting: Waiting): void {
    const { queue, lifecycle, event } = this;
    // One that failed is signalled by nobody.
    if (lifecycle.can(waiting, event.signal)) lifecycle.take(waiting, event.signal);
    lifecycle.take(waiting, event.retire);
    this.lastWaitMs = milliseconds() - waiting.since;
    let bytes: number = Header.bytes;
    if (waiting.body !== null) {
      bytes += waiting.body.length;
      queue.request.responseBytes(Header.bytes, waiting.body.length).set(waiting.body);
    }
    // Shown to the guest with all others that retire now: one interrupt for them.
    queue.complete(waiting.parked!, waiting.response, bytes, true);
    waiting.parked = null;
    waiting.body = null;
    this.free.push(waiting);
    this.count--;
  }
}

const keyOf = (context: number, ring: number): number => context * ringsMax + ring;
