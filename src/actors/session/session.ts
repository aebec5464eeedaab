// One front-end's session: its vhost-user requests, from the first to the last.
// vhost-user.rst "Front-end message types"; the order differs between front-ends and is not relied upon.

import { Refusal } from "../../transport/os/errors.ts";
import { closeFd, createMemfd, duplicateFd } from "../../transport/os/fds.ts";
import { notStream } from "../../transport/os/unix-socket.ts";
import { BackendChannel } from "../../transport/wire/vhost-user/backend-channel.ts";
import {
  type Message,
  ProtocolError,
  readSize,
  sizeError,
  takeEventfd,
  takeFd,
  u64,
} from "../../transport/wire/vhost-user/channel.ts";
import {
  Inflight,
  Log,
  memorySlotsMax,
  MemoryRegion,
  MemoryTable as TableLayout,
  ProtocolFeature,
  repliedRequests,
  Request,
  requestName,
  SingleRegion,
  tableRegionsMax,
  TransportFeature,
  VringAddress,
  VringFd,
  VringState,
} from "../../transport/wire/vhost-user/protocol.ts";
import { Event, Feature, Queue, scanoutsMax } from "../../transport/wire/virtio-gpu/protocol.ts";
import { inflightBytes, queueSizeMax } from "../../transport/virtio/layout.ts";
import type { ActorContext } from "../runtime/actor.ts";
import { ConfigSpace } from "./config-space.ts";
import { withDuplicates } from "./duplicates.ts";
import { MemoryTable, notShared, type Region } from "./memory-table.ts";
import { type QueueActor, queueActors, QueueLink } from "./queue-link.ts";
import { refuseHarmful } from "./unoffered.ts";
import { Vring } from "./vring.ts";

const bits = (...positions: number[]): bigint =>
  positions.reduce((sum, bit) => sum | (1n << BigInt(bit)), 0n);
const has = (features: bigint, bit: number): boolean => (features & (1n << BigInt(bit))) !== 0n;

/** Feature bits 0 to 23 are the device's own (virtio 1.3 §2.2). */
const deviceFeatures = 0xff_ffffn;

/** What every device offers; a renderer adds to it. */
const baseFeatures = bits(
  Feature.EDID,
  TransportFeature.LOG_ALL,
  TransportFeature.INDIRECT_DESC,
  TransportFeature.EVENT_IDX,
  TransportFeature.PROTOCOL_FEATURES,
  TransportFeature.VERSION_1,
);
const protocolFeatures = bits(...Object.values(ProtocolFeature));

const inflightMappingMax = Queue.count * inflightBytes(queueSizeMax);

/** What the session tells the actor that runs it. */
export interface SessionEvents {
  featuresSet(): void;
  ringStarted(): void;
  ringStopped(): void;
  deviceReset(): void;
}

/** What the device offers besides 2D: feature bits, and the number of capability sets. */
export interface Renderer {
  features: number;
  capsets: number;
}

/** A request could not be done, and the session goes on. */
const FAILED = "failed";
/** The reply to a request: a payload, or null for none of its own. */
type Reply = Uint8Array | null | typeof FAILED;

export class Session {
  private readonly memory = new MemoryTable();
  private readonly known: Record<QueueActor, Set<number>> = {
    "ctrl-queue": new Set(),
    "cursor-queue": new Set(),
  };
  private readonly vrings: Vring[];
  private readonly config: ConfigSpace;
  private readonly features: bigint;
  private acked = 0n;
  private ackedProtocol = 0n;
  private log = { fd: -1, offset: 0, size: 0 };
  private inflight = { fd: -1, offset: 0, queueCount: 0, queueSize: 0 };
  private displaySocket = -1;
  private backend: BackendChannel | null = null;
  private replyFds: number[] = [];

  constructor(
    private readonly context: ActorContext,
    private readonly queues: QueueLink,
    private readonly events: SessionEvents,
    renderer: Renderer,
  ) {
    this.features = baseFeatures | BigInt(renderer.features);
    this.vrings = queueActors.map((_, index) => new Vring(index, context.machines.vring));
    this.config = new ConfigSpace(context.config.outputs.length, renderer.capsets);
  }

  /** Runs one request and answers it through `reply`. Throws a {@link ProtocolError} that ends the session. */
  handle(message: Message, reply: (payload: Uint8Array, fds: readonly number[]) => void): void {
    const wantsStatus =
      message.needsReply &&
      has(this.ackedProtocol, ProtocolFeature.REPLY_ACK) &&
      !repliedRequests.has(message.request);
    this.replyFds = [];
    let answer: Reply;
    try {
      answer = this.run(message);
    } catch (error) {
      if (wantsStatus && error instanceof Refusal) reply(u64(1), []);
      throw error;
    } finally {
      for (const fd of message.fds) closeFd(fd);
    }
    if (answer !== null && answer !== FAILED) reply(answer, this.replyFds);
    else if (wantsStatus) reply(u64(answer === FAILED ? 1 : 0), []);
  }

