// What both queue actors do with their vring: take commands, answer them, sleep and wake up; and follow the vhost
// session as it maps memory, starts and stops the ring.

import { Chain, ChainFault } from "../../transport/virtio/chain.ts";
import { Pop, type Position, type Ring } from "../../transport/virtio/ring.ts";
import { MemoryMap } from "../../transport/virtio/memory-map.ts";
import type { QueueMessage, RingStart } from "./messages.ts";
import type { ActorContext } from "../runtime/actor.ts";
import type { Tap } from "../runtime/tap/tap.ts";
import { QueueCounter } from "./counters.ts";
import { BadChains } from "./bad-chains.ts";
import { batchMax, glimpse, heavyBytesMax } from "./batch.ts";
import type { CommandForm } from "./command-form.ts";
import { type Gate, serveThrough } from "./gate.ts";
import { GuestShare } from "./guest-share.ts";
import { HeldAnswers } from "./held-answers.ts";
import { watchIdle } from "./idle-watch.ts";
import { serveOwed } from "./owed.ts";
import { PARKED, Parked, type QueueHandler } from "./queue-handler.ts";
import type { QueueRecording } from "./recording.ts";
import { Request } from "./request.ts";
import { redirect, RunningRing } from "./running-ring.ts";
import { SessionReplies } from "./session-replies.ts";
import { Succession, type SuccessionParts } from "./succession.ts";

export class QueueRunner {
  readonly memory: MemoryMap;
  readonly request: Request;
  /** Bytes of the response that {@link QueueHandler.execute} made. */
  responseBytes: number;
  /** The device features that the driver has negotiated. */
  features = 0;
  /** Bytes that the commands of this batch copied. */
  copiedBytes = 0;
  /** Whom to ask before each command; null where all run. */
  gate: Gate | null = null;
  /** What is told the recorder; null while nothing is recorded. */
  recording: QueueRecording | null = null;
  readonly succession: Succession | null;

  private readonly chain: Chain;
  private readonly guest: GuestShare;
  private readonly free: Parked[] = [];
  private readonly bad: BadChains;
  private readonly held: HeldAnswers;
  private readonly session: SessionReplies;
  private readonly headerBytes: number;
  private running: RunningRing | null = null;
  private ring: Ring | null = null;
  private enabled = false;
  /** That of the actor while somebody reads it, else null. */
  private tap: Tap | null = null;
  /** Where a ring that does not run would go on, be it that it could not be started. */
  private idleAt: Position = 0;

  constructor(
    private readonly context: ActorContext,
    private readonly handler: QueueHandler,
    private readonly form: CommandForm,
    requestBytesMax: number,
    record: SuccessionParts | null = null,
  ) {
    this.headerBytes = this.responseBytes = form.headerBytes;
    this.memory = new MemoryMap(handler.lendsPages);
    this.chain = new Chain(this.memory);
    this.guest = new GuestShare(this.memory, handler, context.log);
    this.request = new Request(requestBytesMax);
    this.bad = new BadChains(context, form, this.chain, this.request);
    this.held = new HeldAnswers(this.request);
    this.session = new SessionReplies(context);
    this.succession = record === null ? null : new Succession(record, form, this.chain, this.request);
    context.counters[QueueCounter.parked] = 0;
  }

  /** Handles the messages that concern the ring; returns false for any other. */
  receive(message: QueueMessage | { type: string }): message is QueueMessage {
    const own = message as QueueMessage;
    switch (own.type) {
      case "map-memory":
        this.session.attempt(own.token, () => this.guest.replace(own.regions, this.ring));
        if (this.ring?.isAttached) this.held.release(this);
        return true;
      case "log-pages":
        this.session.attempt(own.token, () => this.guest.logAt(own.fd, own.offset, own.size));
        return true;
      case "start-ring":
        this.session.attempt(own.token, () => this.start(own));
        return true;
      case "log-ring":
        this.ring?.logUsedAt(own.usedLog);
        return true;
      case "set-ring-call":
      case "set-ring-err":
        redirect(this.running, own);
        return true;
      case "enable-ring":
        this.enable(own.enabled);
        this.session.done(own.token);
        return true;
      case "stop-ring":
        this.settle();
        this.context.send("vhost-session", { type: "ring-stopped", token: own.token, base: this.stop() });
        return true;
      case "reset":
        this.stop();
        this.handler.reset();
        this.context.tidy();
        this.session.done(own.token);
        return true;
      default:
        return false;
    }
  }

