// Split virtqueue layout (virtio 1.3 §2.7): offsets in bytes, flags, and the inflight region of vhost-user.

export const Descriptor = { address: 0, length: 8, flags: 12, next: 14, bytes: 16 } as const;
export const DescriptorFlag = { NEXT: 1, WRITE: 2, INDIRECT: 4 } as const;

export const queueSizeMax = 32768;

/** flags, idx, ring[num], used_event. */
export const availBytes = (num: number): number => 6 + 2 * num;
/** flags, idx, ring[num] of {id, len}, avail_event. */
export const usedBytes = (num: number): number => 6 + 8 * num;
export const descriptorTableBytes = (num: number): number => Descriptor.bytes * num;

export const AvailFlag = { NO_INTERRUPT: 1 } as const;
export const UsedFlag = { NO_NOTIFY: 1 } as const;

/**
 * One queue's part of the inflight region of a split ring (vhost-user "Inflight I/O tracking"): features u64,
 * version u16, desc_num u16, last_batch_head u16, used_idx u16, then an entry a descriptor.
 */
export const InflightRegion = {
  version: 8,
  descriptorCount: 10,
  lastBatchHead: 12,
  usedIndex: 14,
  entries: 16,
  entry: { inflight: 0, next: 6, counter: 8, bytes: 16 },
} as const;

/** Bytes of one queue's inflight region, rounded up to 64 so that regions do not share cache lines. */
export const inflightBytes = (num: number): number =>
  (InflightRegion.entries + num * InflightRegion.entry.bytes + 63) & ~63;
