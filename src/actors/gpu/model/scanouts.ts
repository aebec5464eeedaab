// The device's scanouts: which there are, and what each shows.

import { scanoutsMax } from "../../../transport/wire/virtio-gpu/protocol.ts";
import { Entity } from "../../machines/lifecycle.ts";
import type { Lifecycles } from "./lifecycles.ts";
import type { Showable } from "../pixels/pixels.ts";
import type { Resource, ResourceTable } from "./resources.ts";

export class Scanout extends Entity {
  private now: Resource | null = null;
  private as: Showable | null = null;

  constructor(
    override readonly id: number,
    private readonly resources: ResourceTable,
  ) {
    super();
  }

  get shown(): Resource | null {
    return this.now;
  }

  /** What it shows of {@link shown}: the same, or of a blob the view. */
  get picture(): Showable | null {
    return this.as;
  }

  /** Shows `resource` from now on, or nothing; a blob as `picture`. */
  show(resource: Resource | null, picture: Showable | null = resource): void {
    if (this.now !== null) this.resources.setShown(this.now, this.as!, this.id, false);
    if (resource !== null) this.resources.setShown(resource, picture!, this.id, true);
    this.now = resource;
    this.as = picture;
  }
}

export class Scanouts {
  private readonly all: Scanout[] = [];
  private readonly lifecycle;
  private readonly event;

  /** `onHide` is told whenever a scanout shows nothing any more. */
  constructor(
    lifecycles: Lifecycles,
    resources: ResourceTable,
    private readonly onHide: (scanout: number) => void,
  ) {
    for (let id = 0; id < scanoutsMax; id++) this.all.push(new Scanout(id, resources));
    this.lifecycle = lifecycles.scanout;
    this.event = {
      plug: lifecycles.scanout.event("PLUG"),
      unplug: lifecycles.scanout.event("UNPLUG"),
      disable: lifecycles.scanout.event("DISABLE"),
      follow: lifecycles.scanout.event("PROMOTE"),
      release: lifecycles.scanout.event("RELEASE"),
    };
  }

  /** One that there may be; undefined beyond {@link scanoutsMax}. */
  at(id: number): Scanout | undefined {
    return this.all[id];
  }

  /** Plugs the first `count` scanouts, and no others. */
  plug(count: number): void {
    for (const scanout of this.all) {
      const event = scanout.id < count ? this.event.plug : this.event.unplug;
      if (this.lifecycle.can(scanout, event)) this.move(scanout, event);
    }
  }

  /** Turns off all that there are. */
  disableAll(): void {
    for (const scanout of this.all) {
      if (this.lifecycle.can(scanout, this.event.disable)) this.move(scanout, this.event.disable);
    }
  }

  /** The resource has moved into the renderer, and is shown from there. */
  follow(resource: Resource): void {
    for (const scanout of this.all) {
      if (scanout.shown === resource) this.lifecycle.take(scanout, this.event.follow);
    }
  }

  /** Turns off every scanout that shows `resource`. */
  release(resource: Resource): void {
    if (resource.scanouts === 0) return;
    for (const scanout of this.all) if (scanout.shown === resource) this.move(scanout, this.event.release);
  }

  /** After this event nothing is shown. */
  private move(scanout: Scanout, event: number): void {
    this.lifecycle.take(scanout, event);
    if (scanout.shown === null) return;
    scanout.show(null);
    this.onHide(scanout.id);
  }
}
