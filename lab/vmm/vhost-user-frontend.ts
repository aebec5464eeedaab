// The VMM's side of the vhost-user socket: one method a request, and raw requests for messages that no VMM sends.
// QEMU's docs/interop/vhost-user.rst. Calls block, while the pump serves whatever else the device asks for.

import { closeFd } from "../../src/transport/os/fds.ts";
import { EPOLLIN, EPOLLRDHUP } from "../../src/transport/os/epoll.ts";
import { SystemError } from "../../src/transport/os/errors.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { connectUnix } from "../../src/transport/os/unix-path.ts";
import { CLOSED, SocketIo, socketPair, WOULD_BLOCK } from "../../src/transport/os/unix-socket.ts";
import {
  ConfigPayload,
  Flags,
  Header,
  Inflight,
  Log,
  MemoryRegion,
  MemoryTable,
  ProtocolFeature,
  RequestType,
  requestName,
  SingleRegion,
  VringAddress,
  VringFd,
  VringState,
} from "../../src/transport/wire/vhost-user/protocol.ts";
import type { GuestRegion } from "../driver/guest-memory.ts";
import type { Pump } from "../driver/pump.ts";

/** A message as it came. The receiver owns `fds`. */
export interface Message {
  request: number;
  flags: number;
  payload: DataView;
  fds: number[];
}

/** The back-end has ended the session. */
class SessionClosed extends Error {
  override name = "SessionClosed";
}

/** The back-end has answered an acknowledged request with a failure. */
class RequestRefused extends Error {
  override name = "RequestRefused";
}

export interface VringAddresses {
  desc: number;
  used: number;
  avail: number;
  /** Guest-physical address of the used ring, for the dirty log. */
  log?: number;
  logUsed?: boolean;
}

const payloadBytes = 8192;

export class VhostUserFrontend {
  /** Set by {@link setProtocolFeatures}. */
  protocolFeatures = 0n;
  /** Whether the back-end has hung up. */
  closed = false;
  /** Requests of the back-end, each answered with success where it asked for an answer. */
  readonly backendRequests: Message[] = [];

  private readonly channel: MessageChannel;
  private backendChannel: MessageChannel | null = null;

  constructor(
    fd: number,
    private readonly pump: Pump,
  ) {
    this.channel = new MessageChannel(fd, pump, () => (this.closed = true));
  }