  /** Gives a restarted actor what it needs from here. */
  restore(actor: "display" | "cursor-queue"): void {
    if (actor === "display") {
      if (this.displaySocket >= 0) this.sendDisplaySocket(true);
      return;
    }
    this.known[actor].clear();
    this.shareMemory([actor]);
    this.shareLog([actor]);
    if (this.displaySocket >= 0) this.shareScanouts([actor]);
    const vring = this.vrings[queueActors.indexOf(actor)]!;
    // One that is being stopped is started again to say where it is.
    if (vring.isStarted || this.queues.owesBase(actor)) this.startRing(vring, -1);
    this.queues.settle(actor);
  }

  /** Stops the rings and releases everything; the queues forget the driver. */
  close(): void {
    this.queues.askAll(queueActors.map((actor) => [actor, { type: "reset" }]));
    this.memory.clear();
    this.shareMemory(queueActors);
    this.context.send("display", { type: "vmm-socket-closed" });
    for (const vring of this.vrings) vring.close();
    closeFd(this.log.fd);
    if (this.log.fd >= 0) {
      this.log.fd = -1;
      this.shareLog(queueActors);
    }
    for (const fd of [this.inflight.fd, this.displaySocket]) closeFd(fd);
    if (this.displaySocket >= 0) {
      this.displaySocket = -1;
      this.shareScanouts(queueActors);
    }
    this.backend?.close();
  }

  /**
   * The outputs have other modes, which the driver reads when it hears of the event. A front-end with a display of its
   * own says the modes itself; and QEMU takes this message for a mistake.
   */
  displayChanged(): void {
    if (this.displaySocket >= 0) return;
    this.config.raise(Event.DISPLAY);
    if (this.backend === null || !has(this.ackedProtocol, ProtocolFeature.CONFIG)) return;
    if (!this.backend.configChanged()) this.context.log.info("the front-end was not told of another mode");
  }

  private run(message: Message): Reply {
    const { payload } = message;
    switch (message.request) {
      case Request.GET_FEATURES:
        return u64(this.features);
      case Request.SET_FEATURES:
        return this.setFeatures(this.sized(message, 8).getBigUint64(0, true));
      case Request.GET_PROTOCOL_FEATURES:
        return u64(protocolFeatures);
      case Request.SET_PROTOCOL_FEATURES:
        this.ackedProtocol = this.sized(message, 8).getBigUint64(0, true) & protocolFeatures;
        return null;
      case Request.GET_QUEUE_NUM:
        return u64(Queue.count);
      case Request.GET_MAX_MEM_SLOTS:
        return u64(memorySlotsMax);
      case Request.SET_OWNER:
      case Request.RESET_OWNER:
        return null;
      case Request.SET_BACKEND_REQ_FD:
        this.backend?.close();
        this.backend = null;
        this.backend = new BackendChannel(takeFd(message));
        return null;
      case Request.SET_MEM_TABLE:
        return this.setMemoryTable(message);
      case Request.ADD_MEM_REG:
        this.sized(message, SingleRegion.bytes);
        if (message.fds.length === 0)
          throw new ProtocolError(`ADD_MEM_REG brought no descriptor: ${notShared}`);
        this.memory.add(readRegion(payload, SingleRegion.region), takeFd(message));
        return this.shareMemory(queueActors);
      case Request.REM_MEM_REG:
        this.sized(message, SingleRegion.bytes);
        this.memory.remove(readRegion(payload, SingleRegion.region));
        return this.shareMemory(queueActors);
      case Request.SET_LOG_BASE:
        return this.setLogBase(message);
      case Request.SET_LOG_FD:
        // An optional signal to the front-end that pages were dirtied; it reads the log without it.
        closeFd(takeFd(message));
        return null;
      case Request.SET_VRING_NUM:
        return this.setVringNum(this.vringOf(message), payload.getUint32(VringState.num, true));
      case Request.SET_VRING_BASE:
        return this.setVringBase(this.vringOf(message), payload.getUint32(VringState.num, true));
      case Request.SET_VRING_ADDR:
        return this.setVringAddresses(message);
      case Request.GET_VRING_BASE:
        return this.getVringBase(this.vringOf(message));
      case Request.SET_VRING_KICK:
        return this.setVringKick(message);
      case Request.SET_VRING_CALL:
        return this.setVringCall(message);
      case Request.SET_VRING_ERR:
        return this.setVringErr(message);
      case Request.SET_VRING_ENABLE:
        return this.enableVring(this.vringOf(message), payload.getUint32(VringState.num, true) !== 0);
      case Request.GET_CONFIG:
        return this.config.read(message);
      case Request.SET_CONFIG:
        return this.config.write(message) ? null : FAILED;
      case Request.GET_INFLIGHT_FD:
        return this.getInflight(message);
      case Request.SET_INFLIGHT_FD:
        return this.setInflight(message);
      case Request.GPU_SET_SOCKET:
        return this.setDisplaySocket(takeFd(message));
      case Request.RESET_DEVICE:
        return this.resetDevice();
      default:
        throw new ProtocolError(`${requestName(message.request)} was not negotiated or is not known`);
    }
  }

