// Host blobs of venus contexts: their memory, as it can be lent by a descriptor.
//
// What the context's process hands out is not trusted: it may have been taken over by its guest. Nobody gets a file that is
// too short for the blob, or that could be made so, since whoever maps it would die of that.

import { asPointer, EINVAL, EIO, F_GET_SEALS, F_SEAL_SHRINK, libc } from "../../../../../ffi/libc.ts";
import { BlobFdType, CreateBlobArgs } from "../../../../../ffi/virglrenderer.ts";
import { closeFd, sizeOfFd } from "../../../../../transport/os/fds.ts";
import { NativeMemory } from "../../../../../transport/os/native-memory.ts";
import { BlobMem } from "../../../../../transport/wire/virtio-gpu/protocol.ts";
import type { BlobShape, ExportedBlob } from "../../blob.ts";
import type { VenusContexts } from "./contexts.ts";
import type { VenusLibrary } from "./library.ts";
import { llvmpipeOffset } from "./llvmpipe-memory.ts";

const pageBytes = 4096;

interface HostBlob {
  readonly context: number;
  readonly size: number;
  /** One of {@link BlobFdType}. */
  readonly fdType: number;
}

export class HostBlobs {
  private readonly byId = new Map<number, HostBlob>();
  private readonly memory = NativeMemory.allocate(CreateBlobArgs.bytes + 8);
  private readonly args = new DataView(this.memory.view(0, CreateBlobArgs.bytes));
  private readonly out = new Int32Array(this.memory.view(CreateBlobArgs.bytes, 8));

  constructor(
    private readonly library: VenusLibrary,
    private readonly contexts: VenusContexts,
  ) {}

  has(id: number): boolean {
    return this.byId.has(id);
  }

  /** Makes a blob of a venus context's. Returns an errno. */
  create(id: number, context: number, { mem, flags, size, idLow, idHigh }: BlobShape): number {
    // Venus knows no memory that is the guest's too.
    if (mem !== BlobMem.HOST3D || !this.contexts.has(context)) return EINVAL;
    // The library waits for the context to make it.
    if (!this.contexts.answers(context)) return EIO;
    const { args } = this;
    args.setUint32(CreateBlobArgs.resource, id, true);
    args.setUint32(CreateBlobArgs.context, context, true);
    args.setUint32(CreateBlobArgs.mem, mem, true);
    args.setUint32(CreateBlobArgs.flags, flags, true);
    args.setUint32(CreateBlobArgs.blobId, idLow, true);
    args.setUint32(CreateBlobArgs.blobId + 4, idHigh, true);
    args.setUint32(CreateBlobArgs.size, size >>> 0, true);
    args.setUint32(CreateBlobArgs.size + 4, Math.floor(size / 2 ** 32), true);
    const error = this.library.blobs.virgl_renderer_resource_create_blob(asPointer(this.memory.address));
    // That it does not answer says no more than that it made no such memory.
    if (error !== 0) return EINVAL;
    const fd = this.export(id);
    this.byId.set(id, { context, size, fdType: fd < 0 ? 0 : this.out[0]! });
    closeFd(fd);
    return 0;
  }

  /** Its memory; null where there is none to be had. */
  exported(id: number): ExportedBlob | null {
    const blob = this.byId.get(id);
    const fd = blob === undefined ? -1 : this.export(id);
    if (blob === undefined || fd < 0) return null;
    const { size } = blob;
    const fileBytes = Math.ceil(sizeOfFd(fd) / pageBytes) * pageBytes;
    const offset = blob.fdType === BlobFdType.OPAQUE ? llvmpipeOffset(fd) : 0;
    const reaches = offset >= 0 && fileBytes >= offset + Math.ceil(size / pageBytes) * pageBytes;
    const mapInfo = this.mapInfo(id);
    if (blob.fdType === BlobFdType.DMABUF && reaches) return { fd, kind: "dmabuf", offset, mapInfo };
    if (reaches && staysThatLong(fd)) return { fd, kind: "memory", offset, mapInfo };
    return { fd, kind: "opaque", offset: 0, mapInfo };
  }

  unref(id: number): void {
    if (!this.byId.delete(id)) return;
    this.library.required.virgl_renderer_resource_unref(id);
  }

  /**
   * Whether a context other than the one that made it, which has it already, can be told of it: the library ends its own
   * process over what is no dma-buf.
   */
  isShareable(id: number, context: number): boolean {
    const blob = this.byId.get(id);
    return blob?.fdType === BlobFdType.DMABUF && blob.context !== context;
  }

  close(): void {
    for (const id of this.byId.keys()) this.unref(id);
    this.memory.unmap();
  }

  /** A descriptor of the memory, whose type is then in {@link out}; -1 where there is none. */
  private export(id: number): number {
    const at = this.memory.address + CreateBlobArgs.bytes;
    const error = this.library.blobs.virgl_renderer_resource_export_blob(
      id,
      asPointer(at),
      asPointer(at + 4),
    );
    return error === 0 ? this.out[1]! : -1;
  }

  private mapInfo(id: number): number {
    const at = asPointer(this.memory.address + CreateBlobArgs.bytes);
    return this.library.blobs.virgl_renderer_resource_get_map_info(id, at) === 0 ? this.out[0]! : 0;
  }
}

const staysThatLong = (fd: number): boolean => (libc.fcntl(fd, F_GET_SEALS, 0) & F_SEAL_SHRINK) !== 0;