  /** Connects to `path`, trying again while nobody listens there yet. Throws after the pump's patience. */
  static connect(path: string, pump: Pump): VhostUserFrontend {
    const deadline = performance.now() + pump.patienceMs;
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
    payload: Uint8Array = noBytes,
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
    payload: Uint8Array = noBytes,
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
  tell(request: number, payload: Uint8Array = noBytes, fds: readonly number[] = []): void {
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
    this.send(RequestType.SET_FEATURES, u64(features));
  }

  getProtocolFeatures(): bigint {
    return this.ask(RequestType.GET_PROTOCOL_FEATURES).payload.getBigUint64(0, true);
  }

  setProtocolFeatures(features: bigint): void {
    this.protocolFeatures = features;
    this.send(RequestType.SET_PROTOCOL_FEATURES, u64(features));
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
        this.backendRequests.push(message);
        if (message.flags & Flags.needReply) {
          channel.send(message.request, Flags.version | Flags.reply, u64(0n));
        }
      },
    );
    this.backendChannel = channel;
    this.tell(RequestType.SET_BACKEND_REQ_FD, noBytes, [theirs]);
    closeFd(theirs);
  }

  setMemTable(regions: readonly GuestRegion[]): void {
    const payload = new DataView(new ArrayBuffer(MemoryTable.regions + regions.length * MemoryRegion.bytes));
    payload.setUint32(MemoryTable.count, regions.length, true);
    regions.forEach((region, index) =>
      writeRegion(payload, MemoryTable.regions + index * MemoryRegion.bytes, region),
    );
    this.tell(
      RequestType.SET_MEM_TABLE,
      bytesOf(payload),
      regions.map((region) => region.fd),
    );
  }

  addMemReg(region: GuestRegion): void {
    this.tell(RequestType.ADD_MEM_REG, singleRegion(region), [region.fd]);
  }

  remMemReg(region: GuestRegion): void {
    this.tell(RequestType.REM_MEM_REG, singleRegion(region));
  }

  setVringNum(index: number, num: number): void {
    this.send(RequestType.SET_VRING_NUM, vringState(index, num));
  }

  setVringBase(index: number, base: number): void {
    this.send(RequestType.SET_VRING_BASE, vringState(index, base));
  }

  setVringAddr(index: number, addresses: VringAddresses): void {
    const payload = new DataView(new ArrayBuffer(VringAddress.bytes));
    payload.setUint32(VringAddress.index, index, true);
    payload.setUint32(VringAddress.flags, addresses.logUsed ? VringAddress.flagLog : 0, true);
    payload.setBigUint64(VringAddress.desc, BigInt(addresses.desc), true);
    payload.setBigUint64(VringAddress.used, BigInt(addresses.used), true);
    payload.setBigUint64(VringAddress.avail, BigInt(addresses.avail), true);
    payload.setBigUint64(VringAddress.log, BigInt(addresses.log ?? 0), true);
    this.send(RequestType.SET_VRING_ADDR, bytesOf(payload));
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
    this.tell(RequestType.SET_VRING_ENABLE, vringState(index, enable ? 1 : 0));
  }

  /** Stops a ring; returns the index of the first chain that the device has not taken. */
  getVringBase(index: number): number {
    return this.ask(RequestType.GET_VRING_BASE, vringState(index, 0)).payload.getUint32(VringState.num, true);
  }

  /** Hands the display socket's other end over. The caller still owns `fd`. */
  gpuSetSocket(fd: number): void {
    this.send(RequestType.GPU_SET_SOCKET, noBytes, [fd]);
  }

  getConfig(offset: number, size: number, flags = 0): Uint8Array {
    const payload = configRequest(offset, size, flags, new Uint8Array(size));
    const reply = bytesOf(this.ask(RequestType.GET_CONFIG, payload).payload);
    return reply.slice(ConfigPayload.data);
  }

  setConfig(offset: number, bytes: Uint8Array, flags = 0): void {
    this.tell(RequestType.SET_CONFIG, configRequest(offset, bytes.length, flags, bytes));
  }

  /** Shares a dirty-page bitmap. */
  setLogBase(fd: number, size: number, offset = 0): void {
    const payload = new DataView(new ArrayBuffer(Log.bytes));
    payload.setBigUint64(Log.size, BigInt(size), true);
    payload.setBigUint64(Log.offset, BigInt(offset), true);
    this.ask(RequestType.SET_LOG_BASE, bytesOf(payload), [fd]);
  }

  /** Asks for the region that records which chains are being worked on. The caller owns the fd. */
  getInflightFd(queueCount: number, queueSize: number): { fd: number; size: number; offset: number } {
    const { payload, fds } = this.ask(RequestType.GET_INFLIGHT_FD, inflight(0, 0, queueCount, queueSize));
    return {
      fd: fds[0] ?? -1,
      size: Number(payload.getBigUint64(Inflight.size, true)),
      offset: Number(payload.getBigUint64(Inflight.offset, true)),
    };
  }

  setInflightFd(fd: number, size: number, offset: number, queueCount: number, queueSize: number): void {
    this.tell(RequestType.SET_INFLIGHT_FD, inflight(size, offset, queueCount, queueSize), [fd]);
  }

  resetDevice(): void {
    this.tell(RequestType.RESET_DEVICE);
  }

  close(): void {
    this.channel.close();
    this.backendChannel?.close();
  }

  private vringFd(request: number, index: number, fd: number): void {
    const none = fd < 0;
    this.send(request, u64(BigInt(none ? index | VringFd.noFd : index)), none ? [] : [fd]);
  }
}

/** A stream of messages with the header of vhost-user, in both directions. */
class MessageChannel {
  readonly inbox: Message[] = [];
  private readonly io = new SocketIo();
  private readonly memory = NativeMemory.allocate(2 * (Header.bytes + payloadBytes));
  private readonly incoming = new Uint8Array(this.memory.view(0, Header.bytes + payloadBytes));
  private readonly outgoing = new Uint8Array(this.memory.view(Header.bytes + payloadBytes));
  private received = 0;
  private fds: number[] = [];
  private open = true;

  constructor(
    private readonly fd: number,
    private readonly pump: Pump,
    private readonly onClosed: () => void,
    private readonly onMessage: (message: Message) => void = (message) => this.inbox.push(message),
  ) {
    pump.epoll.add(fd, EPOLLIN | EPOLLRDHUP, () => this.read());
  }

  send(request: number, flags: number, payload: Uint8Array, fds: readonly number[] = []): void {
    const bytes = new Uint8Array(Header.bytes + payload.length);
    const header = new DataView(bytes.buffer);
    header.setUint32(Header.request, request, true);
    header.setUint32(Header.flags, flags, true);
    header.setUint32(Header.size, payload.length, true);
    bytes.set(payload, Header.bytes);
    this.sendBytes(bytes, fds);
  }

