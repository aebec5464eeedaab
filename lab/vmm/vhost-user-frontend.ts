// The VMM's side of the vhost-user socket: one method a request, and raw requests for messages that no VMM sends.
// QEMU's docs/interop/vhost-user.rst. Calls block, while the pump serves whatever else the device asks for.

import { closeFd } from "../../src/transport/os/fds.ts";
import { SystemError } from "../../src/transport/os/errors.ts";
import { connectUnix } from "../../src/transport/os/unix-path.ts";
import { socketPair } from "../../src/transport/os/unix-socket.ts";
import {
  BackendRequest,
  ConfigPayload,
  Flags,
  Inflight,
  ProtocolFeature,
  requestName,
  RequestType,
  ShmemConfig,
  VringFd,
  VringState,
} from "../../src/transport/wire/vhost-user/protocol.ts";
import type { GuestRegion } from "../driver/guest-memory.ts";
import type { Pump } from "../driver/pump.ts";
import { HostWindow } from "./host-window.ts";
import { type Message, MessageChannel, SessionClosed } from "./message-channel.ts";
import * as payloads from "./vhost-user-payloads.ts";

/** The back-end has answered an acknowledged request with a failure. */
class RequestRefused extends Error {
  override name = "RequestRefused";
}

export class VhostUserFrontend {
  /** Set by {@link setProtocolFeatures}. */
  protocolFeatures = 0n;
  /** Whether the back-end has hung up. */
  closed = false;
  /** Requests of the back-end but those to map memory, each answered with success where it asked for an answer. */
  readonly backendRequests: Message[] = [];
  /** Host-visible memory, once it was asked for and where there is some. */
  window: HostWindow | null = null;

  private readonly channel: MessageChannel;
  private backendChannel: MessageChannel | null = null;

  constructor(
    fd: number,
    readonly pump: Pump,
  ) {
    this.channel = new MessageChannel(fd, pump, () => (this.closed = true));
  }

