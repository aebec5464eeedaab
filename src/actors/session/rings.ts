// The device's vrings: set up as the front-end says, started and stopped in the actors that serve them.

import { duplicateFd } from "../../transport/os/fds.ts";
import { TransportFeature } from "../../transport/wire/vhost-user/protocol.ts";
import { ProtocolError } from "../../transport/wire/vhost-user/protocol-error.ts";
import type { VringAddresses } from "../../transport/wire/vhost-user/requests.ts";
import type { DeviceType, QueueActor } from "../device-type.ts";
import { Lifecycle } from "../machines/lifecycle.ts";
import type { Inbox } from "../registry.ts";
import type { ActorContext } from "../runtime/actor.ts";
import { withDuplicates } from "./duplicates.ts";
import type { HostMemory } from "./host-memory.ts";
import type { InflightRecord } from "./inflight-record.ts";
import type { Negotiation } from "./negotiation.ts";
import type { QueueLink } from "./queue-link.ts";
import type { SharedMemory } from "./shared-memory.ts";
import { Vring } from "./vring.ts";

/** What rings are started with. */
export interface RingParts {
  negotiation: Negotiation;
  memory: SharedMemory;
  inflight: InflightRecord;
  hostMemory: HostMemory;
}

export interface RingEvents {
  /** Queues are about to see something of the guest. */
  used(): void;
  ringStarted(): void;
  ringStopped(): void;
}

export class Rings {
  private readonly vrings: readonly Vring[];

  constructor(
    private readonly context: ActorContext,
    private readonly queues: QueueLink,
    private readonly device: DeviceType,
    private readonly parts: RingParts,
    private readonly events: RingEvents,
  ) {
    const lifecycle = new Lifecycle(context.machines.vring, context.tap);
    this.vrings = device.queues.map((_, index) => new Vring(index, lifecycle, context.config.queueSizeMax));
  }

  /** Throws a {@link ProtocolError} for a vring that the device has not. */
  at(index: number): Vring {
    const vring = this.vrings[index];
    if (vring !== undefined) return vring;
    const { title, queues } = this.device;
    const { length } = queues;
    throw new ProtocolError(
      `there is no vring ${index}: ${title} has ${length} (QEMU's generic device: num_vqs=${length})`,
    );
  }

  describe(): Record<string, unknown>[] {
    return this.vrings.map((vring) => ({ vring: vring.index, state: vring.stateName, entries: vring.num }));
  }

  setNum(index: number, num: number): void {
    const vring = this.at(index);
    if (num !== vring.num) this.discardDisabled(vring);
    vring.setNum(num);
  }

  setBase(index: number, base: number): void {
    const vring = this.at(index);
    this.discardDisabled(vring);
    vring.setBase(base);
  }

  setAddresses(index: number, addresses: VringAddresses): void {
    const vring = this.at(index);
    if (vring.isMovedBy(addresses)) this.discardDisabled(vring);
    vring.setAddresses(addresses);
    if (vring.isStarted) this.tell(vring, () => ({ type: "log-ring", usedLog: vring.usedLog }));
  }

  /** Takes over `fd`, and starts the ring. */
  kick(vring: Vring, fd: number): void {
    this.events.used();
    const wasStarted = vring.isStarted;
    vring.replaceFd("kickFd", fd);
    vring.take("SET_KICK");
    if (!this.parts.negotiation.has(TransportFeature.PROTOCOL_FEATURES)) vring.take("ENABLE");
    // A ring that runs and gets another descriptor goes on where it is.
    this.start(vring, wasStarted ? -1 : vring.base);
    this.resumeMemory(vring);
    if (!wasStarted) this.events.ringStarted();
  }

  /** Takes over `fd`. */
  call(vring: Vring, fd: number): void {
    vring.replaceFd("callFd", fd);
    vring.take("SET_CALL");
    if (!vring.isStarted) return;
    this.tell(vring, () => ({ type: "set-ring-call", callFd: duplicated(vring.callFd) }));
  }

  /** Takes over `fd`. */
  err(vring: Vring, fd: number): void {
    vring.replaceFd("errFd", fd);
    vring.take("SET_ERR");
    if (!vring.isStarted) return;
    this.tell(vring, () => ({ type: "set-ring-err", errFd: duplicated(vring.errFd) }));
  }

  enable(vring: Vring, enabled: boolean): void {
    vring.take(enabled ? "ENABLE" : "DISABLE");
    if (!enabled) this.pauseMemory(vring);
    if (vring.isStarted) this.queues.ask([[this.actorOf(vring), { type: "enable-ring", enabled }]]);
    this.resumeMemory(vring);
  }

  /** Stops a ring that runs. Returns the index at which it is to go on. */
  stop(vring: Vring): number {
    const wasRunning = vring.isStarted;
    vring.take("GET_BASE");
    if (!wasRunning) return vring.base;
    this.pauseMemory(vring);
    const [answer] = this.queues.ask([[this.actorOf(vring), { type: "stop-ring" }]]);
    if (answer?.type === "ring-stopped") vring.base = answer.base;
    vring.take("DRAINED");
    this.stopped(vring);
    return vring.base;
  }

