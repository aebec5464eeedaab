// Features, as they are offered and as the front-end takes them: virtio's, vhost's and those of the protocol.

import { ProtocolFeature, TransportFeature } from "../../transport/wire/vhost-user/protocol.ts";
import { refuseHarmful } from "./unoffered.ts";

const { BACKEND_SEND_FD, DEVICE_STATE } = ProtocolFeature;

/** What any device of ours offers of the protocol; sending descriptors to the front-end is for shared memory alone. */
const protocolFeatures = Object.values(ProtocolFeature).filter(
  (bit) => bit !== BACKEND_SEND_FD && bit !== DEVICE_STATE,
);

const bits = (...positions: number[]): bigint =>
  positions.reduce((sum, bit) => sum | (1n << BigInt(bit)), 0n);
const has = (features: bigint, bit: number): boolean => (features & (1n << BigInt(bit))) !== 0n;

/** Feature bits 0 to 23 are the device's own (virtio 1.3 §2.2). */
const deviceBits = 0xff_ffffn;

/** What any device of ours offers. */
const transportFeatures = bits(...Object.values(TransportFeature));

export class Negotiation {
  readonly offered: bigint;
  readonly offeredProtocol: bigint;
  private taken = 0n;
  private takenProtocol = 0n;

  /** `sharedMemoryBit`: that of the protocol for shared memory regions (front-ends.ts); null where there are none. `hasState`: whether the device's can be taken along. */
  constructor(
    deviceFeatures: number,
    private readonly sharedMemoryBit: number | null,
    hasState: boolean,
  ) {
    this.offered = transportFeatures | BigInt(deviceFeatures);
    this.offeredProtocol =
      bits(...protocolFeatures) |
      (hasState ? bits(DEVICE_STATE) : 0n) |
      (sharedMemoryBit === null ? 0n : bits(BACKEND_SEND_FD, sharedMemoryBit));
  }

  /** The front-end takes `features`; throws a {@link ProtocolError} for some that were not offered. */
  take(features: bigint): void {
    refuseHarmful(features, this.offered);
    // What else was never offered has no meaning here.
    this.taken = features & this.offered;
  }

  takeProtocol(features: bigint): void {
    this.takenProtocol = features & this.offeredProtocol;
  }

  /** Whether the front-end has taken one of {@link TransportFeature}. */
  has(feature: number): boolean {
    return has(this.taken, feature);
  }

  /** Whether the front-end has taken one of {@link ProtocolFeature}. */
  speaks(feature: number): boolean {
    return has(this.takenProtocol, feature);
  }

  /** Whether memory can be mapped: by requests of the back-end's, which are answered (quirks.crosvmSendsNoDescriptorFeature). */
  get mapsMemory(): boolean {
    const bit = this.sharedMemoryBit;
    const { BACKEND_REQ, REPLY_ACK } = ProtocolFeature;
    return bit !== null && [bit, BACKEND_REQ, REPLY_ACK].every((one) => this.speaks(one));
  }

  /** The device's own features that the driver has taken. */
  get device(): number {
    return Number(this.taken & deviceBits);
  }
}
