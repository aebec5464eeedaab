// The ctrl queue: the guest's commands in order, and the only thread that owns resources.

import type { ActorName, WorkerName } from "../registry.ts";
import type { CtrlQueueMessage } from "./messages.ts";
import { asRefusal } from "../../transport/os/errors.ts";
import type { NativeMemory } from "../../transport/os/native-memory.ts";
import type { GuestSpan } from "../../transport/virtio/memory-map.ts";
import { Header } from "../../transport/wire/virtio-gpu/protocol.ts";
import { PARKED, type QueueHandler } from "../queue/queue-handler.ts";
import { QueueRunner } from "../queue/queue-runner.ts";
import type { Actor, ActorContext } from "../runtime/actor.ts";
import { now } from "../runtime/timers.ts";
import type { Request } from "../queue/request.ts";
import type { Command } from "./commands/parts.ts";
import { CtrlCounter } from "./counters.ts";
import { describeScanouts } from "./description.ts";
import { Device } from "./device.ts";
import { Inheritance, isLastInherited } from "./inheritance.ts";
import { Journal } from "./journal/journal.ts";
import { describeInventory } from "./inventory.ts";
import { baseFeatures, gpuConfig, gpuDevice } from "./device-type.ts";
import { KeptWord } from "./manifest.ts";
import { LibraryOutput } from "./renderer/library-output.ts";
import { Snapshots } from "./snapshots.ts";
import { TakeUp } from "./take-up.ts";
import { startRenderer } from "./renderer/start.ts";
import { chooseTier } from "./pixels/storage/probe.ts";
import { WarmUp } from "./warm-up.ts";

export class CtrlQueue implements Actor<CtrlQueueMessage>, QueueHandler {
  readonly lendsPages = true;
  /** Those that run Vulkan. */
  readonly startsPrograms: boolean;
  private readonly queue: QueueRunner;
  private readonly libraryOutput: LibraryOutput | null;
  private readonly device: Device;
  private readonly run: Command;
  private rehearsal: WarmUp | null = null;
  private hasWarmedUp = false;
  private readonly record: NativeMemory | null;
  private readonly journal: Journal;
  private readonly snapshots: Snapshots;
  private readonly takeUp: TakeUp;
  private wasReset = false;
  /** What a predecessor has left, until the guest's memory is there. */
  private inheritance: Inheritance | null = null;

  /** `start` makes the renderer. */
  constructor(
    private readonly context: ActorContext,
    start: typeof startRenderer = startRenderer,
  ) {
    const { config, epoll, log, mayReturn } = context;
    this.record = mayReturn ? context.area("succession", "write") : null;
    const guilty = context.keep.subarray(KeptWord.guilty, KeptWord.guilty + 1);
    const record = this.record === null ? null : { memory: this.record, guilty };
    this.queue = new QueueRunner(context, this, gpuDevice.commands, config.commandBytesMax, record);
    this.journal = new Journal(context.area("journal", "write"));
    const startedAt = now();
    this.libraryOutput = config.renderer === "software" ? null : new LibraryOutput(epoll, log);
    const renderer = start(config, log, this.queue.request.arena);
    this.startsPrograms = renderer.description?.vulkan !== undefined;
    this.device = new Device(context, this.queue, renderer, chooseTier(config, log), this.journal);
    this.run = this.device.execute;
    const features = baseFeatures | renderer.features;
    const { queue, device, journal } = this;
    this.snapshots = new Snapshots(context, device, journal);
    this.takeUp = new TakeUp(context, queue, device, journal, features, () => this.reset());
    if (mayReturn && context.life > 1) {
      this.inheritance = Inheritance.of(context, queue, device, journal, startedAt);
      if (this.inheritance === null) device.restoreDisplay();
    }
    context.send("vhost-session", {
      type: "offer",
      features,
      config: gpuConfig(config.scanouts, renderer.capsets.length),
    });
  }

  receive(message: CtrlQueueMessage, from?: ActorName): void {
    const { inheritance } = this;
    if (inheritance === null) return this.take(message, from);
    if (from !== "vhost-session") return inheritance.putOff(() => this.take(message, from));
    this.take(message, from);
    if (message.type === "map-memory") this.takeUp.inherit((pixels) => inheritance.take(pixels));
    if (!isLastInherited(message)) return;
    this.inheritance = null;
    inheritance.goOn();
    this.count();
  }

  private take(message: CtrlQueueMessage, from?: ActorName): void {
    // What concerns the ring or its memory; the display's socket comes long before.
    if (from === "vhost-session" && message.type !== "vmm-display-changed") this.endRehearsal();
    if (this.device.mappings.receive(message)) return;
    if (this.serveRing(message)) return;
    // The commands of a rehearsal are nobody's to stop at, or to see.
    if (message.type === "set-breaks" || message.type === "ask-recording-start") this.endRehearsal();
    if (this.device.breaks.receive(message) || this.device.recordings.receive(message)) return;
    if (this.snapshots.receive(message, from) || this.takeUp.receive(message)) return;
    const { outbox, model, fenceWatch, cursorImages, exports } = this.device;
    switch (message.type) {
      case "expect-driver":
        this.rehearse();
        return;
      case "vmm-display-changed":
        this.device.vmmDisplay(message.isConnected);
        this.context.send("vhost-session", { type: "done", token: message.token, error: "" });
        return;
      case "sinks-changed":
        outbox.displayTakes(message.dmabuf, message.modifiers, model.pictures());
        return;
      case "poll-renderer":
        return fenceWatch.ask();
      case "check-fences":
        return fenceWatch.check();
      case "ask-inventory":
        this.context.send("inspector", describeInventory(model, message.token));
        return;
      case "ask-picture":
        this.device.looks.tell(message.token, message.resource);
        return;
      case "ask-description":
        return this.describe(message.token);
      case "surface-refused":
        return outbox.surfaceRefused(message.surface, model.pictures());
      case "surface-released":
        outbox.surfaceReleased(message.surface);
        // A stopped ring is never idle.
        this.count();
        return;
      case "ask-cursor-image":
        cursorImages.request(message.token, message.resource, message.slot);
        return;
      case "ask-buffer":
        exports.lendResource(message);
        return;
      case "ask-fence":
        exports.lendFence(message);
        return;
    }
  }

