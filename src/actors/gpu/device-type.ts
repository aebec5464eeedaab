// The GPU as a virtio device: its queues, feature bits and configuration space (virtio 1.3 §5.7.2 to §5.7.4).

import { ConfigSpace, Event, Feature, SharedMemoryId } from "../../transport/wire/virtio-gpu/protocol.ts";
import type { DeviceType } from "../device-type.ts";
import { gpuCommands } from "./command-form.ts";
import { snapshotBytesMax } from "./manifest.ts";

export const gpuDevice: DeviceType = {
  title: "a GPU",
  queues: ["ctrl-queue", "cursor-queue"],
  commands: gpuCommands,
  hasDisplaySocket: true,
  sharedMemory: { id: SharedMemoryId.HOST_VISIBLE, feature: Feature.RESOURCE_BLOB, queue: "ctrl-queue" },
  state: { queue: "ctrl-queue", bytesMax: snapshotBytesMax },

  /** The driver can write one field: events_clear, which clears bits of events_read. */
  written(fields, offset, data): boolean {
    const clearAt = ConfigSpace.eventsClear;
    if (offset > clearAt || clearAt + 4 > offset + data.length) return false;
    const written = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const cleared = written.getUint32(clearAt - offset, true);
    const events = fields.getUint32(ConfigSpace.eventsRead, true);
    fields.setUint32(ConfigSpace.eventsRead, events & ~cleared, true);
    return (events & cleared & Event.DISPLAY) !== 0;
  },

  displayChanged(fields): void {
    fields.setUint32(
      ConfigSpace.eventsRead,
      fields.getUint32(ConfigSpace.eventsRead, true) | Event.DISPLAY,
      true,
    );
  },
};

/** Feature bits that every GPU of ours offers; a renderer adds to them. Blobs of the guest's pages need none. */
export const baseFeatures = (1 << Feature.EDID) | (1 << Feature.RESOURCE_UUID) | (1 << Feature.RESOURCE_BLOB);

/** struct virtio_gpu_config as the driver reads it first. */
export function gpuConfig(scanouts: number, capsets: number): Uint8Array<ArrayBuffer> {
  const config = new DataView(new ArrayBuffer(ConfigSpace.bytes));
  config.setUint32(ConfigSpace.scanoutCount, scanouts, true);
  config.setUint32(ConfigSpace.capsetCount, capsets, true);
  return new Uint8Array(config.buffer);
}
