// A whole guest without a VMM: memory, vhost-user front-end, display and virtio-gpu driver, wired as QEMU or crosvm does.

import { closeFd } from "../../src/transport/os/fds.ts";
import { socketPair } from "../../src/transport/os/unix-socket.ts";
import { ConfigSpace as GpuConfig, Feature, Queue } from "../../src/transport/wire/virtio-gpu/protocol.ts";
import { ProtocolFeature, TransportFeature } from "../../src/transport/wire/vhost-user/protocol.ts";
import { CommandQueue } from "./command-queue.ts";
import type { DisplayPeerOptions } from "../vmm/display-options.ts";
import { DisplayPeer } from "../vmm/display-peer.ts";
import { DriverRing } from "./driver-ring.ts";
import { GpuDriver } from "./gpu-driver.ts";
import { defaultRegions, GuestMemory, type GuestRegion, type RegionLayout } from "./guest-memory.ts";
import { Pump } from "./pump.ts";
import { VhostUserFrontend } from "../vmm/vhost-user-frontend.ts";

export interface GuestOptions {
  /** Whose order of requests to use, and whose choice of features. */
  frontend?: "qemu" | "crosvm";
  memory?: readonly RegionLayout[];
  /** Descriptors of the control and the cursor queue. */
  queueSizes?: readonly [number, number];
  eventIdx?: boolean;
  indirect?: boolean;
  /** Feature bits of the GPU to take where they are offered; without it, EDID and VIRGL. */
  gpuFeatures?: readonly number[];
  /** Feature bits acknowledged though they were never offered, as QEMU does. */
  extraFeatures?: bigint;
  /** Share memory region by region instead of by one table; as QEMU does where it can. */
  memorySlots?: boolean;
  /** Protocol feature bits to leave out. */
  withoutProtocolFeatures?: readonly number[];
  /** The protocol's bit for shared memory regions, as this front-end has it; without it, it knows none. */
  sharedMemoryBit?: number;
  /** Null: no display socket, as with crosvm. */
  display?: DisplayPeerOptions | null;
  /** Index that both rings start at. */
  ringBase?: number;
  /** How long to wait for an answer, in milliseconds. */
  patienceMs?: number;
  /** How long for somebody who listens; without it, as long as for an answer. */
  connectMs?: number;
}

const bit = (index: number): bigint => 1n << BigInt(index);

const qemuProtocolFeatures = Object.values(ProtocolFeature);
const crosvmProtocolFeatures: readonly number[] = [
  ProtocolFeature.CONFIG,
  ProtocolFeature.MQ,
  ProtocolFeature.BACKEND_REQ,
  ProtocolFeature.REPLY_ACK,
];

export class SyntheticGuest {
  readonly memory: GuestMemory;
  /** Of the session that it has now. */
  frontend: VhostUserFrontend;
  /** Virtio and vhost feature bits that the device offers, and those that the guest took. */
  offered = 0n;
  features = 0n;
  /** struct virtio_gpu_config as read at start. */
  config: Uint8Array = new Uint8Array(0);
  queues!: [CommandQueue, CommandQueue];
  gpu!: GpuDriver;
  /** The display of the current start; null without one. */
  display: DisplayPeer | null = null;

  private readonly options: GuestOptions;
  /** Regions that the device was given one by one; they stay its own while it is stopped. */
  private readonly shared = new Set<GuestRegion>();
  private started = false;

  private constructor(
    socketPath: string,
    options: GuestOptions,
    readonly pump: Pump,
  ) {
    this.options = options;
    // First, since nobody may listen.
    this.frontend = VhostUserFrontend.connect(socketPath, pump, options.connectMs);
    this.memory = new GuestMemory(options.memory ?? defaultRegions);
  }

  /** Connects, negotiates, and starts the device: ready for commands. */
  static boot(socketPath: string, options: GuestOptions = {}, pump?: Pump): SyntheticGuest {
    const guest = SyntheticGuest.connect(socketPath, options, pump);
    try {
      guest.initialise();
      guest.start();
    } catch (error) {
      guest.close();
      throw error;
    }
    return guest;
  }

