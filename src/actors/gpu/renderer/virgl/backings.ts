// Guest memory as the library sees it: for each resource an array of struct iovec.
//
// Nobody else makes or frees one, and only what the library has given back is freed: what it made of a resource may
// outlive UNREF, held by a query or a view, and would go on writing where the array says.

import { toArrayBuffer } from "bun:ffi";
import { asPointer, EFAULT, EINVAL, ENOMEM, libc } from "../../../../ffi/libc.ts";
import { iovecBytes, type Virglrenderer } from "../../../../ffi/virglrenderer.ts";
import { NativeMemory } from "../../../../transport/os/native-memory.ts";
import type { GuestSpan } from "../../../../transport/virtio/memory-map.ts";
import type { Backing } from "../backing.ts";
import type { Lack } from "../lack.ts";
import type { VirglResource } from "./resource.ts";

export class Backings {
  /** Where the library says what it gives back. */
  private readonly memory = NativeMemory.allocate(16);
  private readonly returned = new Uint32Array(this.memory.view());
  private pieces = 0;

  /** `piecesMax`: pieces of host memory in all arrays together, each of which costs 16 bytes. */
  constructor(
    private readonly symbols: Virglrenderer["required"],
    private readonly piecesMax: number,
    private readonly lack: Lack,
  ) {}

  /**
   * Gives the library a resource's backing, which must not be freed before {@link detach}. Returns 0, or an errno: ENOMEM
   * where there is no room for its array; EFAULT where some of it is no guest memory now; EINVAL where the library
   * refuses it. After EFAULT it is given again by {@link giveAgain}.
   */
  attach(resource: VirglResource, backing: Backing): number {
    if (backing.length === 0) return 0;
    const error = this.give(resource, backing);
    if (error === 0 || error === EFAULT) resource.backing = backing;
    return error;
  }

  /** Takes a resource's backing from the library, which must still know the resource. */
  detach(resource: VirglResource): void {
    this.take(resource);
    resource.backing = null;
  }

  /** Guest memory is about to be unmapped: takes what lies there from the library, which may read it for the last time. */
  letGo(resources: Iterable<VirglResource>, spans: readonly GuestSpan[]): void {
    if (spans.length === 0) return;
    for (const resource of resources)
      if (resource.hasBacking && resource.backing!.touches(spans)) this.take(resource);
  }

  /** Guest memory has changed: gives the library what it lacks and can have. */
  giveAgain(resources: Iterable<VirglResource>): void {
    for (const resource of resources) {
      if (resource.backing !== null && !resource.hasBacking) this.give(resource, resource.backing);
    }
  }

  close(): void {
    this.memory.unmap();
  }

  private give(resource: VirglResource, backing: Backing): number {
    const pieces = backing.countPieces();
    if (pieces < 0) return EFAULT;
    if (this.pieces + pieces > this.piecesMax) return this.lack.of("backingPiecesMax");
    const bytes = pieces * iovecBytes;
    const address = Number(libc.malloc(bytes));
    if (address === 0) return ENOMEM;
    backing.writeIovecs(new Uint32Array(toArrayBuffer(asPointer(address), 0, bytes)));
    if (this.symbols.virgl_renderer_resource_attach_iov(resource.id, asPointer(address), pieces) !== 0) {
      // What was refused was not kept.
      libc.free(asPointer(address));
      return EINVAL;
    }
    resource.pieces = pieces;
    this.pieces += pieces;
    // The library brings what it has of such a buffer into its backing.
    if (resource.isHostMemory) backing.wrote(0, resource.width);
    return 0;
  }

  private take(resource: VirglResource): void {
    if (!resource.hasBacking) return;
    const { returned, symbols } = this;
    const { address } = this.memory;
    returned[0] = 0;
    returned[1] = 0;
    symbols.virgl_renderer_resource_detach_iov(resource.id, asPointer(address), asPointer(address + 8));
    libc.free(asPointer(returned[1]! * 2 ** 32 + returned[0]!));
    this.pieces -= resource.pieces;
    resource.pieces = 0;
  }
}