  private setFeatures(wanted: bigint): null {
    const before = this.acked;
    refuseHarmful(wanted, this.features);
    // What else was never offered has no meaning here.
    this.acked = wanted & this.features;
    this.events.featuresSet();
    if (has(before ^ this.acked, TransportFeature.LOG_ALL)) this.shareLog(queueActors);
    return null;
  }

  private setMemoryTable(message: Message): null {
    const { payload, fds } = message;
    if (payload.byteLength < TableLayout.regions) throw sizeError(message);
    const count = payload.getUint32(TableLayout.count, true);
    if (count > tableRegionsMax || payload.byteLength < TableLayout.regions + count * MemoryRegion.bytes) {
      throw sizeError(message);
    }
    if (fds.length !== count) {
      const hint = fds.length < count ? `: ${notShared}` : "";
      throw new ProtocolError(
        `SET_MEM_TABLE names ${count} regions but brought ${fds.length} descriptors${hint}`,
      );
    }
    this.memory.clear();
    for (let index = 0; index < count; index++) {
      this.memory.add(readRegion(payload, TableLayout.regions + index * MemoryRegion.bytes), fds.shift()!);
    }
    return this.shareMemory(queueActors);
  }

  private shareMemory(actors: readonly QueueActor[]): null {
    const messages = withDuplicates((duplicate) =>
      actors.map((actor) => {
        const regions = this.memory.forActor(this.known[actor], duplicate);
        return [actor, { type: "memory" as const, regions }] as const;
      }),
    );
    const error = this.queues.askAll(messages);
    if (error !== "") throw new ProtocolError(`cannot map the guest's memory: ${error}`);
    return null;
  }

  private setLogBase(message: Message): Reply {
    const payload = this.sized(message, Log.bytes);
    const size = readSize(payload, Log.size, "log size");
    const offset = readSize(payload, Log.offset, "log offset");
    this.log = { fd: replaced(this.log.fd, takeFd(message)), offset, size };
    this.shareLog(queueActors);
    // QEMU waits for this answer whether it asked for one or not.
    return u64(0);
  }

  private shareLog(actors: readonly QueueActor[]): void {
    const { fd, offset, size } = this.log;
    const active = fd >= 0 && has(this.acked, TransportFeature.LOG_ALL);
    const messages = withDuplicates((duplicate) =>
      actors.map((actor) => {
        const message = { type: "dirty-log" as const, fd: active ? duplicate(fd) : -1, offset, size };
        return [actor, message] as const;
      }),
    );
    const error = this.queues.askAll(messages);
    if (error !== "") throw new ProtocolError(`cannot map the dirty log: ${error}`);
  }

  private setVringNum(vring: Vring, num: number): null {
    if (num !== vring.num) this.discardDisabled(vring);
    vring.setNum(num);
    return null;
  }

  private setVringBase(vring: Vring, base: number): null {
    this.discardDisabled(vring);
    vring.setBase(base);
    return null;
  }

  private setVringAddresses(message: Message): null {
    const payload = this.sized(message, VringAddress.bytes);
    const vring = this.vringAt(payload.getUint32(VringAddress.index, true));
    const addresses = {
      flags: payload.getUint32(VringAddress.flags, true),
      desc: readSize(payload, VringAddress.desc, "descriptor table"),
      avail: readSize(payload, VringAddress.avail, "avail ring"),
      used: readSize(payload, VringAddress.used, "used ring"),
      log: readSize(payload, VringAddress.log, "used ring log"),
    };
    if (vring.isMovedBy(addresses)) this.discardDisabled(vring);
    vring.setAddresses(addresses);
    if (vring.isStarted) {
      const usedLog = vring.logsUsed ? vring.addresses.log : -1;
      this.context.send(queueActors[vring.index]!, { type: "ring-log", usedLog });
    }
    return null;
  }

