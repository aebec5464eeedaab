// What the session and the queues are told of the type of device that they serve: they know virtio and vhost-user alone.

import type { CommandForm } from "./queue/command-form.ts";
import type { Inbox, WorkerName } from "./registry.ts";
import type { QueueMessage } from "./queue/messages.ts";

/** Actors that can serve a virtqueue: those that may be told what the session says of one. */
export type QueueActor = {
  [Name in WorkerName]: QueueMessage extends Inbox[Name] ? Name : never;
}[WorkerName];

/** A shared memory region, into which memory of the device's is mapped (virtio 1.3 §2.10). */
export interface SharedMemoryType {
  readonly id: number;
  /** The feature bit without which a driver has no use for it. */
  readonly feature: number;
  /** Who has memory mapped. */
  readonly queue: "ctrl-queue";
}

/** How a device's state is taken along by a front-end. */
export interface StateType {
  /** Who has it, and keeps what is loaded until a driver goes on. */
  readonly queue: "ctrl-queue";
  readonly bytesMax: number;
}

export interface DeviceType {
  /** For people, as in "a GPU has 2". */
  readonly title: string;
  /** Who serves each virtqueue, by its index. */
  readonly queues: readonly QueueActor[];
  /** How commands begin and are answered on each of them. */
  readonly commands: CommandForm;
  /** Whether a front-end that has a display of its own gives the device a socket to it, by GPU_SET_SOCKET. */
  readonly hasDisplaySocket: boolean;
  /** Null where it has none. */
  readonly sharedMemory: SharedMemoryType | null;
  /** Null where it can't be saved. */
  readonly state: StateType | null;
  /**
   * The driver has written `data` at `offset` of the configuration space `fields`, which this changes as that asks. Returns
   * whether the driver says that it has read the outputs' modes.
   */
  written(fields: DataView, offset: number, data: Uint8Array): boolean;
  /** The outputs have other modes: tells the driver in `fields`. */
  displayChanged(fields: DataView): void;
}
