// The ctrl queue: the guest's commands in order, and the only thread that owns resources.

import type { WorkerName } from "../registry.ts";
import type { CtrlQueueMessage } from "./messages.ts";
import type { GuestSpan } from "../../transport/virtio/memory-map.ts";
import {
  Feature,
  Header,
  HeaderFlag,
  Response,
  ringsMax,
  scanoutsMax,
} from "../../transport/wire/virtio-gpu/protocol.ts";
import { errorCodeOf, eventIndex, isRefused, step } from "../machines/table.ts";
import { PARKED, QueueRunner, type QueueHandler } from "../queue/queue-runner.ts";
import type { Actor, ActorContext } from "../runtime/actor.ts";
import type { Command } from "./commands/commands-2d.ts";
import { CtrlCounter } from "./counters.ts";
import { CursorImages } from "./outlets/cursor-images.ts";
import { Device } from "./device.ts";
import { baseFeatures, gpuConfig, gpuDevice } from "./device-type.ts";
import { dispatcher } from "./commands/table.ts";
import { Exports } from "./outlets/exports.ts";
import { FenceWatch } from "./outlets/fence-watch.ts";
import { LibraryOutput } from "./renderer/library-output.ts";
import { startRenderer } from "./renderer/start.ts";
import { chooseTier } from "./pixels/storage/probe.ts";

/** How long a stopping ring waits for the renderer, in milliseconds. */
const drainMs = 1_000;

export class CtrlQueue implements Actor<CtrlQueueMessage>, QueueHandler {
  private readonly queue: QueueRunner;
  private readonly libraryOutput: LibraryOutput | null;
  private readonly device: Device;
  private readonly cursorImages: CursorImages;
  private readonly exports: Exports;
  private readonly dispatch: Command;
  private readonly fenceWatch: FenceWatch;
  private readonly fenceEvent: number;

  /** `start` makes the renderer. */
  constructor(
    private readonly context: ActorContext,
    start: typeof startRenderer = startRenderer,
  ) {
    this.queue = new QueueRunner(context, this, gpuDevice.commands, context.config.commandBytesMax);
    const { config, epoll, log } = context;
    this.libraryOutput = config.renderer === "software" ? null : new LibraryOutput(epoll, log);
    const renderer = start(config, log, this.queue.request.arena);
    this.device = new Device(context, this.queue, renderer, chooseTier(config, log));
    this.fenceWatch = new FenceWatch(context, this.device.gpu.fences, renderer);
    this.fenceEvent = eventIndex(context.machines.context, "FENCE");
    context.send("vhost-session", {
      type: "offer",
      features: baseFeatures | renderer.features,
      config: gpuConfig(config.outputs.length, renderer.capsets.length),
    });
    this.cursorImages = new CursorImages(this.device);
    this.exports = new Exports(this.device);
    this.dispatch = dispatcher(this.device);
  }

  receive(message: CtrlQueueMessage): void {
    if (this.queue.receive(message)) return;
    const { questions, outbox, resources } = this.device;
    switch (message.type) {
      case "vmm-display":
        this.device.plug(message.isConnected ? scanoutsMax : this.context.config.outputs.length);
        this.context.send("vhost-session", { type: "done", token: message.token, error: "" });
        return;
      case "display-info":
        questions.answerDisplayInfo(message.token, message.modes);
        return;
      case "edid":
        questions.answerEdid(message.token, message.edid);
        return;
      case "display-takes":
        outbox.displayTakes(message.dmabuf, message.modifiers, resources.all());
        return;
      case "fences-ready":
        this.fenceWatch.ready();
        return;
      case "fences-check":
        this.fenceWatch.check();
        return;
      case "describe":
        this.describe(message.token);
        return;
      case "surface-released":
        outbox.surfaceReleased(message.surface);
        // A stopped ring is never idle.
        this.count();
        return;
      case "cursor-image":
        this.cursorImages.request(message.token, message.resource, message.slot);
        return;
      case "lend-resource":
        this.exports.lendResource(message);
        return;
      case "lend-fence":
        this.exports.lendFence(message);
        return;
    }
  }