  /** Connects to `path`, trying again while nobody listens there yet: for `timeoutMs`. */
  static connect(path: string, pump: Pump, timeoutMs = pump.patienceMs): VhostUserFrontend {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      try {
        return new VhostUserFrontend(connectUnix(path, "stream"), pump);
      } catch (error) {
        const retry =
          error instanceof SystemError && ["ENOENT", "ECONNREFUSED", "EAGAIN"].includes(error.code);
        if (!retry || performance.now() > deadline) throw error;
        Bun.sleepSync(2);
      }
    }
  }

  /** Sends a message and waits for nothing. Throws {@link SessionClosed} when the back-end has hung up. */
  send(
    request: number,
    payload: Uint8Array = payloads.noBytes,
    fds: readonly number[] = [],
    flags: number = Flags.version,
  ): void {
    this.channel.send(request, flags, payload, fds);
  }

  /** Sends `bytes` as they are: for headers that lie. */
  sendBytes(bytes: Uint8Array, fds: readonly number[] = []): void {
    this.channel.sendBytes(bytes, fds);
  }

  /** Waits for the next message from the back-end. */
  receive(what = "a reply"): Message {
    const { inbox } = this.channel;
    this.pump.until(() => inbox.length > 0 || this.closed, what);
    const message = inbox.shift();
    if (message === undefined) throw new SessionClosed(`the back-end hung up before ${what}`);
    return message;
  }

  /** Sends a request that has a reply, and answers that. */
  ask(
    request: number,
    payload: Uint8Array = payloads.noBytes,
    fds: readonly number[] = [],
    flags: number = Flags.version,
  ): Message {
    this.send(request, payload, fds, flags);
    const reply = this.receive(`the reply to ${requestName(request)}`);
    if (reply.request !== request || reply.flags !== (Flags.version | Flags.reply)) {
      throw new Error(
        `${requestName(request)} was answered by ${requestName(reply.request)}, flags ${reply.flags}`,
      );
    }
    return reply;
  }

  /** Sends a request and, where REPLY_ACK was negotiated, waits until the back-end has done it. */
  tell(request: number, payload: Uint8Array = payloads.noBytes, fds: readonly number[] = []): void {
    if (!this.has(ProtocolFeature.REPLY_ACK)) return this.send(request, payload, fds);
    const status = this.ask(request, payload, fds, Flags.version | Flags.needReply).payload.getBigUint64(
      0,
      true,
    );
    if (status !== 0n) throw new RequestRefused(`${requestName(request)} failed with ${status}`);
  }

  has(protocolFeature: number): boolean {
    return (this.protocolFeatures & (1n << BigInt(protocolFeature))) !== 0n;
  }

  /** Waits until the back-end hangs up. */
  untilClosed(): void {
    this.pump.until(() => this.closed, "the back-end hanging up");
  }

  getFeatures(): bigint {
    return this.ask(RequestType.GET_FEATURES).payload.getBigUint64(0, true);
  }

  setFeatures(features: bigint): void {
    this.send(RequestType.SET_FEATURES, payloads.u64(features));
  }

  getProtocolFeatures(): bigint {
    return this.ask(RequestType.GET_PROTOCOL_FEATURES).payload.getBigUint64(0, true);
  }

  setProtocolFeatures(features: bigint): void {
    this.protocolFeatures = features;
    this.send(RequestType.SET_PROTOCOL_FEATURES, payloads.u64(features));
  }

  setOwner(): void {
    this.send(RequestType.SET_OWNER);
  }

  getQueueNum(): number {
    return Number(this.ask(RequestType.GET_QUEUE_NUM).payload.getBigUint64(0, true));
  }

  getMaxMemSlots(): number {
    return Number(this.ask(RequestType.GET_MAX_MEM_SLOTS).payload.getBigUint64(0, true));
  }

  /** Opens the channel on which the back-end asks the front-end. */
  setBackendRequestFd(): void {
    const [ours, theirs] = socketPair("stream");
    const channel = new MessageChannel(
      ours,
      this.pump,
      () => undefined,
      (message) => {
        const { request } = message;
        if (request === BackendRequest.SHMEM_MAP || request === BackendRequest.SHMEM_UNMAP) {
          if (this.window === null) throw new Error("the back-end asks to map memory into no window");
          return this.window.handle(message, {
            send: (answer) => channel.send(answer.request, answer.flags, answer.payload, answer.fds),
            hangUp: () => channel.hangUp(),
          });
        }
        this.backendRequests.push(message);
        if (message.flags & Flags.needReply) {
          channel.send(message.request, Flags.version | Flags.reply, payloads.u64(0n));
        }
      },
    );
    this.backendChannel?.close();
    this.backendChannel = channel;
    try {
      this.tell(RequestType.SET_BACKEND_REQ_FD, payloads.noBytes, [theirs]);
    } finally {
      closeFd(theirs);
    }
  }

  /** Asks for the sizes of the shared memory regions by their ids, and makes the window for the first. */
  getShmemConfig(id = 1): { regions: number; sizes: number[]; bytes: number } {
    const { payload } = this.ask(RequestType.GET_SHMEM_CONFIG);
    const sizes = Array.from({ length: ShmemConfig.idsMax }, (_, index) =>
      Number(payload.getBigUint64(ShmemConfig.sizes + index * 8, true)),
    );
    if (sizes[id]! > 0) this.window = new HostWindow(sizes[id]!, id);
    return { regions: payload.getUint32(ShmemConfig.regions, true), sizes, bytes: payload.byteLength };
  }

  setMemTable(regions: readonly GuestRegion[]): void {
    const fds = regions.map((region) => region.fd);
    this.tell(RequestType.SET_MEM_TABLE, payloads.memoryTable(regions), fds);
  }

  addMemReg(region: GuestRegion): void {
    this.tell(RequestType.ADD_MEM_REG, payloads.singleRegion(region), [region.fd]);
  }

  remMemReg(region: GuestRegion): void {
    this.tell(RequestType.REM_MEM_REG, payloads.singleRegion(region));
  }

  setVringNum(index: number, num: number): void {
    this.send(RequestType.SET_VRING_NUM, payloads.vringState(index, num));
  }

  setVringBase(index: number, base: number): void {
    this.send(RequestType.SET_VRING_BASE, payloads.vringState(index, base));
  }

  setVringAddr(index: number, addresses: payloads.VringAddresses): void {
    this.send(RequestType.SET_VRING_ADDR, payloads.vringAddresses(index, addresses));
  }

  setVringKick(index: number, fd: number): void {
    this.vringFd(RequestType.SET_VRING_KICK, index, fd);
  }

  /** `fd` -1: none, the driver polls. */
  setVringCall(index: number, fd: number): void {
    this.vringFd(RequestType.SET_VRING_CALL, index, fd);
  }

  setVringErr(index: number, fd: number): void {
    this.vringFd(RequestType.SET_VRING_ERR, index, fd);
  }

  setVringEnable(index: number, enable: boolean): void {
    this.tell(RequestType.SET_VRING_ENABLE, payloads.vringState(index, enable ? 1 : 0));
  }

  /** Stops a ring; returns the index of the first chain that the device has not taken. */
  getVringBase(index: number): number {
    return this.ask(RequestType.GET_VRING_BASE, payloads.vringState(index, 0)).payload.getUint32(
      VringState.num,
      true,
    );
  }

  /** Hands the display socket's other end over. The caller still owns `fd`. */
  gpuSetSocket(fd: number): void {
    this.send(RequestType.GPU_SET_SOCKET, payloads.noBytes, [fd]);
  }

  getConfig(offset: number, size: number, flags = 0): Uint8Array {
    const payload = payloads.configRequest(offset, size, flags, new Uint8Array(size));
    const reply = payloads.bytesOf(this.ask(RequestType.GET_CONFIG, payload).payload);
    return reply.slice(ConfigPayload.data);
  }

  setConfig(offset: number, bytes: Uint8Array, flags = 0): void {
    this.tell(RequestType.SET_CONFIG, payloads.configRequest(offset, bytes.length, flags, bytes));
  }

  /** Shares a dirty-page bitmap. */
  setLogBase(fd: number, size: number, offset = 0): void {
    this.ask(RequestType.SET_LOG_BASE, payloads.log(size, offset), [fd]);
  }

  /** Asks for the region that records which chains are being worked on. The caller owns the fd. */
  getInflightFd(queueCount: number, queueSize: number): { fd: number; size: number; offset: number } {
    const { payload, fds } = this.ask(
      RequestType.GET_INFLIGHT_FD,
      payloads.inflight(0, 0, queueCount, queueSize),
    );
    return {
      fd: fds[0] ?? -1,
      size: Number(payload.getBigUint64(Inflight.size, true)),
      offset: Number(payload.getBigUint64(Inflight.offset, true)),
    };
  }

  setInflightFd(fd: number, size: number, offset: number, queueCount: number, queueSize: number): void {
    this.tell(RequestType.SET_INFLIGHT_FD, payloads.inflight(size, offset, queueCount, queueSize), [fd]);
  }

  resetDevice(): void {
    this.tell(RequestType.RESET_DEVICE);
  }

  close(): void {
    this.channel.close();
    this.backendChannel?.close();
    this.window?.free();
  }

  private vringFd(request: number, index: number, fd: number): void {
    const none = fd < 0;
    this.send(request, payloads.u64(BigInt(none ? index | VringFd.noFd : index)), none ? [] : [fd]);
  }
}