  private setVringKick(message: Message): null {
    const [vring, fd] = this.vringFd(message);
    const wasStarted = vring.isStarted;
    if (fd < 0) throw new ProtocolError("a vring without a kick descriptor would have to be polled for ever");
    vring.replaceFd("kickFd", fd);
    vring.take("SET_KICK");
    if (!has(this.acked, TransportFeature.PROTOCOL_FEATURES)) vring.take("ENABLE");
    // A ring that runs and gets another descriptor goes on where it is.
    this.startRing(vring, wasStarted ? -1 : vring.base);
    if (!wasStarted) this.events.ringStarted();
    return null;
  }

  private startRing(vring: Vring, base: number): void {
    const { desc, avail, used, log } = vring.addresses;
    const where = (part: string, address: number): number =>
      this.memory.guestAddressOf(address, `the ${part} of vring ${vring.index}`);
    const { fd, offset, queueCount, queueSize } = this.inflight;
    const isRecorded = fd >= 0 && vring.index < queueCount && vring.num <= queueSize;
    const message = withDuplicates((duplicate) => ({
      type: "ring-start" as const,
      num: vring.num,
      desc: where("descriptor table", desc),
      avail: where("avail ring", avail),
      used: where("used ring", used),
      usedLog: vring.logsUsed ? log : -1,
      base,
      enabled: vring.isEnabled,
      features: Number(this.acked & deviceFeatures),
      eventIdx: has(this.acked, TransportFeature.EVENT_IDX),
      kickFd: duplicate(vring.kickFd),
      callFd: duplicate(vring.callFd),
      errFd: duplicate(vring.errFd),
      inflightFd: isRecorded ? duplicate(fd) : -1,
      inflightOffset: offset + vring.index * inflightBytes(queueSize),
      inflightNum: queueSize,
    }));
    const error = this.queues.askAll([[queueActors[vring.index]!, message]]);
    // The guest chose where its ring lies, and has none when that makes no sense; the session goes on.
    if (error !== "") this.context.log.warning(`vring ${vring.index} does not run: ${error}`);
  }

  private getVringBase(vring: Vring): Uint8Array {
    const wasRunning = vring.isStarted;
    vring.take("GET_BASE");
    if (wasRunning) {
      const [answer] = this.queues.ask([[queueActors[vring.index]!, { type: "ring-stop" }]]);
      if (answer?.type === "ring-stopped") vring.base = answer.base;
      vring.take("DRAINED");
      vring.replaceFd("kickFd", -1);
      this.events.ringStopped();
    }
    const reply = new DataView(new ArrayBuffer(VringState.bytes));
    reply.setUint32(VringState.index, vring.index, true);
    reply.setUint32(VringState.num, vring.base, true);
    return new Uint8Array(reply.buffer);
  }

  /** A front-end that sets a disabled ring up anew has reset its device, and may never have asked for the base (libkrun). */
  private discardDisabled(vring: Vring): void {
    if (!vring.isStarted || vring.isEnabled) return;
    this.queues.ask([[queueActors[vring.index]!, { type: "ring-stop" }]]);
    vring.take("DISCARD");
    vring.replaceFd("kickFd", -1);
    this.events.ringStopped();
  }

  private setVringCall(message: Message): null {
    const [vring, fd] = this.vringFd(message);
    vring.replaceFd("callFd", fd);
    vring.take("SET_CALL");
    if (vring.isStarted) {
      this.context.send(queueActors[vring.index]!, { type: "ring-call", callFd: duplicated(vring.callFd) });
    }
    return null;
  }

  private setVringErr(message: Message): null {
    const [vring, fd] = this.vringFd(message);
    vring.replaceFd("errFd", fd);
    vring.take("SET_ERR");
    if (vring.isStarted) {
      this.context.send(queueActors[vring.index]!, { type: "ring-err", errFd: duplicated(vring.errFd) });
    }
    return null;
  }

  private enableVring(vring: Vring, enabled: boolean): null {
    vring.take(enabled ? "ENABLE" : "DISABLE");
    if (vring.isStarted) this.queues.ask([[queueActors[vring.index]!, { type: "ring-enable", enabled }]]);
    return null;
  }

