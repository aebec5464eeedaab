// vhost-user requests, decoded: what a front-end asks, checked as far as the message alone tells.
// vhost-user.rst "Front-end message types". What the device makes of it is the session's.

import type { Message } from "./channel.ts";
import {
  ConfigPayload,
  Inflight,
  Log,
  MemoryRegion,
  MemoryTable,
  RequestType,
  requestName,
  SingleRegion,
  StateTransfer,
  tableRegionsMax,
  VringAddress,
  VringFd,
  VringState,
} from "./protocol.ts";
import { eventfdOf, fdOf, readSize, sized, sizeError, streamOf } from "./payload.ts";
import { ProtocolError } from "./protocol-error.ts";

/** What a VMM whose memory is its own has left out, for its operator. */
export const notShared = "is share=on missing from the VMM's memory backend?";

/** Bytes; `userAddress` is where the front-end has it mapped, in which it names rings. */
export interface Region {
  guestAddress: number;
  size: number;
  userAddress: number;
  fdOffset: number;
}

/** In the front-end's addresses, but for `log`, which is guest-physical. */
export interface VringAddresses {
  /** Whether writes to the used ring are logged. */
  logsUsed: boolean;
  desc: number;
  avail: number;
  used: number;
  log: number;
}

/** Bytes of the configuration space. */
export interface ConfigRange {
  offset: number;
  size: number;
  flags: number;
  /** What the message brings, or has room for: `size` bytes, or it makes no sense. Valid until the next message. */
  data: Uint8Array;
}

/** A record of chains under way; `bytes` is the payload's length, which differs between front-ends. */
export interface InflightShape {
  queueCount: number;
  queueSize: number;
  bytes: number;
}

/** A request that says nothing but its name. */
interface BareRequest {
  type:
    | "GET_FEATURES"
    | "GET_PROTOCOL_FEATURES"
    | "GET_QUEUE_NUM"
    | "GET_MAX_MEM_SLOTS"
    | "SET_OWNER"
    | "RESET_OWNER"
    | "RESET_DEVICE"
    | "GET_SHMEM_CONFIG"
    | "CHECK_DEVICE_STATE";
}

/**
 * A request. Its descriptors are in the message's `fds` too, which closes those that nobody keeps; -1 for one that the
 * front-end says it has not.
 */
export type VhostRequest =
  | BareRequest
  | { type: "SET_FEATURES" | "SET_PROTOCOL_FEATURES"; features: bigint }
  | { type: "SET_BACKEND_REQ_FD" | "GPU_SET_SOCKET" | "SET_LOG_FD"; fd: number }
  | { type: "SET_MEM_TABLE"; regions: (Region & { fd: number })[] }
  | { type: "ADD_MEM_REG"; region: Region; fd: number }
  | { type: "REM_MEM_REG"; region: Region }
  | { type: "SET_LOG_BASE"; size: number; offset: number; fd: number }
  | { type: "SET_VRING_NUM" | "SET_VRING_BASE"; vring: number; num: number }
  | { type: "SET_VRING_ADDR"; vring: number; addresses: VringAddresses }
  | { type: "GET_VRING_BASE"; vring: number }
  | { type: "SET_VRING_ENABLE"; vring: number; enabled: boolean }
  | { type: "SET_VRING_KICK" | "SET_VRING_CALL" | "SET_VRING_ERR"; vring: number; fd: number }
  | ({ type: "GET_CONFIG" | "SET_CONFIG" } & ConfigRange)
  | { type: "SET_DEVICE_STATE_FD"; direction: number; phase: number; fd: number }
  | ({ type: "GET_INFLIGHT_FD" } & InflightShape)
  | ({ type: "SET_INFLIGHT_FD"; size: number; offset: number; fd: number } & InflightShape);

type Decoder = (message: Message) => VhostRequest;

const bare =
  (type: BareRequest["type"]): Decoder =>
  () => ({ type });

const features =
  (type: "SET_FEATURES" | "SET_PROTOCOL_FEATURES"): Decoder =>
  (message) => ({ type, features: sized(message, 8).getBigUint64(0, true) });

const vringNumber =
  (type: "SET_VRING_NUM" | "SET_VRING_BASE"): Decoder =>
  (message) => ({ type, ...vringState(message) });

