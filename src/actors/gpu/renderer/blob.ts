// Blobs as a renderer makes them and shares their memory (virtio 1.3 §5.7.6.8 RESOURCE_CREATE_BLOB).

/** What RESOURCE_CREATE_BLOB says of a blob. */
export interface BlobShape {
  /** One of BlobMem. */
  readonly mem: number;
  /** Bits of BlobFlag. */
  readonly flags: number;
  /** In bytes, below 2^53. */
  readonly size: number;
  /** What the context's own protocol calls the memory: the halves of blob_id. */
  readonly idLow: number;
  readonly idHigh: number;
}

/** A host blob's memory, as others may have it. */
export interface ExportedBlob {
  /** The receiver's to close. */
  fd: number;
  /**
   * `memory`: a plain file; `dmabuf`: one of the kernel's; `opaque`: only its own driver knows how it lies there, so that
   * it can be neither mapped nor shown.
   */
  kind: "memory" | "dmabuf" | "opaque";
  /** Where the blob begins in it, in whole pages: before that may be what a driver keeps of it, which is nobody's to map. */
  offset: number;
  /** How the guest is to map it: one of MapCache. */
  mapInfo: number;
}
