// How front-ends speak of shared memory regions: the protocol's bit for them has moved twice while it was agreed upon, and two
// of its places mean something else to others. What is said besides is the same for all of them: GET_SHMEM_CONFIG (44), and on the
// back-end channel SHMEM_MAP (9) and SHMEM_UNMAP (10).

interface FrontEnd {
  /** Who speaks so, and since when. */
  versions: string;
  /** VHOST_USER_PROTOCOL_F_SHMEM. */
  sharedMemoryBit: number;
  /** A file or commit of the VMM's. */
  source: string;
}

/**
 * By the name that `--front-end` takes. A front-end acknowledges what it knows before it has said who it is, so that only one
 * of the bits may be offered: to QEMU 11.1 bit 20 is GET_VRING_BASE_INFLIGHT and 21 is GPA_ADDRESSES, neither of which is
 * here. crosvm's before December 2025 had bit 31 with messages 1000, 1001 and 1004 of its own, which nothing here speaks.
 */
export const frontEnds = {
  current: {
    versions: "QEMU since 11.1, crosvm since 2026-08-04, rust-vmm's vhost since 0.17",
    sharedMemoryBit: 22,
    source: "QEMU include/hw/virtio/vhost-user.h; crosvm 8ae81e773",
  },
  "crosvm-2026-03": {
    versions: "crosvm from 2026-03-09 on, rust-vmm's vhost 0.16",
    sharedMemoryBit: 21,
    source: "crosvm a6bc3bc1b; vhost/src/vhost_user/message.rs",
  },
  "crosvm-2025-12": {
    versions: "crosvm from 2025-12-15 on",
    sharedMemoryBit: 20,
    source: "crosvm 66ddd7591, 729f98cd5",
  },
} as const satisfies Record<string, FrontEnd>;

export type FrontEndName = keyof typeof frontEnds;

export const frontEndNames = Object.keys(frontEnds) as [FrontEndName, ...FrontEndName[]];
