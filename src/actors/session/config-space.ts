// The device's configuration space, as the front-end reads and writes it (virtio 1.3 §5.7.4).

import { type Message, sizeError } from "../../transport/wire/vhost-user/channel.ts";
import { Config } from "../../transport/wire/vhost-user/protocol.ts";
import { Config as GpuConfig } from "../../transport/wire/virtio-gpu/protocol.ts";

/** VHOST_USER_MAX_CONFIG_SIZE; what lies beyond the device's own fields reads as zero. */
const bytesMax = 256;

export class ConfigSpace {
  private readonly fields = new DataView(new ArrayBuffer(bytesMax));

  constructor(scanoutCount: number, capsetCount: number) {
    this.fields.setUint32(GpuConfig.capsetCount, capsetCount, true);
    this.fields.setUint32(GpuConfig.scanoutCount, scanoutCount, true);
  }

  /** The reply to GET_CONFIG: the request's header, then the bytes that it asks for; of no length where there are none such. */
  read(message: Message): Uint8Array {
    const asked = range(message);
    if (asked === null) return new Uint8Array(0);
    const [offset, size] = asked;
    const reply = new Uint8Array(Config.data + size);
    reply.set(new Uint8Array(message.payload.buffer, message.payload.byteOffset, Config.data));
    reply.set(new Uint8Array(this.fields.buffer, offset, size), Config.data);
    return reply;
  }

  /** Tells the driver of an event, until it clears it. */
  raise(event: number): void {
    const pending = this.fields.getUint32(GpuConfig.eventsRead, true);
    this.fields.setUint32(GpuConfig.eventsRead, pending | event, true);
  }

  /**
   * SET_CONFIG. The driver can write one field: events_clear, which clears bits of events_read. Returns false where it names
   * bytes that there are not.
   */
  write(message: Message): boolean {
    const named = range(message);
    if (named === null) return false;
    const [offset, size] = named;
    const clearAt = GpuConfig.eventsClear;
    if (offset <= clearAt && clearAt + 4 <= offset + size) {
      const cleared = message.payload.getUint32(Config.data + clearAt - offset, true);
      const pending = this.fields.getUint32(GpuConfig.eventsRead, true);
      this.fields.setUint32(GpuConfig.eventsRead, pending & ~cleared, true);
    }
    return true;
  }
}

/** The bytes that a request names, which are those that it brings or has room for; null for others. */
function range(message: Message): [offset: number, size: number] | null {
  const { payload } = message;
  if (payload.byteLength < Config.data) throw sizeError(message);
  const offset = payload.getUint32(Config.offset, true);
  const size = payload.getUint32(Config.size, true);
  const isThere = offset + size <= bytesMax && Config.data + size <= payload.byteLength;
  return isThere ? [offset, size] : null;
}
