// The record of chains under way that the front-end keeps for a back-end that comes after us.
// vhost-user.rst "Inflight I/O tracking".

import { closeFd, createMemfd } from "../../transport/os/fds.ts";
import { inflightBytes, queueSizeMax } from "../../transport/virtio/layout.ts";
import { ProtocolError } from "../../transport/wire/vhost-user/protocol-error.ts";
import type { InflightShape } from "../../transport/wire/vhost-user/requests.ts";

export class InflightRecord {
  private fd = -1;
  private offset = 0;
  private queueCount = 0;
  private queueSize = 0;

  constructor(private readonly queuesMax: number) {}

  /** Makes one of that shape. Returns its descriptor, which stays its own, and its bytes. */
  make(shape: InflightShape): { fd: number; size: number } {
    this.check(shape);
    const size = shape.queueCount * inflightBytes(shape.queueSize);
    const fd = createMemfd("fencepost-inflight", size);
    this.keep(shape, fd, 0);
    return { fd, size };
  }

  /** Takes what the last back-end has left; its descriptor is taken from the request by `keep` once all of it is checked. */
  set(
    request: InflightShape & { size: number; offset: number; fd: number },
    keep: (fd: number) => number,
  ): void {
    this.check(request);
    const { queueCount, queueSize, size } = request;
    if (size > this.queuesMax * inflightBytes(queueSizeMax) || size < queueCount * inflightBytes(queueSize)) {
      throw new ProtocolError(
        `an inflight record of ${queueCount} queues with ${queueSize} entries cannot have ${size} bytes`,
      );
    }
    this.keep(request, keep(request.fd), request.offset);
  }

  /** Where the record of a ring is; descriptor -1 where it has none, be it that it is longer than there is room. */
  of(vring: number, entries: number): { fd: number; offset: number; queueSize: number } {
    const { fd, offset, queueCount, queueSize } = this;
    const isRecorded = vring < queueCount && entries <= queueSize;
    return { fd: isRecorded ? fd : -1, offset: offset + vring * inflightBytes(queueSize), queueSize };
  }

  close(): void {
    closeFd(this.fd);
  }

  private check({ queueCount, queueSize }: InflightShape): void {
    if (queueCount > this.queuesMax || queueSize === 0 || queueSize > queueSizeMax) {
      throw new ProtocolError(
        `an inflight record of ${queueCount} queues with ${queueSize} entries makes no sense`,
      );
    }
  }

  private keep({ queueCount, queueSize }: InflightShape, fd: number, offset: number): void {
    closeFd(this.fd);
    this.fd = fd;
    this.offset = offset;
    this.queueCount = queueCount;
    this.queueSize = queueSize;
  }
}
