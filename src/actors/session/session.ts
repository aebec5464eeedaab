// One front-end's session: what the device does at each of its requests, from the first to the last.
// vhost-user.rst; the order of requests differs between front-ends and is not relied upon.

import { Refusal } from "../../transport/os/errors.ts";
import { closeFd } from "../../transport/os/fds.ts";
import type { Message } from "../../transport/wire/vhost-user/channel.ts";
import {
  memorySlotsMax,
  ProtocolFeature,
  StateTransfer,
  TransportFeature,
} from "../../transport/wire/vhost-user/protocol.ts";
import { ProtocolError } from "../../transport/wire/vhost-user/protocol-error.ts";
import {
  configBytes,
  hasReply,
  inflightRecord,
  noBytes,
  sharedMemoryConfig,
  stateTransfer,
  u64,
  vringBase,
} from "../../transport/wire/vhost-user/replies.ts";
import { decodeRequest, type VhostRequest } from "../../transport/wire/vhost-user/requests.ts";
import { frontEnds } from "../../transport/wire/front-ends.ts";
import type { DeviceType, QueueActor } from "../device-type.ts";
import type { ActorContext } from "../runtime/actor.ts";
import { ConfigSpace } from "./config-space.ts";
import { DeviceState, type Reply } from "./device-state.ts";
import { DisplaySocket } from "./display-socket.ts";
import { HostMemory, mappingsOfSlots } from "./host-memory.ts";
import { InflightRecord } from "./inflight-record.ts";
import { Negotiation } from "./negotiation.ts";
import type { QueueLink } from "./queue-link.ts";
import { ReturningQueues } from "./returning-queues.ts";
import { type RingEvents, Rings } from "./rings.ts";
import { SharedMemory } from "./shared-memory.ts";

/** What the session tells the actor that runs it. */
export interface SessionEvents extends RingEvents {
  featuresSet(): void;
  deviceReset(): void;
}

/** What the device offers: its own feature bits, and the configuration space as the driver reads it first. */
export interface Offer {
  features: number;
  config: Uint8Array;
}

/** A request could not be done, and the session goes on. */
const FAILED = "failed";
/** Its reply comes when that is known. */
const LATER = "later";
/** What becomes of a request: a reply of its own, or success where there is none. */
type Outcome = { payload: Uint8Array; fds?: readonly number[] } | typeof FAILED | typeof LATER | void;
type Handlers = {
  [Type in VhostRequest["type"]]: (request: VhostRequest & { type: Type }) => Outcome;
};

export class Session {
  private readonly negotiation: Negotiation;
  private readonly memory: SharedMemory;
  private readonly inflight: InflightRecord;
  private readonly rings: Rings;
  private readonly returning: ReturningQueues;
  private readonly config: ConfigSpace;
  readonly hostMemory: HostMemory;
  private readonly deviceState: DeviceState;
  /** Answers the request under way. */
  private reply: Reply = () => undefined;
  readonly display: DisplaySocket;
  /** Descriptors of the request under way that nobody has kept yet. */
  private received: number[] = [];

  constructor(
    private readonly context: ActorContext,
    private readonly queues: QueueLink,
    private readonly events: SessionEvents,
    private readonly device: DeviceType,
    private readonly offer: Offer,
  ) {
    const { hostMemory: hostMemoryBytes, frontEnd } = context.config;
    const { sharedMemory } = device;
    const hasMemory =
      sharedMemory !== null && hostMemoryBytes > 0 && (offer.features & (1 << sharedMemory.feature)) !== 0;
    this.negotiation = new Negotiation(
      offer.features,
      hasMemory ? frontEnds[frontEnd].sharedMemoryBit : null,
      device.state !== null,
    );
    this.memory = new SharedMemory(queues, device.queues);
    this.inflight = new InflightRecord(device.queues.length);
    this.hostMemory = new HostMemory(context, sharedMemory);
    const { negotiation, memory, inflight, hostMemory } = this;
    this.rings = new Rings(context, queues, device, { negotiation, memory, inflight, hostMemory }, events);
    this.config = new ConfigSpace(device, offer.config);
    this.display = new DisplaySocket(context, queues, device);
    this.deviceState = new DeviceState(context, device.state);
    const { rings, display } = this;
    this.returning = new ReturningQueues(queues, device.queues, { memory, rings, display });
  }