const vringFd =
  (type: "SET_VRING_KICK" | "SET_VRING_CALL" | "SET_VRING_ERR"): Decoder =>
  (message) => {
    const value = Number(sized(message, VringFd.bytes).getBigUint64(0, true) & 0xffffn);
    const fd = (value & VringFd.noFd) === 0 ? eventfdOf(message) : -1;
    return { type, vring: value & VringFd.indexMask, fd };
  };

const config =
  (type: "GET_CONFIG" | "SET_CONFIG"): Decoder =>
  (message) => {
    const { payload } = message;
    if (payload.byteLength < ConfigPayload.data) throw sizeError(message);
    return {
      type,
      offset: payload.getUint32(ConfigPayload.offset, true),
      size: payload.getUint32(ConfigPayload.size, true),
      flags: payload.getUint32(ConfigPayload.flags, true),
      data: new Uint8Array(
        payload.buffer as ArrayBuffer,
        payload.byteOffset + ConfigPayload.data,
        payload.byteLength - ConfigPayload.data,
      ),
    };
  };

const decoders: Readonly<Record<number, Decoder>> = {
  [RequestType.GET_FEATURES]: bare("GET_FEATURES"),
  [RequestType.SET_FEATURES]: features("SET_FEATURES"),
  [RequestType.SET_OWNER]: bare("SET_OWNER"),
  [RequestType.RESET_OWNER]: bare("RESET_OWNER"),
  [RequestType.SET_MEM_TABLE]: memoryTable,
  [RequestType.SET_LOG_BASE]: logBase,
  [RequestType.SET_LOG_FD]: (message) => ({ type: "SET_LOG_FD", fd: fdOf(message) }),
  [RequestType.SET_VRING_NUM]: vringNumber("SET_VRING_NUM"),
  [RequestType.SET_VRING_ADDR]: vringAddresses,
  [RequestType.SET_VRING_BASE]: vringNumber("SET_VRING_BASE"),
  [RequestType.GET_VRING_BASE]: (message) => ({ type: "GET_VRING_BASE", vring: vringState(message).vring }),
  [RequestType.SET_VRING_KICK]: vringFd("SET_VRING_KICK"),
  [RequestType.SET_VRING_CALL]: vringFd("SET_VRING_CALL"),
  [RequestType.SET_VRING_ERR]: vringFd("SET_VRING_ERR"),
  [RequestType.GET_PROTOCOL_FEATURES]: bare("GET_PROTOCOL_FEATURES"),
  [RequestType.SET_PROTOCOL_FEATURES]: features("SET_PROTOCOL_FEATURES"),
  [RequestType.GET_QUEUE_NUM]: bare("GET_QUEUE_NUM"),
  [RequestType.SET_VRING_ENABLE]: (message) => {
    const { vring, num } = vringState(message);
    return { type: "SET_VRING_ENABLE", vring, enabled: num !== 0 };
  },
  [RequestType.SET_BACKEND_REQ_FD]: (message) => ({ type: "SET_BACKEND_REQ_FD", fd: streamOf(message) }),
  [RequestType.GET_CONFIG]: config("GET_CONFIG"),
  [RequestType.SET_CONFIG]: config("SET_CONFIG"),
  [RequestType.GET_INFLIGHT_FD]: (message) => ({ type: "GET_INFLIGHT_FD", ...inflightShape(message) }),
  [RequestType.SET_INFLIGHT_FD]: inflightRecord,
  [RequestType.GPU_SET_SOCKET]: (message) => ({ type: "GPU_SET_SOCKET", fd: streamOf(message) }),
  [RequestType.RESET_DEVICE]: bare("RESET_DEVICE"),
  [RequestType.GET_MAX_MEM_SLOTS]: bare("GET_MAX_MEM_SLOTS"),
  [RequestType.GET_SHMEM_CONFIG]: bare("GET_SHMEM_CONFIG"),
  [RequestType.SET_DEVICE_STATE_FD]: stateTransfer,
  [RequestType.CHECK_DEVICE_STATE]: bare("CHECK_DEVICE_STATE"),
  [RequestType.ADD_MEM_REG]: (message) => {
    const region = singleRegion(message);
    if (message.fds.length === 0) throw new ProtocolError(`ADD_MEM_REG brought no descriptor: ${notShared}`);
    return { type: "ADD_MEM_REG", region, fd: fdOf(message) };
  },
  // Some front-ends send the region's descriptor along.
  [RequestType.REM_MEM_REG]: (message) => ({ type: "REM_MEM_REG", region: singleRegion(message) }),
};

