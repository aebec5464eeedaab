// Snapshots: what the guest has, taken between two commands, and taken up by a server to whose rings a guest comes that is under way.

import { asRefusal, Refusal } from "../../transport/os/errors.ts";
import { bytesIn, memfdWith } from "../../transport/os/sent-bytes.ts";
import { Command } from "../../transport/wire/virtio-gpu/protocol.ts";
import type { QueueRunner } from "../queue/queue-runner.ts";
import type { ActorContext } from "../runtime/actor.ts";
import type { CtrlQueueMessage } from "./messages.ts";
import type { Device } from "./device.ts";
import type { Journal } from "./journal/journal.ts";
import { contextName, type KeptState } from "./journal/kept-state.ts";
import {
  type PixelsToKeep,
  readSnapshot,
  type Snapshot,
  snapshotBytes,
  writeSnapshot,
} from "./journal/snapshot-file.ts";
import { snapshotBytesMax } from "./manifest.ts";
import type { Resource } from "./model/resources.ts";
import { CpuPixels } from "./pixels/cpu-pixels.ts";
import { restoredText } from "./restore.ts";

export class Snapshots {
  /** What the driver takes up if it goes on, and is dropped if it starts anew. */
  private waiting: Snapshot | null = null;

  constructor(
    private readonly context: ActorContext,
    private readonly queue: QueueRunner,
    private readonly device: Device,
    private readonly journal: Journal,
  ) {}

  /** Returns false for what is none of its messages. */
  receive(message: CtrlQueueMessage): boolean {
    if (message.type === "ask-state") this.tell(message.token);
    else if (message.type === "take-state") this.load(message.fd, message.bytes);
    else return false;
    return true;
  }

  /** Answers with a file of all that the guest has, as far as it can be had. */
  private tell(token: number): void {
    const nothing = { fd: -1, bytes: 0, resources: 0, contexts: [] as string[] };
    try {
      this.context.send("supervisor", { type: "state", token, error: "", ...this.make() });
    } catch (error) {
      this.context.send("supervisor", { type: "state", token, error: asRefusal(error).message, ...nothing });
    }
  }

  /** Keeps a file, whose descriptor it takes over, for the guest that comes. One that makes no sense ends the device. */
  private load(fd: number, bytes: number): void {
    try {
      this.waiting = readSnapshot(new Uint32Array(bytesIn(fd, bytes).buffer), this.queue.request.bytesMax);
    } catch (error) {
      const reason = `--restore: ${asRefusal(error).message}`;
      this.context.send("supervisor", { type: "misconfigured", reason });
    }
  }

  /** A driver's ring runs. */
  begin(isFresh: boolean): void {
    const { waiting, context, queue, journal } = this;
    if (waiting === null) return;
    this.waiting = null;
    if (isFresh) {
      context.log.warning("the snapshot is not taken up: the guest's driver has started anew");
      return;
    }
    const { state, pixels } = waiting;
    state.features = queue.features;
    journal.isPaused = true;
    const restored = this.device.restore(state, pixels);
    journal.isPaused = false;
    journal.fill(state);
    context.log.info(`took up a snapshot: ${restoredText(restored)}`);
  }

  private make(): { fd: number; bytes: number; resources: number; contexts: string[] } {
    const { journal } = this;
    if (journal.isOver) throw new Refusal("the guest has made more than there is room for in the journal");
    const state = journal.read();
    const pixels = this.pixelsOf(state);
    const bytes = snapshotBytes(state, pixels);
    if (bytes > snapshotBytesMax) throw new Refusal(`what the guest has would take ${bytes} bytes`);
    const fd = memfdWith("fencepost-snapshot", bytes, (file) =>
      writeSnapshot(new Uint32Array(file), state, pixels),
    );
    const contexts = Array.from(state.contexts, ([id, { create }]) => contextName(create) || String(id));
    return { fd, bytes, resources: state.resources.size, contexts };
  }

  /** Of all 2D resources into which anything was ever put. */
  private pixelsOf(state: KeptState): PixelsToKeep[] {
    const kept: PixelsToKeep[] = [];
    for (const [id, { create }] of state.resources) {
      const resource = this.device.model.resources.get(id);
      const is2d = create[0] === Command.RESOURCE_CREATE_2D && resource !== undefined;
      const one = is2d ? pixelsOf(resource) : null;
      if (one !== null) kept.push(one);
    }
    return kept;
  }
}

/** Null where nothing was ever put there. Throws a {@link Refusal} where they cannot be had. */
function pixelsOf({ id, width, height, pixels }: Resource): PixelsToKeep | null {
  const storage = pixels instanceof CpuPixels ? pixels.held : pixels.memory();
  if (storage === null && pixels instanceof CpuPixels) return null;
  if (storage === null || pixels.refreshMemory(0, 0, width, height) !== 0)
    throw new Refusal(`there is no room for the pixels of resource ${id}`);
  const stride = storage.stride / 4;
  const copy = (target: Uint32Array): void => {
    const rows = new Uint32Array(storage.view());
    for (let row = 0; row < height; row++)
      target.set(rows.subarray(row * stride, row * stride + width), row * width);
  };
  return { id, width, height, copy };
}
