// The device, wired: what the guest has made, the commands that act on it, and those who are told of it.

import type { NativeMemory } from "../../transport/os/native-memory.ts";
import type { GuestSpan } from "../../transport/virtio/memory-map.ts";
import { scanoutsMax } from "../../transport/wire/virtio-gpu/protocol.ts";
import type { QueueRunner } from "../queue/queue-runner.ts";
import type { ActorContext } from "../runtime/actor.ts";
import type { Command } from "./commands/parts.ts";
import { withFences } from "./commands/fenced.ts";
import { RecordedReads } from "./commands/recorded-reads.ts";
import { commandName, Commands, dispatcher } from "./commands/table.ts";
import type { Journal } from "./journal/journal.ts";
import type { KeptState } from "./journal/kept-state.ts";
import type { KeptPixels } from "./journal/snapshot-file.ts";
import { Lifecycles } from "./model/lifecycles.ts";
import { Model } from "./model/model.ts";
import { AfterCommands } from "./outlets/after-commands.ts";
import { Breaks } from "./outlets/breaks/breaks.ts";
import { CursorImages } from "./outlets/cursor-images.ts";
import { DisplayOutbox } from "./outlets/display-outbox.ts";
import { Exports } from "./outlets/exports.ts";
import { FenceWatch } from "./outlets/fence-watch.ts";
import { Looks } from "./outlets/looks.ts";
import { Mappings } from "./outlets/mappings.ts";
import { Recordings } from "./outlets/recording/recordings.ts";
import { RingProgress } from "./outlets/ring-progress.ts";
import { BlobPixels } from "./pixels/blobs/blob-pixels.ts";
import { CursorShelf } from "./pixels/cursor-shelf.ts";
import { PixelSource } from "./pixels/source.ts";
import { Budget } from "./pixels/storage/budget.ts";
import { Storages } from "./pixels/storage/storages.ts";
import type { Tier } from "./pixels/storage/tier.ts";
import type { Renderer } from "./renderer/renderer.ts";
import { Restore, type Restored } from "./restore.ts";

export class Device {
  readonly model: Model;
  readonly outbox: DisplayOutbox;
  readonly commands: Commands;
  /** Runs a request of the ring. */
  readonly execute: Command;
  /** Makes what a predecessor had, or a snapshot has, and pixels where that has them. */
  readonly restore: (state: KeptState, pixels?: ReadonlyMap<number, KeptPixels> | null) => Restored;
  /** What other actors asked for. */
  readonly afterCommands: AfterCommands;
  readonly cursorImages: CursorImages;
  readonly exports: Exports;
  readonly looks: Looks;
  readonly fenceWatch: FenceWatch;
  readonly recordings: Recordings;
  readonly breaks: Breaks;
  readonly mappings: Mappings;
  private readonly source: PixelSource;
  private readonly shelfMemory: NativeMemory;

  constructor(
    private readonly context: ActorContext,
    queue: QueueRunner,
    readonly renderer: Renderer,
    readonly tier: Tier,
    journal: Journal,
  ) {
    const { config, machines, log, tap } = context;
    if (tap !== null) {
      renderer.onWritten = (resource, x, y, width, height) => tap.wrote(resource, x, y, width, height);
    }
    const storages = new Storages(tier, new Budget(config.storageBytesMax), log);
    this.shelfMemory = context.area("cursor-shelf", "write");
    const shelf = new CursorShelf(this.shelfMemory);
    this.source = new PixelSource(storages, renderer, queue, shelf);
    this.outbox = new DisplayOutbox(context);
    const lifecycles = new Lifecycles(machines, context.tap);
    this.mappings = new Mappings(context, lifecycles.resource);
    const { source, outbox, mappings } = this;
    this.model = new Model(config, lifecycles, queue, renderer, source, outbox, mappings);
    const reads = new RecordedReads(this.model.resources);
    const parts = { context, queue, model: this.model, outbox, mappings, reads, journal };
    this.commands = new Commands(parts);
    renderer.onTrouble = (text) => log.warning(text);
    renderer.onContextLost = (id, reason) => this.commands.contexts.ended(id, reason);
    const dispatch = dispatcher(parts, this.commands);
    this.execute = withFences(parts, dispatch);
    const { model, commands } = this;
    this.restore = (state, pixels = null) =>
      new Restore({ queue, model, outbox, commands, run: dispatch, keep: context.keep }, state, pixels).run();
    this.afterCommands = new AfterCommands(queue, new RingProgress(shelf.words, queue));
    this.fenceWatch = new FenceWatch(context, this.model.fences, renderer, commandName);
    this.breaks = new Breaks(context, queue, this.model);
    this.cursorImages = new CursorImages(context, this.model, this.afterCommands, shelf);
    this.looks = new Looks(context, this.model);
    this.recordings = new Recordings(context, queue, this.model, outbox, tier);
    this.exports = new Exports(context, this.model, this.afterCommands);
  }

  /** Whether the VMM shows the picture itself, and so may have all scanouts that there can be. */
  vmmDisplay(isConnected: boolean): void {
    this.model.scanouts.plug(isConnected ? scanoutsMax : this.context.config.scanouts);
  }

  /** There is a new display, which knows nothing. */
  restoreDisplay(): void {
    this.outbox.restore(this.model.pictures());
  }

  /** What lies in `vanishing` is not touched from now on, nor shown any more. */
  memoryChanging(vanishing: readonly GuestSpan[]): void {
    this.renderer.memoryChanging(vanishing);
    for (const resource of this.model.resources.all()) {
      const { pixels, backing } = resource;
      if (!(pixels instanceof BlobPixels) || backing?.touches(vanishing) !== true) continue;
      for (const view of pixels.views) this.outbox.announceAnew(view);
    }
  }

  close(): void {
    this.fenceWatch.close();
    this.recordings.close();
    this.breaks.close();
    this.outbox.close();
    this.cursorImages.close();
    this.source.close();
    this.renderer.close();
    this.shelfMemory.unmap();
  }
}