  /** Guest memory that is shared. */
  get guestBytes(): number {
    return this.memory.table.bytes;
  }

  /** Runs one request and sends what it earns by `reply`. Throws a {@link Refusal} that ends the session. */
  handle(message: Message, reply: Reply): void {
    const wantsStatus =
      message.needsReply && this.negotiation.speaks(ProtocolFeature.REPLY_ACK) && !hasReply(message.request);
    this.received = message.fds;
    this.reply = reply;
    let outcome: Outcome;
    try {
      this.deviceState.mayBeAsked();
      const request = decodeRequest(message);
      outcome = (this.handlers[request.type] as (request: VhostRequest) => Outcome)(request);
    } catch (error) {
      if (wantsStatus && error instanceof Refusal) reply(u64(1), []);
      throw error;
    } finally {
      this.received.splice(0).forEach(closeFd);
    }
    if (typeof outcome === "object") reply(outcome.payload, outcome.fds ?? []);
    else if (wantsStatus && outcome !== LATER) reply(u64(outcome === FAILED ? 1 : 0), []);
  }

  private readonly handlers: Handlers = {
    GET_FEATURES: () => ({ payload: u64(this.negotiation.offered) }),
    SET_FEATURES: ({ features }) => {
      this.negotiation.take(features);
      this.events.featuresSet();
      this.memory.logging = this.negotiation.has(TransportFeature.LOG_ALL);
    },
    GET_PROTOCOL_FEATURES: () => ({ payload: u64(this.negotiation.offeredProtocol) }),
    SET_PROTOCOL_FEATURES: ({ features }) => {
      this.negotiation.takeProtocol(features);
      if (!this.negotiation.speaks(ProtocolFeature.CONFIG)) this.tellOfNoConfig();
    },
    GET_QUEUE_NUM: () => ({ payload: u64(this.device.queues.length) }),
    GET_MAX_MEM_SLOTS: () => ({ payload: u64(memorySlotsMax) }),
    // quirks.ownerInAnyOrder
    SET_OWNER: () => {},
    RESET_OWNER: () => {},
    SET_BACKEND_REQ_FD: ({ fd }) => this.hostMemory.connect(this.keep(fd)),
    GET_SHMEM_CONFIG: () => {
      if (!this.negotiation.mapsMemory)
        throw new ProtocolError("GET_SHMEM_CONFIG was not negotiated, or not with BACKEND_REQ and REPLY_ACK");
      this.hostMemory.windowBytes = this.context.config.hostMemory;
      const hasSlots = this.negotiation.speaks(ProtocolFeature.CONFIGURE_MEM_SLOTS);
      this.hostMemory.mappingsMax = hasSlots ? mappingsOfSlots : Infinity;
      return { payload: sharedMemoryConfig(this.device.sharedMemory!.id, this.hostMemory.windowBytes) };
    },

    SET_MEM_TABLE: ({ regions }) => {
      this.memory.table.clear();
      for (const { fd, ...region } of regions) this.memory.table.add(region, this.keep(fd));
      this.returning.share();
    },
    ADD_MEM_REG: ({ region, fd }) => {
      this.memory.table.add(region, this.keep(fd));
      this.returning.share();
    },
    REM_MEM_REG: ({ region }) => {
      this.memory.table.remove(region);
      this.returning.share();
    },
    SET_LOG_BASE: ({ size, offset, fd }) => {
      this.memory.setLog({ fd: this.keep(fd), offset, size });
      // quirks.qemuWaitsForLogBase
      return { payload: u64(0) };
    },
    // An optional signal to the front-end that pages were dirtied; it reads the log without it.
    SET_LOG_FD: () => {},

    SET_VRING_NUM: ({ vring, num }) => this.rings.setNum(vring, num),
    SET_VRING_BASE: ({ vring, num }) => this.rings.setBase(vring, num),
    SET_VRING_ADDR: ({ vring, addresses }) => this.rings.setAddresses(vring, addresses),
    GET_VRING_BASE: ({ vring }) => {
      this.returning.hurry();
      return { payload: vringBase(vring, this.rings.stop(this.rings.at(vring))) };
    },
    SET_VRING_KICK: ({ vring, fd }) => {
      const ring = this.rings.at(vring);
      if (fd < 0)
        throw new ProtocolError("a vring without a kick descriptor would have to be polled for ever");
      this.deviceState.ringStarts();
      this.rings.kick(ring, this.keep(fd));
    },
    SET_VRING_CALL: ({ vring, fd }) => this.rings.call(this.rings.at(vring), this.keep(fd)),
    SET_VRING_ERR: ({ vring, fd }) => this.rings.err(this.rings.at(vring), this.keep(fd)),
    SET_VRING_ENABLE: ({ vring, enabled }) => this.rings.enable(this.rings.at(vring), enabled),

    GET_CONFIG: (range) => {
      const bytes = this.config.read(range);
      return { payload: bytes === null ? noBytes : configBytes(range, bytes) };
    },
    SET_CONFIG: (range) => {
      const hasReadModes = this.config.write(range);
      if (hasReadModes === null) return FAILED;
      if (hasReadModes) this.context.send("display", { type: "modes-read" });
    },
    GET_INFLIGHT_FD: (shape) => {
      const { fd, size } = this.inflight.make(shape);
      return { payload: inflightRecord(shape, size), fds: [fd] };
    },
    SET_INFLIGHT_FD: (request) => this.inflight.set(request, (fd) => this.keep(fd)),
    // quirks.qemuSetsDisplayAtEachStart
    GPU_SET_SOCKET: ({ fd }) => {
      if (!this.device.hasDisplaySocket) throw new ProtocolError(`${this.device.title} has no display`);
      this.display.take(this.keep(fd));
    },
    SET_DEVICE_STATE_FD: (wanted) => {
      if (wanted.direction === StateTransfer.load) this.events.used();
      const isBegun = this.ownState().begin(wanted, !this.rings.areRunning);
      if (isBegun) this.keep(wanted.fd);
      return { payload: stateTransfer(isBegun) };
    },
    CHECK_DEVICE_STATE: () => {
      const payload = this.ownState().check(this.reply);
      return payload === null ? LATER : { payload };
    },
    RESET_DEVICE: () => {
      this.rings.reset();
      this.returning.goOn();
      this.events.deviceReset();
    },
  };

