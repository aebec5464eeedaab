// The device as the commands see it: the guest's resources and scanouts, and what they act on.

import { ENOMEM } from "../../ffi/libc.ts";
import { scanoutsMax } from "../../transport/wire/virtio-gpu/protocol.ts";
import { eventIndex, isRefused, statesWith, step } from "../machines/table.ts";
import type { QueueRunner } from "../queue/queue-runner.ts";
import type { ActorContext } from "../runtime/actor.ts";
import { AfterCommands } from "./outlets/after-commands.ts";
import { type Backing, fullBackingsMax } from "./renderer/backing.ts";
import { DisplayOutbox } from "./outlets/display-outbox.ts";
import { Gpu } from "./model/gpu.ts";
import { Questions } from "./commands/questions.ts";
import type { Renderer } from "./renderer/renderer.ts";
import { type Resource, ResourceTable } from "./model/resources.ts";
import { Budget } from "./pixels/storage/budget.ts";
import { Storages } from "./pixels/storage/storages.ts";
import type { Tier } from "./pixels/storage/tier.ts";

export class Device {
  readonly resources: ResourceTable;
  readonly outbox: DisplayOutbox;
  /** What other actors asked for. */
  readonly afterCommands: AfterCommands;
  /** State of the scanout machine and the resource shown, by scanout. */
  readonly scanoutStates = new Uint8Array(scanoutsMax);
  readonly shown: (Resource | null)[] = Array.from({ length: scanoutsMax }, () => null);
  readonly questions = new Questions(this);
  /** The 3D side. */
  readonly gpu: Gpu;
  readonly storages: Storages;

  private readonly event;
  private readonly pluggedStates: Uint8Array;

  constructor(
    readonly context: ActorContext,
    readonly queue: QueueRunner,
    renderer: Renderer,
    readonly tier: Tier,
  ) {
    const { config, machines } = context;
    const runsMax = fullBackingsMax * config.backingEntriesMax;
    this.storages = new Storages(tier, new Budget(config.storageBytesMax), context.log);
    this.resources = new ResourceTable(this.storages, config.resourcesMax, runsMax);
    this.afterCommands = new AfterCommands(queue);
    this.gpu = new Gpu(renderer, queue, config, machines.fence);
    this.outbox = new DisplayOutbox(context, this.gpu.resources);
    this.event = {
      plug: eventIndex(machines.scanout, "PLUG"),
      unplug: eventIndex(machines.scanout, "UNPLUG"),
      follow: eventIndex(machines.scanout, "PROMOTE"),
      release: eventIndex(machines.scanout, "RELEASE"),
    };
    this.pluggedStates = statesWith(machines.scanout, "plugged");
    this.scanoutStates.fill(machines.scanout.initial);
    this.plug(config.outputs.length);
  }

  /** Plugs the first `count` scanouts, and no others. */
  plug(count: number): void {
    const { scanout: machine } = this.context.machines;
    for (let id = 0; id < scanoutsMax; id++) {
      const next = step(machine, this.scanoutStates[id]!, id < count ? this.event.plug : this.event.unplug);
      // It is so already.
      if (isRefused(next)) continue;
      if (this.shown[id] !== null) {
        this.replaceShown(id, null);
        this.outbox.hide(id);
      }
      this.scanoutStates[id] = next;
    }
  }

  isPlugged(scanout: number): boolean {
    return scanout < scanoutsMax && this.pluggedStates[this.scanoutStates[scanout]!] === 1;
  }

  /** Whether the driver has negotiated a feature that the renderer stands behind. */
  has(feature: number): boolean {
    return (this.queue.features & this.gpu.renderer.features & (1 << feature)) !== 0;
  }

  /** Moves a 2D resource into the renderer. Answers false, with nothing changed, when that does not take it. */
  promote(resource: Resource): boolean {
    const { bytes, reserved } = resource;
    // Storage that the display shows stays beside what the renderer makes; other storage makes room for it.
    if (resource.isWithDisplay && !this.resources.reserve(resource, bytes)) return false;
    if (!this.gpu.resources.promote(resource)) {
      this.resources.reserve(resource, reserved);
      return false;
    }
    this.resources.reserve(resource, bytes);
    for (let bits = resource.scanouts; bits !== 0; bits &= bits - 1) {
      const id = 31 - Math.clz32(bits & -bits);
      this.scanoutStates[id] = step(
        this.context.machines.scanout,
        this.scanoutStates[id]!,
        this.event.follow,
      );
    }
    return true;
  }

  /** Gives a resource its backing. Answers false, with nothing done, beyond the limits. */
  attachBacking(resource: Resource, backing: Backing): boolean {
    if (!this.resources.setBacking(resource, backing)) return false;
    if (!resource.isRendered || this.gpu.resources.attachBacking(resource) !== ENOMEM) return true;
    this.resources.setBacking(resource, null);
    return false;
  }

  detachBacking(resource: Resource): void {
    if (resource.isRendered) this.gpu.resources.detachBacking(resource);
    this.resources.setBacking(resource, null);
  }

  /** Turns off every scanout that shows `resource`. */
  hideEverywhere(resource: Resource): void {
    const { scanout } = this.context.machines;
    for (let id = 0; resource.scanouts !== 0; id++) {
      if (this.shown[id] !== resource) continue;
      this.scanoutStates[id] = step(scanout, this.scanoutStates[id]!, this.event.release);
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
    if (resource.isRendered) this.gpu.unref(resource);
    this.resources.remove(resource);
  }

  /** Forgets everything that the driver made. */
  reset(): void {
    const { scanout } = this.context.machines;
    const disable = eventIndex(scanout, "DISABLE");
    for (const { id } of this.gpu.contexts.all()) this.gpu.destroyContext(id);
    for (const resource of this.resources.all()) this.unref(resource);
    this.storages.forget();
    for (let id = 0; id < scanoutsMax; id++) {
      const next = step(scanout, this.scanoutStates[id]!, disable);
      if (!isRefused(next)) this.scanoutStates[id] = next;
    }
  }
}