  /** Whether a driver has started the device, and nobody has stopped all of it. */
  get areRunning(): boolean {
    return this.vrings.some((vring) => vring.isStarted);
  }

  /** The device starts from nothing. */
  reset(): void {
    this.parts.hostMemory.pause();
    this.queues.resetAll(this.device.queues);
    for (const vring of this.vrings) vring.reset();
  }

  /** The ring that `actor` serves makes no sense: nothing more is taken from it. */
  broken(actor: QueueActor): void {
    for (const vring of this.vrings) if (this.actorOf(vring) === actor) vring.broken();
  }

  /** Whether the rings that `actor` serves lie in memory that is shared. */
  haveMemory(actor: QueueActor): boolean {
    const { table } = this.parts.memory;
    return this.vrings.every((vring) => {
      const { desc, avail, used } = vring.addresses;
      const isIts = this.actorOf(vring) === actor && isServed(vring);
      return !isIts || [desc, avail, used].every((address) => table.holds(address));
    });
  }

  /** Whether some ring of the actor's is started by {@link restart}. */
  goOn(actor: QueueActor): boolean {
    return this.vrings.some((vring) => this.actorOf(vring) === actor && this.goesOn(vring));
  }

  /** Starts the rings of an actor that knows nothing. */
  restart(actor: QueueActor): void {
    for (const vring of this.vrings) {
      if (this.actorOf(vring) !== actor || !this.goesOn(vring)) continue;
      this.start(vring, -1);
      if (isServed(vring)) this.resumeMemory(vring);
    }
  }

  close(): void {
    for (const vring of this.vrings) vring.close();
  }

  /** Who sets a disabled ring up anew has reset the device, and need not ask for the base: quirks.libkrunResetsByDisabling. */
  private discardDisabled(vring: Vring): void {
    if (!vring.isStarted || vring.isEnabled) return;
    this.queues.ask([[this.actorOf(vring), { type: "stop-ring" }]]);
    vring.take("DISCARD");
    this.stopped(vring);
  }

  /** Before the ring stops of whoever has memory mapped. */
  private pauseMemory(vring: Vring): void {
    if (this.actorOf(vring) === this.device.sharedMemory?.queue) this.parts.hostMemory.pause();
  }

  private resumeMemory(vring: Vring): void {
    const isTheirs = this.actorOf(vring) === this.device.sharedMemory?.queue;
    if (isTheirs && vring.isStarted && vring.isEnabled) this.parts.hostMemory.resume();
  }

  private stopped(vring: Vring): void {
    vring.replaceFd("kickFd", -1);
    this.events.ringStopped();
  }

  private start(vring: Vring, base: number): void {
    const { negotiation, memory, inflight, hostMemory } = this.parts;
    const { desc, avail, used } = vring.addresses;
    const where = (part: string, address: number): number =>
      memory.table.guestAddressOf(address, `the ${part} of vring ${vring.index}`);
    const record = inflight.of(vring.index, vring.num);
    const message = withDuplicates((duplicate) => ({
      type: "start-ring" as const,
      num: vring.num,
      desc: where("descriptor table", desc),
      avail: where("avail ring", avail),
      used: where("used ring", used),
      usedLog: vring.usedLog,
      base,
      enabled: vring.isEnabled,
      features: negotiation.device,
      eventIdx: negotiation.has(TransportFeature.EVENT_IDX),
      sharedMemoryBytes: hostMemory.windowBytes,
      kickFd: duplicate(vring.kickFd),
      callFd: duplicate(vring.callFd),
      errFd: duplicate(vring.errFd),
      inflightFd: duplicate(record.fd),
      inflightOffset: record.offset,
      inflightNum: record.queueSize,
    }));
    const error = this.queues.askAll([[this.actorOf(vring), message]]);
    // The guest chose where its ring lies, and has none when that makes no sense; the session goes on.
    if (error !== "") this.context.log.guest(() => `vring ${vring.index} does not run: ${error}`);
  }

  /** Tells the ring's actor what needs no answer. */
  private tell(vring: Vring, message: () => Inbox[QueueActor]): void {
    const actor = this.actorOf(vring);
    this.queues.letCatchUp(actor);
    this.context.send(actor, message());
  }

  /** One that is being stopped is started again to say where it is. */
  private goesOn(vring: Vring): boolean {
    return isServed(vring) || this.queues.owesBase(this.actorOf(vring));
  }

  private actorOf({ index }: Vring): QueueActor {
    return this.device.queues[index]!;
  }
}

const isServed = (vring: Vring): boolean => vring.isStarted && !vring.isBroken;

const duplicated = (fd: number): number => (fd < 0 ? -1 : duplicateFd(fd));