  /** Serves the ring. Returns true while there is more to do. */
  turn(): boolean {
    const { ring } = this;
    if (ring === null || !this.enabled || ring.isBroken) return false;
    ring.disableKicks();
    for (;;) {
      this.tap = this.context.tap?.whileRead() ?? null;
      if (this.batch()) return true;
      this.publish();
      this.handler.idle?.();
      // A message may have stopped the ring.
      if (this.ring !== ring) return true;
      if (!this.enabled || ring.isBroken || this.gate?.holds === true) return false;
      if (watchIdle(ring, this.context, this.handler.yields?.() ?? false)) continue;
      return ring.enableKicks();
    }
  }

  /** Whether a command waits. */
  hasMore(): boolean {
    return this.ring?.hasMore() ?? false;
  }

  /** The ring that runs, if any, to look at. */
  get served(): Readonly<Ring> | null {
    return this.ring;
  }

  /** Takes the current request out of the queue's order; {@link complete} answers it. */
  park(): Parked {
    const parked = this.free.pop() ?? new Parked(this.headerBytes);
    this.chain.park(parked.chain);
    parked.header.set(this.request.words.subarray(0, parked.header.length));
    this.context.counters[QueueCounter.parked]!++;
    parked.command = this.tap === null ? 0 : this.tap.commandParked();
    if (this.gate !== null) this.gate.parked(parked);
    parked.recorded = this.recording === null ? 0 : this.recording.park();
    return parked;
  }

  /** Answers a parked request with the response whose body is in place, of `bytes` in all; shown at once, unless others follow. */
  complete(parked: Parked, type: number, bytes: number, othersFollow = false): void {
    if (this.ring?.isAttached === false) return this.held.hold(parked, type, bytes);
    // Another request may be under way, whose header this must not touch.
    this.form.writeHeader(this.request.responseWords, type, parked.header);
    this.ring?.completeParked(parked.chain, this.request.responseAddress, bytes);
    this.free.push(parked);
    if (type >= this.form.firstError) this.context.counters[QueueCounter.errors]!++;
    this.context.counters[QueueCounter.parked]!--;
    if (this.tap !== null) this.tap.commandCompleted(parked.command, type, bytes);
    if (this.gate !== null) this.gate.completed(parked, type);
    if (this.recording !== null) this.recording.answered(parked.recorded, type, bytes);
    if (!othersFollow) this.publish();
  }

  publish(): void {
    if (this.ring !== null) this.show(this.ring);
    this.handler.published?.();
  }

  succeed(parked: Parked): void {
    this.complete(parked, this.form.ok, this.headerBytes);
  }

  refuse(parked: Parked, error: number): void {
    this.complete(parked, error, this.headerBytes);
  }

  /** Releases the ring and the guest's memory. */
  close(): void {
    this.stop();
    this.guest.close();
    this.request.close();
  }

