// Feature bits that front-ends acknowledge though they were never offered (quirks.qemuTakesUnofferedFeatures): those that change
// what lies in memory are said where it happens. virtio 1.3 §6.

import { quirks } from "../../transport/wire/quirks.ts";
import { ProtocolError } from "../../transport/wire/vhost-user/protocol-error.ts";

/** Bit, name, and the property of QEMU's devices that takes it back. Others, such as RING_RESET, have no effect here. */
const harmful: readonly (readonly [bit: number, name: string, option: string])[] = [
  [33, "ACCESS_PLATFORM", "iommu_platform=off"],
  [34, "RING_PACKED", "packed=off"],
  [35, "IN_ORDER", "in_order=off"],
  [38, "NOTIFICATION_DATA", "notification_data=off"],
];

/** Throws a {@link ProtocolError} where the driver was promised what this device does not do. */
export function refuseHarmful(acknowledged: bigint, offered: bigint): void {
  const unoffered = acknowledged & ~offered;
  for (const [bit, name, option] of harmful) {
    if ((unoffered & (1n << BigInt(bit))) === 0n) continue;
    throw new ProtocolError(
      `SET_FEATURES takes ${name}, which was not offered: turn it off in the VMM (${quirks.qemuTakesUnofferedFeatures.vmm}: ${option})`,
    );
  }
}
