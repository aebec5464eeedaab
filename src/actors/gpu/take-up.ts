// A snapshot from when it is given until a guest that is under way goes on with it. Whoever takes it up may die at any moment: until the
// journal has all of it a successor begins anew, and from then on inherits it, with the snapshot's pixels.

import { ConfigError } from "../../config-error.ts";
import { asRefusal, Refusal } from "../../transport/os/errors.ts";
import { closeFd } from "../../transport/os/fds.ts";
import { Feature } from "../../transport/wire/virtio-gpu/protocol.ts";
import type { QueueRunner } from "../queue/queue-runner.ts";
import type { ActorContext } from "../runtime/actor.ts";
import type { Device } from "./device.ts";
import type { Journal } from "./journal/journal.ts";
import { type KeptPixels, readSnapshot, type Snapshot } from "./journal/snapshot-file.ts";
import { KeptSnapshot } from "./kept-snapshot.ts";
import { SnapshotStage, slotsPerScanout } from "./manifest.ts";
import type { CtrlQueueMessage } from "./messages.ts";
import { restoredText } from "./restore.ts";

/** How often to look whether others have taken what they were told. */
const lookMs = 50;

export class TakeUp {
  private readonly kept: KeptSnapshot;
  private snapshot: Snapshot | null = null;

  /** `features` are those that the device offers; `clear` forgets all that the guest has. */
  constructor(
    private readonly context: ActorContext,
    private readonly queue: QueueRunner,
    private readonly device: Device,
    private readonly journal: Journal,
    private readonly features: number,
    private readonly clear: () => void,
  ) {
    this.kept = new KeptSnapshot(context);
    if (this.kept.stage !== SnapshotStage.none) this.recall();
  }

  /** Returns false for what is not its message. */
  receive(message: CtrlQueueMessage): boolean {
    if (message.type !== "ask-restore") return false;
    const { token, fd, bytes } = message;
    this.context.send("vhost-session", { type: "restore", token, error: this.keep(fd, bytes) });
    return true;
  }

  /** A driver's ring runs. */
  begin(isFresh: boolean): void {
    // What others have of it is no more this driver's than the rest.
    if (isFresh && this.kept.stage === SnapshotStage.telling) this.forget();
    const { snapshot, context, device, journal } = this;
    if (snapshot === null) return;
    if (isFresh) {
      this.forget();
      context.log.warning("the snapshot is not taken up: the guest's driver has started anew");
      return;
    }
    if (this.kept.stage === SnapshotStage.telling) return this.tell(snapshot);
    const { recordings } = device;
    const { state, pixels } = snapshot;
    // A front-end may bring one to a device that has run already; and who reads a recording takes what is told next for all that there is.
    if (recordings.areOn || !journal.read().isEmpty) this.clear();
    state.features = this.queue.features;
    journal.fill(state);
    this.kept.stage = SnapshotStage.taking;
    journal.isPaused = true;
    const restored = recordings.silent(() => device.restore(state, pixels));
    journal.isPaused = false;
    this.finish(snapshot);
    recordings.restored();
    context.log.info(`took up a snapshot: ${restoredText(restored)}`);
  }

  /** Has `make` make what the journal has: with pixels, where a predecessor died as it took up a snapshot. */
  inherit(make: (pixels: ReadonlyMap<number, KeptPixels> | null) => void): void {
    const { snapshot } = this;
    const { stage } = this.kept;
    const isTaking = snapshot !== null && stage === SnapshotStage.taking;
    make(isTaking ? snapshot.pixels : null);
    if (isTaking) this.finish(snapshot);
    // Not before: the guest may be gone by then, with all that others had of it.
    else if (snapshot !== null && stage === SnapshotStage.telling) this.tell(snapshot);
  }

  /** The device starts from nothing, or its front-end has gone. */
  reset(): void {
    if (this.kept.stage !== SnapshotStage.ofSettings) this.forget();
  }

  close(): void {
    this.snapshot = null;
    this.kept.close();
  }

  /** Keeps a front-end's file, whose descriptor it takes over, for the driver that goes on; says what is wrong with it, or "". */
  private keep(fd: number, bytes: number): string {
    this.forget();
    try {
      if (bytes % 4 === 0) this.snapshot = this.read(this.kept.put(fd, bytes));
      else closeFd(fd);
    } catch (error) {
      this.forget();
      return asRefusal(error).message;
    }
    if (this.snapshot === null) return "its end is missing";
    this.kept.stage = SnapshotStage.ofFrontEnd;
    return "";
  }

  /** What was kept before there was this one. */
  private recall(): void {
    const { context, kept } = this;
    const { stage } = kept;
    try {
      this.snapshot = this.read(kept.words());
    } catch (error) {
      const { message } = asRefusal(error);
      this.forget();
      if (stage === SnapshotStage.ofSettings)
        throw new ConfigError(`--restore ${context.config.restore}: ${message}`);
      // It was sound before somebody took its keeper over.
      context.log.warning(`the snapshot is lost: ${message}`);
      return;
    }
    if (stage === SnapshotStage.ofSettings)
      context.log.info("--restore: a snapshot waits for the guest that goes on with it");
  }

  private read(words: Uint32Array): Snapshot {
    const snapshot = readSnapshot(words, this.queue.request.bytesMax);
    // What a guest was promised cannot be taken back from it.
    const missing = snapshot.state.features & ~this.features;
    if (missing === 0) return snapshot;
    const names = Object.entries(Feature).filter(([, bit]) => (missing & (1 << bit)) !== 0);
    throw new Refusal(
      `its guest has ${names.map(([name]) => name).join(", ")}, which this server does not offer`,
    );
  }

  /** All of it is there; the others have the rest. */
  private finish(snapshot: Snapshot): void {
    const { cursorImages } = this.device;
    for (const { scanout, image } of snapshot.cursors)
      cursorImages.imageIn(scanout * slotsPerScanout).set(image);
    this.kept.stage = SnapshotStage.telling;
    this.tell(snapshot);
    const { outputs } = snapshot;
    const { config, log } = this.context;
    const beyond = outputs.findIndex(({ isOn }, output) => isOn && output >= config.scanouts);
    if (beyond < 0) return;
    log.warning(`the guest has output ${beyond}: start the server with --scanouts ${beyond + 1}`);
  }

  /** What of it the others have; those who know better already keep that. */
  private tell({ cursors, outputs }: Snapshot): void {
    const { context } = this;
    this.snapshot = null;
    const places = cursors.map(({ scanout, x, y, hotX, hotY, isVisible }) => {
      return { ...{ scanout, x, y, hotX, hotY, isVisible }, slot: scanout * slotsPerScanout };
    });
    context.send("cursor-queue", { type: "take-cursors", cursors: places });
    if (outputs.length > 0) context.send("display", { type: "take-outputs", outputs: [...outputs] });
    this.awaitTaken();
  }

  /** A successor tells it again of what nobody has taken. */
  private awaitTaken(): void {
    const { context, kept } = this;
    context.timers.after(lookMs, () => {
      if (kept.stage !== SnapshotStage.telling) return;
      if (context.backlog("cursor-queue") + context.backlog("display") === 0) kept.empty();
      else this.awaitTaken();
    });
  }

  private forget(): void {
    this.snapshot = null;
    this.kept.empty();
  }
}
