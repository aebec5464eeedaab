// Payloads of the back-end's replies, and which requests have one.

import { ConfigPayload, Inflight, RequestType, ShmemConfig, StateReply, VringState } from "./protocol.ts";
import type { ConfigRange, InflightShape } from "./requests.ts";

const replied: ReadonlySet<number> = new Set([
  RequestType.GET_FEATURES,
  RequestType.GET_PROTOCOL_FEATURES,
  RequestType.GET_QUEUE_NUM,
  RequestType.GET_MAX_MEM_SLOTS,
  RequestType.GET_CONFIG,
  RequestType.GET_INFLIGHT_FD,
  RequestType.GET_VRING_BASE,
  RequestType.SET_LOG_BASE,
  RequestType.GET_SHMEM_CONFIG,
  RequestType.SET_DEVICE_STATE_FD,
  RequestType.CHECK_DEVICE_STATE,
]);

/** Whether a request has a reply of its own, and so no status beside it, whatever REPLY_ACK says. */
export const hasReply = (request: number): boolean => replied.has(request);

/** One u64: features, counts, and the status of a request, zero for success. */
export function u64(value: bigint | number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
}

/** Of GET_VRING_BASE. */
export function vringBase(vring: number, base: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(VringState.bytes));
  view.setUint32(VringState.index, vring, true);
  view.setUint32(VringState.num, base, true);
  return new Uint8Array(view.buffer);
}

/** Of GET_CONFIG: the header that asked, and the bytes that it asked for. */
export function configBytes({ offset, flags }: ConfigRange, bytes: Uint8Array): Uint8Array {
  const reply = new Uint8Array(ConfigPayload.data + bytes.length);
  const view = new DataView(reply.buffer);
  view.setUint32(ConfigPayload.offset, offset, true);
  view.setUint32(ConfigPayload.size, bytes.length, true);
  view.setUint32(ConfigPayload.flags, flags, true);
  reply.set(bytes, ConfigPayload.data);
  return reply;
}

/** Of GET_CONFIG, where there are no such bytes. */
export const noBytes = new Uint8Array(0);

/** Of GET_INFLIGHT_FD: as long as the payload that asked; `size` is the record's, which begins where its file does. */
export function inflightRecord({ queueCount, queueSize, bytes }: InflightShape, size: number): Uint8Array {
  const reply = new Uint8Array(bytes);
  const view = new DataView(reply.buffer);
  view.setBigUint64(Inflight.size, BigInt(size), true);
  view.setUint16(Inflight.queueCount, queueCount, true);
  view.setUint16(Inflight.queueSize, queueSize, true);
  return reply;
}

/** Of SET_DEVICE_STATE_FD: no channel of ours takes the place of the front-end's. */
export const stateTransfer = (isBegun: boolean): Uint8Array =>
  u64(StateReply.noFd | (isBegun ? 0 : StateReply.error));

/** Of CHECK_DEVICE_STATE. */
export const stateCheck = (isWhole: boolean): Uint8Array => u64(isWhole ? 0 : StateReply.error);

/** Of GET_SHMEM_CONFIG: one region of so many bytes, or with 0 none. */
export function sharedMemoryConfig(id: number, size: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(ShmemConfig.bytes));
  view.setUint32(ShmemConfig.regions, size > 0 ? 1 : 0, true);
  view.setBigUint64(ShmemConfig.sizes + id * 8, BigInt(size), true);
  return new Uint8Array(view.buffer);
}