  /** Connects only: the first message is the caller's. `pump` waits for it, and is closed with it. */
  static connect(
    socketPath: string,
    options: GuestOptions = {},
    pump: Pump = new Pump(options.patienceMs),
  ): SyntheticGuest {
    try {
      return new SyntheticGuest(socketPath, options, pump);
    } catch (error) {
      pump.close();
      throw error;
    }
  }

  get control(): CommandQueue {
    return this.queues[Queue.CONTROL];
  }

  get cursor(): CommandQueue {
    return this.queues[Queue.CURSOR];
  }

  /** Whether feature `index` was offered and taken. */
  has(index: number): boolean {
    return (this.features & bit(index)) !== 0n;
  }

  /** What a VMM does when it starts: features, owner, configuration. */
  initialise(): void {
    const { frontend } = this;
    const crosvm = this.options.frontend === "crosvm";
    if (crosvm) frontend.setOwner();
    this.offered = frontend.getFeatures();
    const { sharedMemoryBit } = this.options;
    const known = crosvm ? crosvmProtocolFeatures : qemuProtocolFeatures;
    const wanted = sharedMemoryBit === undefined ? known : [...known, sharedMemoryBit];
    const without = this.options.withoutProtocolFeatures ?? [];
    const mask = wanted.filter((one) => !without.includes(one)).reduce((sum, one) => sum | bit(one), 0n);
    frontend.setProtocolFeatures(frontend.getProtocolFeatures() & mask);
    if (crosvm) {
      if (frontend.has(ProtocolFeature.BACKEND_REQ)) frontend.setBackendRequestFd();
      if (frontend.has(ProtocolFeature.MQ)) frontend.getQueueNum();
    } else {
      if (frontend.has(ProtocolFeature.MQ)) frontend.getQueueNum();
      if (frontend.has(ProtocolFeature.CONFIGURE_MEM_SLOTS)) frontend.getMaxMemSlots();
      if (frontend.has(ProtocolFeature.BACKEND_REQ)) frontend.setBackendRequestFd();
      frontend.setOwner();
      frontend.getFeatures();
    }
    if (sharedMemoryBit !== undefined && frontend.has(sharedMemoryBit)) frontend.getShmemConfig();
    if (this.queues === undefined) this.makeQueues();
    if (!crosvm) {
      this.queues.forEach(({ ring }, index) => {
        frontend.setVringCall(index, ring.callFd);
        frontend.setVringErr(index, ring.errFd);
      });
    }
    this.config = frontend.getConfig(0, GpuConfig.bytes, crosvm ? 1 : 0);
  }

  /** What a VMM does at DRIVER_OK. */
  start(): void {
    const { frontend, options } = this;
    const crosvm = options.frontend === "crosvm";
    if (!crosvm && options.display !== null) this.openDisplay(options.display);
    frontend.setFeatures(this.features | (options.extraFeatures ?? 0n));
    this.shareMemory();
    this.queues.forEach((_, index) => this.startRing(index));
    if (!crosvm) for (let index = 0; index < Queue.count; index++) frontend.setVringEnable(index, true);
    this.started = true;
  }

  /** What a VMM does when the driver goes away or the VM stops. */
  stop(): void {
    for (let index = 0; index < Queue.count; index++) this.frontend.setVringEnable(index, false);
    this.queues.forEach((queue, index) => {
      const base = this.frontend.getVringBase(index);
      queue.collect();
      queue.reset(base);
    });
    this.display?.close();
    this.started = false;
  }

  /** Goes on in another session, where all but the device's own is as it was; its rings are stopped, and yet to {@link start}. */
  reconnect(socketPath: string): void {
    this.frontend.close();
    this.display?.free();
    this.shared.clear();
    this.frontend = VhostUserFrontend.connect(socketPath, this.pump, this.options.connectMs);
    this.initialise();
  }