  peerLost(peer: WorkerName): void {
    if (peer === "resource-bridge") this.exports.bridgeLost();
  }

  peerBack(peer: WorkerName): void {
    if (peer === "display") this.restoreDisplay();
    if (peer === "fence-poller") this.fenceWatch.begin();
  }

  private restoreDisplay(): void {
    const { questions, outbox, resources } = this.device;
    this.cursorImages.announce();
    outbox.restore(resources.all());
    questions.askAgain();
  }

  turn(): boolean {
    const more = this.queue.turn();
    this.device.afterCommands.serve();
    return more;
  }

  private readonly hasWork = (): boolean => this.context.isRung() || this.queue.hasMore();

  execute(): number {
    const { request } = this.queue;
    const flags = request.u32(Header.flags);
    if ((flags & fenceFlags) === 0) return this.dispatch(request);
    return this.executeFenced(flags);
  }

  memoryChanging(vanishing: readonly GuestSpan[]): void {
    this.device.gpu.renderer.memoryChanging(vanishing);
  }

  memoryChanged(): void {
    this.device.gpu.renderer.memoryChanged();
  }

  idle(): void {
    this.fenceWatch.announce();
    this.fenceWatch.linger(this.hasWork);
    this.device.afterCommands.serve();
    this.device.outbox.send();
    this.count();
  }

  reset(): void {
    this.device.reset();
    this.count();
  }

  finishParked(): void {
    this.drainFences();
    this.device.questions.abandon();
    this.device.afterCommands.finish();
  }

  stop(): void {
    this.queue.close();
    this.cursorImages.close();
    this.device.storages.close();
    this.device.gpu.resources.close();
    this.device.gpu.renderer.close();
    this.libraryOutput?.close();
  }

  /** Runs a command whose header names a fence or a ring. */
  private executeFenced(flags: number): number {
    const { request } = this.queue;
    const { contexts, fences } = this.device.gpu;
    const hasRing = (flags & HeaderFlag.INFO_RING_IDX) !== 0 && this.device.has(Feature.CONTEXT_INIT);
    if (hasRing) {
      if ((request.u32(Header.ringIndex) & 0xff) >= ringsMax) return Response.ERR_INVALID_PARAMETER;
      const { context: machine } = this.context.machines;
      const state = contexts.get(request.u32(Header.contextId))?.state ?? machine.initial;
      const allowed = step(machine, state, this.fenceEvent);
      if (isRefused(allowed)) return errorCodeOf(allowed);
    }
    const response = this.dispatch(request);
    if (response === PARKED || (flags & HeaderFlag.FENCE) === 0) return response;
    // CTX_DESTROY has ended its own timeline.
    const isGone = hasRing && contexts.get(request.u32(Header.contextId)) === undefined;
    return isGone ? response : fences.finish(request, response, hasRing);
  }

  /** Gives the renderer time to finish what the guest waits for, and answers the rest unfinished. */
  private drainFences(): void {
    const { gpu } = this.device;
    for (const end = performance.now() + drainMs; gpu.fences.pending > 0 && performance.now() < end;) {
      gpu.fences.poll();
      if (gpu.fences.pending > 0) Bun.sleepSync(1);
    }
    gpu.fences.finishAll();
  }

  private describe(token: number): void {
    const { gpu, tier } = this.device;
    const renderer = gpu.renderer.description;
    const storage = { kind: tier.kind, description: tier.description };
    this.context.send("supervisor", { type: "description", token, state: { renderer, storage } });
  }

  private count(): void {
    const { counters } = this.context;
    counters[CtrlCounter.resources] = this.device.resources.count;
    counters[CtrlCounter.storageBytes] = this.device.resources.bytesUsed;
    counters[CtrlCounter.contexts] = this.device.gpu.contexts.count;
    counters[CtrlCounter.fencesPending] = this.device.gpu.fences.pending;
  }
}

const fenceFlags = HeaderFlag.FENCE | HeaderFlag.INFO_RING_IDX;
