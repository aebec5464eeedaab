// What is seen in a picture: the flushes that it shows, and with each the streams that wrote to its resource since the last.

import type { DecodedRequest } from "../../../transport/wire/virtio-gpu/decode.ts";
import { scanoutsMax } from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { Inventory } from "../feed.ts";
import { commandFlow } from "./flows.ts";

/** Bounds of what is remembered: resources, flows of each that go on, and flows that one picture shows. */
const resourcesMax = 4096;
const streamsMax = 8;
const flowsMax = 32;

export class Draws {
  /** The flows of the streams that wrote to each resource since it was flushed. */
  private readonly streams = new Map<number, number[]>();
  /** The resource that each scanout shows, and the flows of what the display has yet to be told of it. */
  private readonly resourceOn = new Map<number, number>();
  private readonly untold = new Map<number, number[]>();

  /** Takes over what is on scanouts already. */
  begin({ resources }: Pick<Inventory, "resources">): void {
    for (const { id, scanouts } of resources) {
      for (const scanout of scanouts) if (!this.resourceOn.has(scanout)) this.resourceOn.set(scanout, id);
    }
  }

  /** The guest begins anew. */
  reset(): void {
    for (const map of [this.streams, this.resourceOn, this.untold]) map.clear();
  }

  /** A stream, which is that command of the actor of `slot`, may have written to a resource. */
  wrote(resource: number, slot: number, command: number): void {
    const flow = commandFlow(slot, command);
    const before = this.streams.get(resource) ?? [];
    if (before.at(-1) === flow) return;
    this.streams.delete(resource);
    this.streams.set(resource, [...before, flow].slice(-streamsMax));
    if (this.streams.size > resourcesMax) this.streams.delete(this.streams.keys().next().value!);
  }

  /** The flows that go through a command, which is the next one of the actor of `slot`; undefined where there are none. */
  flowsOf(slot: number, number: number, { name, flags, fields }: DecodedRequest): number[] | undefined {
    const own = commandFlow(slot, number);
    const resource = Number(fields["resourceId"]);
    switch (name) {
      case "SUBMIT_3D":
        return [own];
      case "SET_SCANOUT":
      case "SET_SCANOUT_BLOB": {
        const scanout = Number(fields["scanoutId"]);
        if (scanout < scanoutsMax) this.resourceOn.set(scanout, resource);
        return this.shows(own, resource, [scanout]);
      }
      case "RESOURCE_FLUSH": {
        const scanouts = [...this.resourceOn]
          .filter(([, one]) => one === resource)
          .map(([scanout]) => scanout);
        const flows = this.shows(own, resource, scanouts);
        this.streams.delete(resource);
        return flows;
      }
    }
    return flags.includes("FENCE") ? [own] : undefined;
  }

  /** The flows of all that the display is now told of a scanout. */
  told(scanout: number): readonly number[] {
    const flows = this.untold.get(scanout) ?? [];
    this.untold.delete(scanout);
    return flows;
  }

  private shows(own: number, resource: number, scanouts: readonly number[]): number[] {
    const flows = [own, ...(this.streams.get(resource) ?? [])];
    for (const scanout of scanouts) {
      if (scanout >= scanoutsMax) continue;
      const all = new Set([...(this.untold.get(scanout) ?? []), ...flows]);
      this.untold.set(scanout, [...all].slice(-flowsMax));
    }
    return flows;
  }
}
