// Pixels of a blob: plain memory, of which only a scanout's layout says what they are (virtio 1.3 §5.7.6.8).

import { ptr } from "bun:ffi";
import { EINVAL, ENOMEM } from "../../../../ffi/libc.ts";
import { asRefusal } from "../../../../transport/os/errors.ts";
import { closeFd, isSizeSealed } from "../../../../transport/os/fds.ts";
import { NativeMemory } from "../../../../transport/os/native-memory.ts";
import { BlobMem } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import type { Backing } from "../../renderer/backing.ts";
import type { BlobShape, ExportedBlob } from "../../renderer/blob.ts";
import type { Renderer } from "../../renderer/renderer.ts";
import type { Direction, Transfer } from "../../renderer/transfer.ts";
import type { Form } from "../form.ts";
import { Pixels } from "../pixels.ts";
import type { LentPixels, Storage } from "../storage/storage.ts";
import type { Storages } from "../storage/storages.ts";
import { BlobView } from "./blob-view.ts";
import { GuestView } from "./guest-view.ts";
import { HostView } from "./host-view.ts";
import type { BlobLayout } from "./layout.ts";

export class BlobPixels extends Pixels {
  readonly epoch = -1;
  readonly isRendered = false;
  readonly mayBeDmabuf = false;
  /** Bytes of the budget that are its own: what it has of the host. */
  private readonly bytes: number;
  /** Its layouts, those that are shown and at most one more. */
  readonly views: BlobView[] = [];
  private backing: Backing | null;
  private isInRenderer: boolean;

  /** The renderer has made a host blob already, whose bytes are the guest's from now on. */
  constructor(
    form: Form,
    readonly shape: BlobShape,
    private readonly renderer: Renderer,
    private readonly storages: Storages,
    backing: Backing | null,
  ) {
    super(form);
    this.backing = backing;
    this.isInRenderer = shape.mem !== BlobMem.GUEST;
    this.bytes = this.isInRenderer ? shape.size : 0;
    storages.budget.take(this.bytes);
  }

  /** With the copies that its views need. */
  get bytesTaken(): number {
    let { bytes } = this;
    for (const { pixels } of this.views) bytes += pixels.bytesTaken;
    return bytes;
  }

  /** The guest's pages, where it has any. */
  get pages(): Backing | null {
    return this.backing;
  }

  /** It as `layout` reads it, where a scanout has that already. */
  viewAs(layout: BlobLayout): BlobView | undefined {
    for (const view of this.views) if (view.layout.equals(layout)) return view;
    return undefined;
  }

  addView(layout: BlobLayout): BlobView {
    const view = new BlobView(this.form.id, layout, (one) =>
      this.shape.mem === BlobMem.GUEST ? new GuestView(one, this, this.storages) : new HostView(one, this),
    );
    this.views.push(view);
    return view;
  }

  /** Takes a view away that no scanout shows. Returns the memory that others may still be reading, the caller's to free. */
  removeView(view: BlobView): Storage | null {
    this.views.splice(this.views.indexOf(view), 1);
    return view.pixels.close();
  }

  /** Whether others can have the host's memory, and so show it. */
  get isShareable(): boolean {
    const shared = this.shareMemory();
    if (shared !== null) closeFd(shared.fd);
    return shared !== null;
  }

  /** A host's memory as others may map it for as long as they like; null where it cannot be shown. */
  shareMemory(): ExportedBlob | null {
    const shared = this.renderer.exportBlob(this.form.id);
    // What somebody else could cut short would end whoever reads it.
    if (shared === null || shared.kind === "dmabuf" || (shared.kind === "memory" && isSizeSealed(shared.fd)))
      return shared;
    closeFd(shared.fd);
    return null;
  }

  /** A context is about to have it: the renderer has to know of the guest's pages. Returns an errno. */
  enterRenderer(): number {
    if (this.isInRenderer) return 0;
    const error = this.renderer.createBlob(this.form.id, 0, this.shape, this.backing);
    if (error === 0) this.isInRenderer = true;
    return error;
  }

  override attachBacking(backing: Backing): number {
    const error = this.isInRenderer ? this.renderer.attachBacking(this.form.id, backing) : 0;
    if (error === 0) this.backing = backing;
    return error;
  }

  override detachBacking(): void {
    if (this.isInRenderer) this.renderer.detachBacking(this.form.id);
    this.backing = null;
  }

  /** Linux sends transfers for its framebuffers in guest blobs too: there is nothing to copy. */
  transfer(): number {
    return 0;
  }

  override transferBox(direction: Direction, context: number, what: Transfer): number {
    return this.isInRenderer ? this.renderer.transfer(direction, this.form.id, context, what) : EINVAL;
  }

  /** There is none of ours. */
  memory(): null {
    return null;
  }

  /** Of the host's memory; a guest's pages are its own, and lie among what nobody is to see. */
  lend(): LentPixels | null {
    const shared = this.renderer.exportBlob(this.form.id);
    if (shared === null) return null;
    const { fd, kind, offset } = shared;
    // A borrower finds nothing in memory that only its own driver can read.
    if (kind === "opaque") {
      closeFd(fd);
      return null;
    }
    const layout = this.views.at(-1)?.layout;
    const place = { stride: layout?.stride ?? 0, offset: offset + (layout?.offset ?? 0) };
    return { fd, stride: place.stride, offset: place.offset, modifierHigh: 0, modifierLow: 0 };
  }

  look(): number {
    return EINVAL;
  }

  /** Of a cursor: 64×64 pixels of B, G, R, A from its first byte on, as Linux and QEMU have them. */
  override copyTo(target: Uint32Array): boolean {
    const bytes = target.byteLength;
    if (this.shape.mem === BlobMem.GUEST)
      return this.backing !== null && this.backing.copyTo(0, ptr(target), bytes);
    const shared = this.shareMemory();
    if (shared === null) return false;
    try {
      const memory = NativeMemory.mapShared(shared.fd, shared.offset, bytes, "read");
      target.set(new Uint32Array(memory.view()));
      memory.unmap();
      return true;
    } catch (error) {
      asRefusal(error);
      return false;
    } finally {
      closeFd(shared.fd);
    }
  }

  close(): null {
    if (this.isInRenderer) this.renderer.unrefResource(this.form.id);
    this.storages.budget.give(this.bytes);
    this.backing = null;
    return null;
  }

  protected bring(): number {
    return ENOMEM;
  }

  protected current(): null {
    return null;
  }
}