  /** Gives the device a new display socket; the old one stays open on our side. */
  openDisplay(options: DisplayPeerOptions = {}): DisplayPeer {
    const [ours, theirs] = socketPair("stream");
    this.display = new DisplayPeer(ours, this.pump, options);
    try {
      this.frontend.gpuSetSocket(theirs);
    } finally {
      closeFd(theirs);
    }
    return this.display;
  }

  /** Sets up one ring to go on at index `base`; in the order of crosvm, enables it too. */
  startRing(index: number, base = this.queues[index]!.ring.base): void {
    const { frontend } = this;
    const { ring } = this.queues[index]!;
    const addresses = {
      desc: ring.descriptors.userAddress,
      used: ring.used.userAddress,
      avail: ring.avail.userAddress,
    };
    frontend.setVringNum(index, ring.size);
    if (this.options.frontend === "crosvm") {
      frontend.setVringAddr(index, addresses);
      frontend.setVringBase(index, base);
      frontend.setVringCall(index, ring.callFd);
      frontend.setVringKick(index, ring.kickFd);
      frontend.setVringEnable(index, true);
      return;
    }
    frontend.setVringBase(index, base);
    frontend.setVringAddr(index, addresses);
    frontend.setVringKick(index, ring.kickFd);
    frontend.setVringCall(index, ring.callFd);
  }

  /** Tells the device of every region that it does not know. */
  shareMemory(): void {
    const { frontend, memory } = this;
    const slots = this.options.memorySlots ?? this.options.frontend !== "crosvm";
    if (slots && frontend.has(ProtocolFeature.CONFIGURE_MEM_SLOTS)) {
      for (const region of memory.regions) if (!this.shared.has(region)) this.addToDevice(region);
    } else frontend.setMemTable(memory.regions);
  }

  /** Plugs memory in while the device runs. */
  hotAdd(layout: RegionLayout): GuestRegion {
    const region = this.memory.addRegion(layout.guestAddress, layout.size);
    this.addToDevice(region);
    return region;
  }

  /** Takes memory from the device; the guest's own mapping stays until the memory is freed. */
  hotRemove(region: GuestRegion): void {
    this.frontend.remMemReg(region);
    this.shared.delete(region);
  }

  /** Hangs up and frees everything. */
  close(): void {
    this.frontend.close();
    this.display?.free();
    this.queues?.forEach((queue) => queue.close());
    this.pump.close();
    this.memory.free();
  }

  /** Whether {@link start} has run and {@link stop} has not. */
  get running(): boolean {
    return this.started;
  }

  private addToDevice(region: GuestRegion): void {
    this.frontend.addMemReg(region);
    this.shared.add(region);
  }

  private makeQueues(): void {
    const { options, memory, pump } = this;
    const taken = [
      ...(options.gpuFeatures ?? [Feature.EDID, Feature.VIRGL]),
      TransportFeature.VERSION_1,
      TransportFeature.PROTOCOL_FEATURES,
      ...(options.eventIdx === false ? [] : [TransportFeature.EVENT_IDX]),
      ...(options.indirect === false || options.frontend === "crosvm"
        ? []
        : [TransportFeature.INDIRECT_DESC]),
    ];
    this.features = taken.reduce((sum, one) => sum | bit(one), 0n) & this.offered;
    const eventIdx = (this.features & bit(TransportFeature.EVENT_IDX)) !== 0n;
    const [controlSize, cursorSize] = options.queueSizes ?? [256, 16];
    const make = (size: number) => {
      const ring = new DriverRing(memory, { size, eventIdx });
      ring.reset(options.ringBase ?? 0);
      return new CommandQueue(ring, memory, pump);
    };
    this.queues = [make(controlSize), make(cursorSize)];
    this.gpu = new GpuDriver(memory, this.queues[0], this.queues[1]);
  }
}
