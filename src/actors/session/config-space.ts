// The device's configuration space, as the front-end reads and writes it; its fields are the device type's.

import type { ConfigRange } from "../../transport/wire/vhost-user/requests.ts";
import type { DeviceType } from "../device-type.ts";

/** VHOST_USER_MAX_CONFIG_SIZE; what lies beyond the device's own fields reads as zero. */
const bytesMax = 256;

export class ConfigSpace {
  private readonly bytes = new Uint8Array(bytesMax);
  private readonly fields = new DataView(this.bytes.buffer);

  /** `initial` are the fields as the driver reads them first. */
  constructor(
    private readonly device: DeviceType,
    initial: Uint8Array,
  ) {
    this.bytes.set(initial);
  }

  /** The bytes that are asked for, or null where there are none such. */
  read(range: ConfigRange): Uint8Array | null {
    return isThere(range) ? this.bytes.slice(range.offset, range.offset + range.size) : null;
  }

  /** Returns whether the driver says by it that it has read the outputs' modes, or null where there are no such bytes. */
  write(range: ConfigRange): boolean | null {
    if (!isThere(range)) return null;
    return this.device.written(this.fields, range.offset, range.data.subarray(0, range.size));
  }

  displayChanged(): void {
    this.device.displayChanged(this.fields);
  }
}

const isThere = ({ offset, size, data }: ConfigRange): boolean =>
  offset + size <= bytesMax && size <= data.length;
