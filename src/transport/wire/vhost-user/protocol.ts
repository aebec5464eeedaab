// vhost-user on the wire: request numbers, feature bits and payload layouts.
// QEMU's docs/interop/vhost-user.rst; fields are little-endian on our hosts, offsets are from the end of the header.

/** Front-end → back-end requests. */
export const RequestType = {
  GET_FEATURES: 1,
  SET_FEATURES: 2,
  SET_OWNER: 3,
  RESET_OWNER: 4,
  SET_MEM_TABLE: 5,
  SET_LOG_BASE: 6,
  SET_LOG_FD: 7,
  SET_VRING_NUM: 8,
  SET_VRING_ADDR: 9,
  SET_VRING_BASE: 10,
  GET_VRING_BASE: 11,
  SET_VRING_KICK: 12,
  SET_VRING_CALL: 13,
  SET_VRING_ERR: 14,
  GET_PROTOCOL_FEATURES: 15,
  SET_PROTOCOL_FEATURES: 16,
  GET_QUEUE_NUM: 17,
  SET_VRING_ENABLE: 18,
  SEND_RARP: 19,
  NET_SET_MTU: 20,
  SET_BACKEND_REQ_FD: 21,
  IOTLB_MSG: 22,
  SET_VRING_ENDIAN: 23,
  GET_CONFIG: 24,
  SET_CONFIG: 25,
  GET_INFLIGHT_FD: 31,
  SET_INFLIGHT_FD: 32,
  GPU_SET_SOCKET: 33,
  RESET_DEVICE: 34,
  VRING_KICK: 35,
  GET_MAX_MEM_SLOTS: 36,
  ADD_MEM_REG: 37,
  REM_MEM_REG: 38,
  SET_STATUS: 39,
  GET_STATUS: 40,
  SET_DEVICE_STATE_FD: 42,
  CHECK_DEVICE_STATE: 43,
  GET_SHMEM_CONFIG: 44,
} as const;

/** Back-end → front-end requests. */
export const BackendRequest = { CONFIG_CHANGE: 2, SHMEM_MAP: 9, SHMEM_UNMAP: 10 } as const;

/** The name of a front-end request, for messages to people. */
export function requestName(request: number): string {
  return Object.entries(RequestType).find(([, value]) => value === request)?.[0] ?? `request ${request}`;
}

/** SHMEM is not among them: its bit is another for each front-end (front-ends.ts). */
export const ProtocolFeature = {
  MQ: 0,
  LOG_SHMFD: 1,
  REPLY_ACK: 3,
  BACKEND_REQ: 5,
  CONFIG: 9,
  BACKEND_SEND_FD: 10,
  INFLIGHT_SHMFD: 12,
  RESET_DEVICE: 13,
  CONFIGURE_MEM_SLOTS: 15,
  DEVICE_STATE: 19,
} as const;

/** Virtio and vhost feature bits that any device type negotiates. */
export const TransportFeature = {
  LOG_ALL: 26,
  INDIRECT_DESC: 28,
  EVENT_IDX: 29,
  PROTOCOL_FEATURES: 30,
  VERSION_1: 32,
} as const;

export const Header = { request: 0, flags: 4, size: 8, bytes: 12 } as const;
/** Bits 0 and 1 of the flags are the version; bit 2 marks a reply, bit 3 asks for one. */
export const Flags = { version: 1, versionMask: 3, reply: 4, needReply: 8 } as const;

/** The longest payload that any request has; a header that says more is refused before it is read. */
export const payloadBytesMax = 4096;
/** VHOST_USER_MAX_RAM_SLOTS of a SET_MEM_TABLE. */
export const tableRegionsMax = 32;
/** Regions that ADD_MEM_REG may add up to, as GET_MAX_MEM_SLOTS answers. */
export const memorySlotsMax = 509;

/** struct VhostUserMemoryRegion; all u64. */
export const MemoryRegion = { guestAddress: 0, size: 8, userAddress: 16, fdOffset: 24, bytes: 32 } as const;
/** SET_MEM_TABLE: u32 count, u32 padding, regions. */
export const MemoryTable = { count: 0, regions: 8 } as const;
/** ADD_MEM_REG and REM_MEM_REG: u64 padding, one region. */
export const SingleRegion = { region: 8, bytes: 40 } as const;
/** SET_VRING_NUM, _BASE, _ENABLE and GET_VRING_BASE. */
export const VringState = { index: 0, num: 4, bytes: 8 } as const;
/** SET_VRING_ADDR; `flags` bit 0 asks for logging of the used ring at `log`. */
export const VringAddress = {
  index: 0,
  flags: 4,
  desc: 8,
  used: 16,
  avail: 24,
  log: 32,
  bytes: 40,
  flagLog: 1,
} as const;
/** SET_VRING_KICK, _CALL and _ERR: u64 with the index in the low byte; `noFd` says that none is attached. */
export const VringFd = { indexMask: 0xff, noFd: 0x100, bytes: 8 } as const;
/** SET_LOG_BASE. */
export const Log = { size: 0, offset: 8, bytes: 16 } as const;
/** GET_INFLIGHT_FD and SET_INFLIGHT_FD. */
export const Inflight = {
  size: 0,
  offset: 8,
  queueCount: 16,
  queueSize: 18,
  bytes: 20,
  bytesMax: 24,
} as const;
/** SET_DEVICE_STATE_FD: which way, and at which time, of which only one is known: while the device is stopped. */
export const StateTransfer = { direction: 0, phase: 4, bytes: 8, save: 0, load: 1, stopped: 0 } as const;
/** Its answer: a u64 that is an error where its low byte is not 0; `noFd` says that the front-end's channel is used. */
export const StateReply = { error: 1, noFd: 0x100 } as const;
/** GET_CONFIG and SET_CONFIG: a header, then `size` bytes of configuration space. */
export const ConfigPayload = { offset: 0, size: 4, flags: 8, data: 12 } as const;
/** GET_SHMEM_CONFIG: how many shared memory regions there are, and the bytes of each by its id, 0 where there is none. */
export const ShmemConfig = { regions: 0, sizes: 8, idsMax: 256, bytes: 2056 } as const;
/** SHMEM_MAP and SHMEM_UNMAP: u8 id, then u64s; MAP brings the descriptor. */
export const ShmemRange = {
  id: 0,
  fdOffset: 8,
  offset: 16,
  length: 24,
  flags: 32,
  bytes: 40,
  flagWrite: 1,
} as const;