  /** As {@link QueueRunner.receive}. */
  private serveRing(message: CtrlQueueMessage): boolean {
    this.wasReset = false;
    if (!this.queue.receive(message)) return false;
    if (message.type === "reset") this.takeUp.reset();
    if (message.type !== "start-ring") return true;
    this.journal.featuresAre(message.features);
    if (this.queue.served !== null) this.takeUp.begin(this.wasReset);
    return true;
  }

  peerLost(peer: WorkerName): void {
    if (peer === "resource-bridge") this.device.exports.bridgeLost();
    // Those who wanted it to stop were connected to that.
    if (peer === "inspector") this.device.breaks.lost();
    if (peer === "recorder") this.device.recordings.close();
  }

  peerBack(peer: WorkerName): void {
    if (peer === "display") this.device.restoreDisplay();
    if (peer === "fence-poller") this.device.fenceWatch.begin();
  }

  turn(): boolean {
    if (this.rehearsal !== null) {
      this.rehearsal.run();
      if (this.rehearsal?.isOver === true) this.rehearsal = null;
      return true;
    }
    const more = this.queue.turn();
    this.device.recordings.turn();
    this.device.afterCommands.serve();
    // Not only commands change what is shown.
    this.device.outbox.tell();
    return more;
  }

  private readonly hasWork = (): boolean => this.context.isRung() || this.queue.hasMore();

  execute(request: Request): number {
    this.device.fenceWatch.glance();
    const { keep } = this.context;
    const { succession } = this.queue;
    keep[KeptWord.context] = request.words[Header.contextId / 4]!;
    if (succession !== null) keep[KeptWord.head] = succession.head;
    keep[KeptWord.command] = request.words[Header.type / 4]!;
    const response = this.run(request);
    if (succession !== null && response !== PARKED) succession.ran(response, this.queue.responseBytes);
    keep[KeptWord.command] = 0;
    return response;
  }

  memoryChanging(vanishing: readonly GuestSpan[]): void {
    this.device.memoryChanging(vanishing);
  }

  memoryChanged(): void {
    this.device.renderer.memoryChanged();
    this.device.outbox.payOwed();
    this.device.recordings.memoryChanged();
  }

  published(): void {
    this.device.outbox.tell();
  }

  idle(): void {
    const { fenceWatch, afterCommands } = this.device;
    fenceWatch.announce();
    fenceWatch.linger(this.hasWork);
    afterCommands.serve();
    this.count();
    this.device.breaks.idle();
  }

  yields(): boolean {
    return this.device.fenceWatch.yields;
  }

  reset(): void {
    this.wasReset = true;
    this.queue.recording?.reset();
    this.device.mappings.forget();
    this.device.model.reset();
    this.journal.clear();
    this.count();
    const { inheritance } = this;
    if (inheritance === null) return;
    // What a predecessor has shown is nobody's any more.
    this.device.restoreDisplay();
    this.inheritance = null;
    inheritance.abandon();
  }

  finishParked(): void {
    this.device.breaks.whileRingEnds(() => {
      this.device.commands.mappings.abandon();
      this.device.model.fences.drain();
      this.device.commands.questions.abandon();
      this.device.afterCommands.finish();
    });
  }

  stop(): void {
    this.endRehearsal();
    this.queue.close();
    this.takeUp.close();
    this.device.close();
    this.journal.close();
    this.record?.unmap();
    this.libraryOutput?.close();
  }

  private rehearse(): void {
    if (this.device.recordings.areOn || this.hasWarmedUp || this.device.breaks.areWanted) return;
    if (this.inheritance !== null) return;
    this.hasWarmedUp = true;
    this.journal.isPaused = true;
    try {
      const { counters } = this.context;
      const counted = Float64Array.from(counters);
      this.rehearsal = new WarmUp(this.queue, this.context.tap, () => counters.set(counted));
    } catch (error) {
      this.journal.isPaused = false;
      // The guest's first commands are slower then.
      this.context.log.debug(`no rehearsal: ${asRefusal(error).message}`);
    }
  }

  private endRehearsal(): void {
    this.rehearsal?.end();
    this.rehearsal = null;
    this.journal.isPaused = false;
  }

  private describe(token: number): void {
    const { tier, model } = this.device;
    const renderer = this.device.renderer.description;
    const storage = { kind: tier.kind, description: tier.description };
    const state = { renderer, storage, scanouts: describeScanouts(model) };
    this.context.send("supervisor", { type: "description", token, state });
  }

  private count(): void {
    const { counters } = this.context;
    const { resources, contexts, fences } = this.device.model;
    counters[CtrlCounter.resources] = resources.count;
    counters[CtrlCounter.storageBytes] = resources.bytesUsed;
    counters[CtrlCounter.contexts] = contexts.count;
    counters[CtrlCounter.fencesPending] = fences.pending;
  }
}