  sendBytes(bytes: Uint8Array, fds: readonly number[]): void {
    if (!this.open) throw new SessionClosed("the back-end has hung up");
    this.outgoing.set(bytes);
    let sent = 0;
    const address = this.memory.address + this.incoming.length;
    while (sent < bytes.length) {
      this.io.clear();
      this.io.gather(address + sent, bytes.length - sent);
      let taken: number;
      try {
        taken = this.io.send(this.fd, sent === 0 ? fds : []);
      } catch (error) {
        if (!(error instanceof SystemError) || (error.code !== "EPIPE" && error.code !== "ECONNRESET"))
          throw error;
        this.hangUp();
        throw new SessionClosed("the back-end has hung up");
      }
      if (taken === WOULD_BLOCK) this.pump.serve(1);
      else sent += taken;
    }
  }

  close(): void {
    this.hangUp();
    this.io.close();
    this.memory.unmap();
  }

  private hangUp(): void {
    if (!this.open) return;
    this.open = false;
    this.pump.epoll.remove(this.fd);
    closeFd(this.fd);
    this.onClosed();
  }

  private read(): void {
    while (this.open) {
      const wanted = this.wanted();
      let count: number;
      try {
        count = this.io.receive(this.fd, this.memory.address + this.received, wanted - this.received);
      } catch (error) {
        if (!(error instanceof SystemError) || error.code !== "ECONNRESET") throw error;
        count = CLOSED;
      }
      if (count === WOULD_BLOCK) return;
      if (count === CLOSED) return this.hangUp();
      this.fds.push(...this.io.receivedFds);
      this.received += count;
      if (this.received >= Header.bytes && this.received === this.wanted()) this.deliver();
    }
  }

  private wanted(): number {
    if (this.received < Header.bytes) return Header.bytes;
    const size = new DataView(this.incoming.buffer).getUint32(Header.size, true);
    if (size > payloadBytes) throw new Error(`the back-end sent a message of ${size} bytes`);
    return Header.bytes + size;
  }

  private deliver(): void {
    const copy = this.incoming.slice(0, this.received);
    const header = new DataView(copy.buffer, 0, Header.bytes);
    const message = {
      request: header.getUint32(Header.request, true),
      flags: header.getUint32(Header.flags, true),
      payload: new DataView(copy.buffer, Header.bytes),
      fds: this.fds,
    };
    this.received = 0;
    this.fds = [];
    this.onMessage(message);
  }
}

const noBytes = new Uint8Array(0);

const bytesOf = (view: DataView): Uint8Array =>
  new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength);

/** A u64 payload. */
function u64(value: bigint): Uint8Array {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, value, true);
  return bytesOf(view);
}

/** The payload of SET_VRING_NUM, _BASE, _ENABLE and GET_VRING_BASE. */
export function vringState(index: number, num: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(VringState.bytes));
  view.setUint32(VringState.index, index, true);
  view.setUint32(VringState.num, num, true);
  return bytesOf(view);
}

/** The payload of ADD_MEM_REG and REM_MEM_REG. */
function singleRegion(region: GuestRegion): Uint8Array {
  const view = new DataView(new ArrayBuffer(SingleRegion.bytes));
  writeRegion(view, SingleRegion.region, region);
  return bytesOf(view);
}

/** The payload of GET_CONFIG and SET_CONFIG; `size` need not be that of `bytes`. */
function configRequest(offset: number, size: number, flags: number, bytes: Uint8Array): Uint8Array {
  const payload = new Uint8Array(ConfigPayload.data + bytes.length);
  const view = new DataView(payload.buffer);
  view.setUint32(ConfigPayload.offset, offset, true);
  view.setUint32(ConfigPayload.size, size, true);
  view.setUint32(ConfigPayload.flags, flags, true);
  payload.set(bytes, ConfigPayload.data);
  return payload;
}

function inflight(size: number, offset: number, queueCount: number, queueSize: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(Inflight.bytesMax));
  view.setBigUint64(Inflight.size, BigInt(size), true);
  view.setBigUint64(Inflight.offset, BigInt(offset), true);
  view.setUint16(Inflight.queueCount, queueCount, true);
  view.setUint16(Inflight.queueSize, queueSize, true);
  return bytesOf(view);
}

function writeRegion(view: DataView, offset: number, region: GuestRegion): void {
  view.setBigUint64(offset + MemoryRegion.guestAddress, BigInt(region.guestAddress), true);
  view.setBigUint64(offset + MemoryRegion.size, BigInt(region.size), true);
  view.setBigUint64(offset + MemoryRegion.userAddress, BigInt(region.userAddress), true);
  view.setBigUint64(offset + MemoryRegion.fdOffset, 0n, true);
}