  /** Takes up to {@link batchMax} commands; returns whether the ring may hold more. */
  private batch(): boolean {
    for (let count = 0; count < batchMax; count++) {
      if (this.context.isRung()) {
        this.context.drain();
        if (this.tap !== null) this.tap.tick();
        if (this.ring === null || !this.enabled) return false;
      }
      const popped = this.ring!.pop(this.chain);
      if (popped === Pop.CHAIN) {
        this.request.take(this.chain);
        if (this.gate === null) this.serve(this.ring!);
        else if (!serveThrough(this.gate, this.ring!, this.chain, this.request, this.gated)) return false;
      } else if (popped === Pop.EMPTY) return false;
      else if (popped === Pop.BROKEN || popped === Pop.CROWDED) {
        this.running!.fail(popped);
        return false;
      } else this.context.counters[QueueCounter.malformedChains]!++;
      if (count % glimpse === glimpse - 1) this.ring!.publishSilently();
      if (this.copiedBytes > heavyBytesMax) {
        this.copiedBytes = 0;
        this.publish();
      }
    }
    this.copiedBytes = 0;
    this.publish();
    return true;
  }

  /** Shows the guest what was completed. */
  private show(ring: Ring): void {
    const isCalled = ring.publish();
    if (isCalled) this.context.counters[QueueCounter.interrupts]!++;
    if (this.tap !== null) this.tap.published(isCalled);
  }

  private readonly gated = (ring: Ring): number => this.serve(ring);

  /** Runs the request that was copied, and answers it. Returns the response's type, or {@link PARKED}. */
  private serve(ring: Ring): number {
    const { chain, request, context, headerBytes, tap } = this;
    context.counters[QueueCounter.commands]!++;
    this.responseBytes = headerBytes;
    if (tap !== null) tap.commandTaken(request.words, request.length, chain.writableBytes);
    let type: number;
    if (chain.fault !== ChainFault.none) {
      type = this.bad.chain();
      // Half an answer would be worse than none.
      if (chain.writableBytes < headerBytes) this.responseBytes = 0;
    } else if (request.length < headerBytes || chain.readableBytes > request.bytesMax) {
      type = this.bad.length();
    } else {
      if (this.recording !== null) this.recording.taken(chain.writableBytes);
      type = (ring.tookAgain && this.succession?.repeat(ring, this)) || this.handler.execute(request);
      if (type === PARKED) tap?.rest();
      if (type === PARKED) return type;
      if (type >= this.form.firstError) this.responseBytes = headerBytes;
    }
    if (type >= this.form.firstError) context.counters[QueueCounter.errors]!++;
    this.form.writeHeader(request.responseWords, type, request.words);
    const written = chain.respond(request.responseAddress, this.responseBytes);
    ring.complete(chain.head, written);
    if (tap !== null) tap.commandRan(type, written, type >= this.form.firstError);
    if (this.recording !== null) this.recording.completed(type, this.responseBytes);
    return type;
  }

  private start(message: RingStart): void {
    const left = this.stop();
    this.idleAt = message.base < 0 ? left : message.base;
    this.running = new RunningRing(this.context, this.memory, message, this.succession);
    this.ring = this.running.ring;
    this.features = message.features;
    this.enabled = message.enabled;
    if (this.running.startedFresh) this.handler.reset();
    if (!message.enabled) this.settle();
    this.recording?.ringStarted(message.features, message.num);
  }

  /** What is under way when the ring is disabled is answered now: its driver may be gone, and its memory another's. */
  private enable(enabled: boolean): void {
    this.enabled = enabled;
    if (enabled || this.ring === null) return;
    this.settle();
    this.handler.finishParked();
    this.show(this.ring);
  }

  /** Has what a predecessor had taken run and answered, since nobody takes it again. */
  private settle(): void {
    const { ring } = this;
    if (ring === null) return;
    serveOwed(ring, this.chain, this.request, () => this.serve(ring));
    this.show(ring);
  }

  /** Stops taking commands and answers those that are parked. Returns where the next chain would be taken. */
  private stop(): Position {
    const { running } = this;
    if (running === null) return this.idleAt;
    this.handler.finishParked();
    running.close();
    this.running = null;
    this.ring = null;
    this.recording?.ringStopped();
    // They are forgotten: there is no ring any more to give them back to.
    this.held.release(this);
    this.enabled = false;
    return (this.idleAt = running.ring.position);
  }
}