  private getInflight(message: Message): Uint8Array {
    const { queueCount, queueSize } = this.inflightShape(message);
    const size = queueCount * inflightBytes(queueSize);
    const fd = createMemfd("fencepost-inflight", size);
    this.inflight = { fd: replaced(this.inflight.fd, fd), offset: 0, queueCount, queueSize };
    this.replyFds = [fd];
    const reply = new Uint8Array(message.payload.byteLength);
    const view = new DataView(reply.buffer);
    view.setBigUint64(Inflight.size, BigInt(size), true);
    view.setUint16(Inflight.queueCount, queueCount, true);
    view.setUint16(Inflight.queueSize, queueSize, true);
    return reply;
  }

  private setInflight(message: Message): null {
    const { queueCount, queueSize } = this.inflightShape(message);
    const size = readSize(message.payload, Inflight.size, "inflight size");
    const offset = readSize(message.payload, Inflight.offset, "inflight offset");
    if (size > inflightMappingMax || size < queueCount * inflightBytes(queueSize)) throw sizeError(message);
    this.inflight = { fd: replaced(this.inflight.fd, takeFd(message)), offset, queueCount, queueSize };
    return null;
  }

  private inflightShape(message: Message): { queueCount: number; queueSize: number } {
    const { payload } = message;
    if (payload.byteLength < Inflight.bytes || payload.byteLength > Inflight.bytesMax)
      throw sizeError(message);
    const queueCount = payload.getUint16(Inflight.queueCount, true);
    const queueSize = payload.getUint16(Inflight.queueSize, true);
    if (queueCount > Queue.count || queueSize === 0 || queueSize > queueSizeMax) {
      throw new ProtocolError(
        `an inflight record of ${queueCount} queues with ${queueSize} entries makes no sense`,
      );
    }
    return { queueCount, queueSize };
  }

  /** What is no stream would show nothing, and say so later and elsewhere (vhost-user-gpu.rst: "a UNIX domain stream socket"). */
  private setDisplaySocket(fd: number): null {
    const instead = notStream(fd);
    if (instead !== "") {
      closeFd(fd);
      throw new ProtocolError(
        `GPU_SET_SOCKET brought ${instead} where a connected Unix stream socket is due`,
      );
    }
    const isFirst = this.displaySocket < 0;
    this.displaySocket = replaced(this.displaySocket, fd);
    if (isFirst) this.shareScanouts(queueActors);
    this.sendDisplaySocket(false);
    return null;
  }

  /** Tells how many scanouts there are: a VMM that shows the picture may have more outputs than were configured here. */
  private shareScanouts(actors: readonly QueueActor[]): void {
    const count = this.displaySocket >= 0 ? scanoutsMax : this.context.config.outputs.length;
    this.queues.askAll(actors.map((actor) => [actor, { type: "scanouts", count }]));
  }

  private sendDisplaySocket(resumed: boolean): void {
    this.context.send("display", { type: "vmm-socket", fd: duplicateFd(this.displaySocket), resumed });
  }

  private resetDevice(): null {
    this.queues.askAll(queueActors.map((actor) => [actor, { type: "reset" }]));
    for (const vring of this.vrings) vring.reset();
    this.events.deviceReset();
    return null;
  }

  private sized(message: Message, bytes: number): DataView {
    if (message.payload.byteLength !== bytes) throw sizeError(message);
    return message.payload;
  }

  private vringOf(message: Message): Vring {
    return this.vringAt(this.sized(message, VringState.bytes).getUint32(VringState.index, true));
  }

  private vringAt(index: number): Vring {
    const vring = this.vrings[index];
    if (vring === undefined) throw new ProtocolError(`there is no vring ${index}: a GPU has ${Queue.count}`);
    return vring;
  }

  /** The vring and the descriptor, or -1, of SET_VRING_KICK, _CALL and _ERR. */
  private vringFd(message: Message): [Vring, number] {
    const value = Number(this.sized(message, VringFd.bytes).getBigUint64(0, true) & 0xffffn);
    const vring = this.vringAt(value & VringFd.indexMask);
    return [vring, (value & VringFd.noFd) === 0 ? takeEventfd(message) : -1];
  }
}

function readRegion(payload: DataView, at: number): Region {
  return {
    guestAddress: readSize(payload, at + MemoryRegion.guestAddress, "guest address"),
    size: readSize(payload, at + MemoryRegion.size, "region size"),
    userAddress: readSize(payload, at + MemoryRegion.userAddress, "front-end address"),
    fdOffset: readSize(payload, at + MemoryRegion.fdOffset, "region offset"),
  };
}

const duplicated = (fd: number): number => (fd < 0 ? -1 : duplicateFd(fd));

/** Closes the descriptor that `next` takes the place of. */
function replaced(before: number, next: number): number {
  closeFd(before);
  return next;
}
