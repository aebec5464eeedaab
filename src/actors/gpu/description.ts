// The device's account of its scanouts, by the guest's numbers, for status and the inspector.

import { scanoutsMax } from "../../transport/wire/virtio-gpu/protocol.ts";
import type { Model } from "./model/model.ts";

/** Scanouts that there are, and what each shows; plain data. */
export function describeScanouts({ lifecycles, scanouts }: Model): Record<string, unknown>[] {
  return Array.from({ length: scanoutsMax }, (_, id) => scanouts.at(id)!)
    .map((one) => ({ scanout: one.id, state: lifecycles.scanout.nameOf(one), resource: one.shown }))
    .filter(({ state }) => state !== "absent")
    .map(({ resource, ...rest }) => ({
      ...rest,
      resource: resource && { id: resource.id, state: lifecycles.resource.nameOf(resource) },
    }));
}
