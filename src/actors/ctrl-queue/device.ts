// The device as the commands see it: the guest's resources and scanouts, and what they act on.

import { scanoutsMax } from "../../transport/virtio-gpu/protocol.ts";
import { eventIndex, isRefused, step } from "../machines/table.ts";
import type { QueueRunner } from "../queue/queue-runner.ts";
import type { ActorContext } from "../runtime/actor.ts";
import { DisplayOutbox } from "./display-outbox.ts";
import { Questions } from "./questions.ts";
import { type Resource, ResourceTable } from "./resources.ts";

/** Backings of the greatest length that may exist at a time; by default they take 100 MB of the host. */
const fullBackingsMax = 256;

export class Device {
  readonly resources: ResourceTable;
  readonly outbox: DisplayOutbox;
  /** State of the scanout machine and the resource shown, by scanout. */
  readonly scanoutStates = new Uint8Array(scanoutsMax);
  readonly shown: (Resource | null)[] = Array.from({ length: scanoutsMax }, () => null);
  readonly questions = new Questions(this);

  private readonly release: number;

  constructor(
    readonly context: ActorContext,
    readonly queue: QueueRunner,
  ) {
    const { config, machines } = context;
    const runsMax = fullBackingsMax * config.backingEntriesMax;
    this.resources = new ResourceTable(config.resourcesMax, config.storageBytesMax, runsMax);
    this.outbox = new DisplayOutbox(context);
    this.release = eventIndex(machines.scanout, "RELEASE");
    const plug = eventIndex(machines.scanout, "PLUG");
    this.scanoutStates.fill(step(machines.scanout, machines.scanout.initial, plug));
  }

  /** Turns off every scanout that shows `resource`. */
  hideEverywhere(resource: Resource): void {
    const { scanout } = this.context.machines;
    for (let id = 0; resource.scanouts !== 0; id++) {
      if (this.shown[id] !== resource) continue;
      this.scanoutStates[id] = step(scanout, this.scanoutStates[id]!, this.release);
      this.replaceShown(id, null);
      this.outbox.hide(id);
    }
  }

  /** Records that `scanout` shows `resource` from now on, or nothing. */
  replaceShown(scanout: number, resource: Resource | null): void {
    const before = this.shown[scanout];
    if (before != null) before.scanouts &= ~(1 << scanout);
    if (resource !== null) resource.scanouts |= 1 << scanout;
    this.shown[scanout] = resource;
  }

  /** Frees a resource, which the display may go on reading until it gives the storage back. */
  unref(resource: Resource): void {
    this.hideEverywhere(resource);
    this.outbox.release(resource);
    this.resources.remove(resource);
  }

  /** Forgets everything that the driver made. */
  reset(): void {
    const { scanout } = this.context.machines;
    const disable = eventIndex(scanout, "DISABLE");
    for (const resource of this.resources.all()) this.unref(resource);
    for (let id = 0; id < scanoutsMax; id++) {
      const next = step(scanout, this.scanoutStates[id]!, disable);
      if (!isRefused(next)) this.scanoutStates[id] = next;
    }
  }
}
