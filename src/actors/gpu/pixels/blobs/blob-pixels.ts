// Pixels of a blob: plain memory, of which only a scanout's layout says what they are (virtio 1.3 §5.7.6.8).

import { EINVAL, ENOMEM } from "../../../../ffi/libc.ts";
import { BlobMem } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import type { Backing } from "../../renderer/backing.ts";
import type { BlobShape } from "../../renderer/blob.ts";
import type { Renderer } from "../../renderer/renderer.ts";
import type { Direction, Transfer } from "../../renderer/transfer.ts";
import type { Form } from "../form.ts";
import { Pixels } from "../pixels.ts";
import type { LentPixels } from "../storage/storage.ts";
import type { Storages } from "../storage/storages.ts";

export class BlobPixels extends Pixels {
  readonly epoch = -1;
  readonly isRendered = false;
  readonly mayBeDmabuf = false;
  readonly bytesTaken: number;
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
    this.bytesTaken = this.isInRenderer ? shape.size : 0;
    storages.budget.take(this.bytesTaken);
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
    return shared && { fd: shared.fd, stride: 0, offset: 0, modifierHigh: 0, modifierLow: 0 };
  }

  look(): number {
    return EINVAL;
  }

  close(): null {
    if (this.isInRenderer) this.renderer.unrefResource(this.form.id);
    this.storages.budget.give(this.bytesTaken);
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
