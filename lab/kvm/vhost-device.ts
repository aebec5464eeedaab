// A virtio-gpu device behind a vhost-user socket, as a VMM with one memfd holds it: negotiation at the start, rings when the
// driver has set them up.

import { closeFd, createEventfd } from "../../src/transport/os/fds.ts";
import { socketPair } from "../../src/transport/os/unix-socket.ts";
import { ProtocolFeature, TransportFeature } from "../../src/transport/wire/vhost-user/protocol.ts";
import { ConfigSpace, Queue } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import type { GuestRegion } from "../driver/guest-memory.ts";
import type { Pump } from "../driver/pump.ts";
import type { DisplayPeerOptions } from "../vmm/display-options.ts";
import { DisplayPeer } from "../vmm/display-peer.ts";
import { VhostUserFrontend } from "../vmm/vhost-user-frontend.ts";
import type { QueueSetup } from "./mmio-registers.ts";

/** Descriptors of the control and the cursor queue at most, as QEMU has them. */
export const queueSizesMax = [256, 16] as const;

const bit = (index: number): bigint => 1n << BigInt(index);
/** Between a VMM and its back-end, and no business of the guest's. */
const ofVhost = bit(TransportFeature.PROTOCOL_FEATURES) | bit(TransportFeature.LOG_ALL);
const wanted: readonly number[] = [
  ProtocolFeature.CONFIG,
  ProtocolFeature.MQ,
  ProtocolFeature.BACKEND_REQ,
  ProtocolFeature.REPLY_ACK,
];

/** One queue's descriptors: written by the guest, by the device, and by the device when the ring is beyond use. */
export interface QueueFds {
  kick: number;
  call: number;
  err: number;
}

export class VhostDevice {
  readonly frontend: VhostUserFrontend;
  readonly queues: readonly QueueFds[];
  /** For the guest to choose from. */
  features = 0n;
  display: DisplayPeer | null = null;
  private isStarted = false;

  constructor(
    socketPath: string,
    private readonly memory: GuestRegion,
    private readonly pump: Pump,
    /** Null: no display socket, as with crosvm. */
    private readonly displayOptions: DisplayPeerOptions | null,
  ) {
    this.frontend = VhostUserFrontend.connect(socketPath, pump);
    this.queues = Array.from({ length: Queue.count }, () => ({
      kick: createEventfd(),
      call: createEventfd(),
      err: createEventfd(),
    }));
  }

  /** What a VMM does before there is a driver. Returns the config space. */
  initialise(): Uint8Array {
    const { frontend } = this;
    frontend.setOwner();
    this.features = frontend.getFeatures() & ~ofVhost;
    const mask = wanted.reduce((sum, one) => sum | bit(one), 0n);
    frontend.setProtocolFeatures(frontend.getProtocolFeatures() & mask);
    if (frontend.has(ProtocolFeature.BACKEND_REQ)) frontend.setBackendRequestFd();
    return this.readConfig();
  }

  /** Of a VMM that has a display, which says how many outputs there are: QEMU's own back-end does not know. */
  readConfig(): Uint8Array {
    const config = this.frontend.getConfig(0, ConfigSpace.bytes, 1);
    const modes = this.displayOptions?.modes?.length;
    if (modes !== undefined)
      new DataView(config.buffer as ArrayBuffer).setUint32(ConfigSpace.scanoutCount, modes, true);
    return config;
  }

  /** At DRIVER_OK. Returns whether the driver's queues can be had. */
  start(features: bigint, queues: readonly QueueSetup[]): boolean {
    if (this.isStarted || !queues.every((queue) => queue.ready && this.holds(queue))) return false;
    const { frontend } = this;
    if (this.displayOptions !== null) this.openDisplay(this.displayOptions);
    frontend.setFeatures(features | bit(TransportFeature.PROTOCOL_FEATURES));
    frontend.setMemTable([this.memory]);
    queues.forEach((queue, index) => this.startQueue(index, queue));
    this.isStarted = true;
    return true;
  }

  /** When the driver resets the device, or the VM ends. */
  stop(): void {
    if (!this.isStarted) return;
    this.isStarted = false;
    for (let index = 0; index < Queue.count; index++) this.frontend.setVringEnable(index, false);
    for (let index = 0; index < Queue.count; index++) this.frontend.getVringBase(index);
    this.display?.close();
  }

  close(): void {
    this.frontend.close();
    this.display?.free();
    for (const { kick, call, err } of this.queues) for (const fd of [kick, call, err]) closeFd(fd);
  }

  private openDisplay(options: DisplayPeerOptions): void {
    this.display?.free();
    const [ours, theirs] = socketPair("stream");
    this.display = new DisplayPeer(ours, this.pump, options);
    this.frontend.gpuSetSocket(theirs);
    closeFd(theirs);
  }

  private startQueue(index: number, { size, descriptors, avail, used }: QueueSetup): void {
    const { frontend } = this;
    const { kick, call, err } = this.queues[index]!;
    const address = (guestAddress: number): number => this.memory.userAddress + guestAddress;
    frontend.setVringNum(index, size);
    frontend.setVringAddr(index, { desc: address(descriptors), avail: address(avail), used: address(used) });
    frontend.setVringBase(index, 0);
    frontend.setVringCall(index, call);
    frontend.setVringErr(index, err);
    frontend.setVringKick(index, kick);
    frontend.setVringEnable(index, true);
  }

  /** Whether the rings lie in memory: the device would hang up on ones that don't. */
  private holds({ size, descriptors, avail, used }: QueueSetup): boolean {
    return (
      this.memory.holds(descriptors, 16 * size) &&
      this.memory.holds(avail, 6 + 2 * size) &&
      this.memory.holds(used, 6 + 8 * size)
    );
  }
}