  /** Gives a queue that was restarted what it needs from here. */
  restoreQueue(actor: QueueActor): void {
    this.returning.back(actor);
  }

  /** The state of each vring, for people. */
  describeRings(): Record<string, unknown>[] {
    return this.rings.describe();
  }

  /** Stops the rings and releases everything; the queues forget the driver. */
  close(): void {
    this.deviceState.close();
    this.hostMemory.close();
    this.queues.resetAll(this.device.queues);
    this.display.forget();
    this.memory.close();
    this.rings.close();
    this.inflight.close();
    this.display.close();
  }

  /** The guest has broken the ring that `actor` serves. */
  ringBroken(actor: QueueActor): void {
    this.rings.broken(actor);
  }

  /**
   * The outputs have other modes, which the driver reads when it hears of the event. A front-end with a display of its
   * own says the modes itself (quirks.qemuMistakesConfigChange). While no driver runs there is none to hear of it, and the
   * front-end need not know whom to tell (quirks.qemuDiesOfEarlyConfigChange).
   */
  displayChanged(): void {
    if (this.display.isThere) return;
    this.config.displayChanged();
    const isTold =
      this.rings.areRunning &&
      this.hostMemory.isConnected &&
      this.negotiation.speaks(ProtocolFeature.CONFIG) &&
      this.hostMemory.configChanged();
    if (isTold) return;
    this.context.log.limited(
      "info",
      () => "the front-end could not be told of other outputs: a guest reads them when its driver starts",
    );
  }

  /** A driver that cannot read the fields finds rubbish there, and says so in words of its own. */
  private tellOfNoConfig(): void {
    const bytes = this.offer.config.length;
    this.context.log.limited(
      "warning",
      () =>
        `the front-end does not read the ${bytes} bytes of configuration that the guest's driver needs (QEMU's generic device: config_size=${bytes})`,
    );
  }

  private ownState(): DeviceState {
    if (this.negotiation.speaks(ProtocolFeature.DEVICE_STATE)) return this.deviceState;
    throw new ProtocolError("DEVICE_STATE was not negotiated");
  }

  /** Takes a descriptor out of those that end with the request. */
  private keep(fd: number): number {
    if (fd >= 0) this.received.splice(this.received.indexOf(fd), 1);
    return fd;
  }
}