/** Throws a {@link ProtocolError} for a request that is not known, or whose payload or descriptors are not its own. */
export function decodeRequest(message: Message): VhostRequest {
  const decode = decoders[message.request];
  if (decode === undefined)
    throw new ProtocolError(`${requestName(message.request)} was not negotiated or is not known`);
  return decode(message);
}

function memoryTable(message: Message): VhostRequest {
  const { payload, fds } = message;
  if (payload.byteLength < MemoryTable.regions) throw sizeError(message);
  const count = payload.getUint32(MemoryTable.count, true);
  if (count > tableRegionsMax || payload.byteLength < MemoryTable.regions + count * MemoryRegion.bytes) {
    throw sizeError(message);
  }
  if (fds.length !== count) {
    const hint = fds.length < count ? `: ${notShared}` : "";
    throw new ProtocolError(
      `SET_MEM_TABLE names ${count} regions but brought ${fds.length} descriptors${hint}`,
    );
  }
  const regions = fds.map((fd, index) => ({
    ...readRegion(payload, MemoryTable.regions + index * MemoryRegion.bytes),
    fd,
  }));
  return { type: "SET_MEM_TABLE", regions };
}

function logBase(message: Message): VhostRequest {
  const payload = sized(message, Log.bytes);
  const size = readSize(payload, Log.size, "log size");
  const offset = readSize(payload, Log.offset, "log offset");
  return { type: "SET_LOG_BASE", size, offset, fd: fdOf(message) };
}

function vringAddresses(message: Message): VhostRequest {
  const payload = sized(message, VringAddress.bytes);
  return {
    type: "SET_VRING_ADDR",
    vring: payload.getUint32(VringAddress.index, true),
    addresses: {
      logsUsed: (payload.getUint32(VringAddress.flags, true) & VringAddress.flagLog) !== 0,
      desc: readSize(payload, VringAddress.desc, "descriptor table"),
      avail: readSize(payload, VringAddress.avail, "avail ring"),
      used: readSize(payload, VringAddress.used, "used ring"),
      log: readSize(payload, VringAddress.log, "used ring log"),
    },
  };
}

function inflightRecord(message: Message): VhostRequest {
  const shape = inflightShape(message);
  const size = readSize(message.payload, Inflight.size, "inflight size");
  const offset = readSize(message.payload, Inflight.offset, "inflight offset");
  return { type: "SET_INFLIGHT_FD", ...shape, size, offset, fd: fdOf(message) };
}

function stateTransfer(message: Message): VhostRequest {
  const payload = sized(message, StateTransfer.bytes);
  const direction = payload.getUint32(StateTransfer.direction, true);
  const phase = payload.getUint32(StateTransfer.phase, true);
  return { type: "SET_DEVICE_STATE_FD", direction, phase, fd: fdOf(message) };
}

function inflightShape(message: Message): InflightShape {
  const { payload } = message;
  const bytes = payload.byteLength;
  if (bytes < Inflight.bytes || bytes > Inflight.bytesMax) throw sizeError(message);
  const queueCount = payload.getUint16(Inflight.queueCount, true);
  const queueSize = payload.getUint16(Inflight.queueSize, true);
  return { queueCount, queueSize, bytes };
}

function singleRegion(message: Message): Region {
  return readRegion(sized(message, SingleRegion.bytes), SingleRegion.region);
}

function readRegion(payload: DataView, at: number): Region {
  return {
    guestAddress: readSize(payload, at + MemoryRegion.guestAddress, "guest address"),
    size: readSize(payload, at + MemoryRegion.size, "region size"),
    userAddress: readSize(payload, at + MemoryRegion.userAddress, "front-end address"),
    fdOffset: readSize(payload, at + MemoryRegion.fdOffset, "region offset"),
  };
}

function vringState(message: Message): { vring: number; num: number } {
  const payload = sized(message, VringState.bytes);
  return {
    vring: payload.getUint32(VringState.index, true),
    num: payload.getUint32(VringState.num, true),
  };
}
