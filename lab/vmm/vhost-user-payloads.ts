// Payloads of a VMM's vhost-user requests.

import {
  ConfigPayload,
  Inflight,
  Log,
  MemoryRegion,
  MemoryTable,
  SingleRegion,
  StateTransfer,
  VringAddress,
  VringState,
} from "../../src/transport/wire/vhost-user/protocol.ts";
import type { GuestRegion } from "../driver/guest-memory.ts";

/** Memory as the VMM says that it shares it. */
type MappedRange = Pick<GuestRegion, "guestAddress" | "size" | "userAddress">;

export interface VringAddresses {
  desc: number;
  used: number;
  avail: number;
  /** Guest-physical address of the used ring, for the dirty log. */
  log?: number;
  logUsed?: boolean;
}

export const noBytes = new Uint8Array(0);

export const bytesOf = (view: DataView): Uint8Array =>
  new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength);

/** A u64 payload. */
export function u64(value: bigint): Uint8Array {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, value, true);
  return bytesOf(view);
}

/** The payload of SET_MEM_TABLE. */
export function memoryTable(regions: readonly MappedRange[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(MemoryTable.regions + regions.length * MemoryRegion.bytes));
  view.setUint32(MemoryTable.count, regions.length, true);
  regions.forEach((region, index) =>
    writeRegion(view, MemoryTable.regions + index * MemoryRegion.bytes, region),
  );
  return bytesOf(view);
}

/** The payload of SET_VRING_ADDR. */
export function vringAddresses(index: number, addresses: VringAddresses): Uint8Array {
  const view = new DataView(new ArrayBuffer(VringAddress.bytes));
  view.setUint32(VringAddress.index, index, true);
  view.setUint32(VringAddress.flags, addresses.logUsed ? VringAddress.flagLog : 0, true);
  view.setBigUint64(VringAddress.desc, BigInt(addresses.desc), true);
  view.setBigUint64(VringAddress.used, BigInt(addresses.used), true);
  view.setBigUint64(VringAddress.avail, BigInt(addresses.avail), true);
  view.setBigUint64(VringAddress.log, BigInt(addresses.log ?? 0), true);
  return bytesOf(view);
}

/** The payload of SET_LOG_BASE. */
export function log(size: number, offset: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(Log.bytes));
  view.setBigUint64(Log.size, BigInt(size), true);
  view.setBigUint64(Log.offset, BigInt(offset), true);
  return bytesOf(view);
}

/** The payload of SET_VRING_NUM, _BASE, _ENABLE and GET_VRING_BASE. */
export function vringState(index: number, num: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(VringState.bytes));
  view.setUint32(VringState.index, index, true);
  view.setUint32(VringState.num, num, true);
  return bytesOf(view);
}

/** The payload of SET_DEVICE_STATE_FD. */
export function stateTransfer(direction: number, phase: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(StateTransfer.bytes));
  view.setUint32(StateTransfer.direction, direction, true);
  view.setUint32(StateTransfer.phase, phase, true);
  return bytesOf(view);
}

/** The payload of ADD_MEM_REG and REM_MEM_REG. */
export function singleRegion(region: MappedRange): Uint8Array {
  const view = new DataView(new ArrayBuffer(SingleRegion.bytes));
  writeRegion(view, SingleRegion.region, region);
  return bytesOf(view);
}

/** The payload of GET_CONFIG and SET_CONFIG; `size` need not be that of `bytes`. */
export function configRequest(offset: number, size: number, flags: number, bytes: Uint8Array): Uint8Array {
  const payload = new Uint8Array(ConfigPayload.data + bytes.length);
  const view = new DataView(payload.buffer);
  view.setUint32(ConfigPayload.offset, offset, true);
  view.setUint32(ConfigPayload.size, size, true);
  view.setUint32(ConfigPayload.flags, flags, true);
  payload.set(bytes, ConfigPayload.data);
  return payload;
}

export function inflight(size: number, offset: number, queueCount: number, queueSize: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(Inflight.bytesMax));
  view.setBigUint64(Inflight.size, BigInt(size), true);
  view.setBigUint64(Inflight.offset, BigInt(offset), true);
  view.setUint16(Inflight.queueCount, queueCount, true);
  view.setUint16(Inflight.queueSize, queueSize, true);
  return bytesOf(view);
}

function writeRegion(view: DataView, offset: number, region: MappedRange): void {
  view.setBigUint64(offset + MemoryRegion.guestAddress, BigInt(region.guestAddress), true);
  view.setBigUint64(offset + MemoryRegion.size, BigInt(region.size), true);
  view.setBigUint64(offset + MemoryRegion.userAddress, BigInt(region.userAddress), true);
  view.setBigUint64(offset + MemoryRegion.fdOffset, 0n, true);
}
