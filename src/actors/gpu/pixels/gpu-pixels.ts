// Pixels in the renderer, and a copy in memory of ours where the display or a borrower cannot have the renderer's.

import { EINVAL, ENOMEM } from "../../../ffi/libc.ts";
import { fourccOfFormat, hasSameColours, needsModifier } from "../../../picture/drm-formats.ts";
import { blockLayout, displayFormat } from "../../../picture/formats.ts";
import { convertToBgrx } from "../../../picture/pixels.ts";
import { closeFd } from "../../../transport/os/fds.ts";
import { bytesPerPixel, resourceFlagY0Top } from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { QueueRecording } from "../../queue/recording.ts";
import type { Backing } from "../renderer/backing.ts";
import type { Renderer } from "../renderer/renderer.ts";
import { type Direction, type Transfer, transferOf } from "../renderer/transfer.ts";
import type { CopiedPicture } from "./copied-picture.ts";
import { type Form, isPicture, strideOf } from "./form.ts";
import { type DisplayTakes, Pixels, type SurfaceMessage, untold } from "./pixels.ts";
import type { Staging } from "./staging.ts";
import type { LentPixels, Storage } from "./storage/storage.ts";
import type { Storages } from "./storage/storages.ts";

/** The one box that a transfer of a rectangle is; x, y, z, width, height, depth. */
const words = new Uint32Array(6);
const rectangle = transferOf(words);

export class GpuPixels extends Pixels {
  readonly mayBeDmabuf = true;
  readonly isRendered = true;

  /** The renderer has made the resource, and `bytes` of the guest's budget are its from now on. */
  constructor(
    form: Form,
    private readonly renderer: Renderer,
    private readonly storages: Storages,
    private readonly staging: Staging,
    private readonly bytes: number,
    private copy: Storage | null = null,
  ) {
    super(form);
    storages.budget.take(bytes);
  }

  /** The display goes on with what it was offered of `before`. */
  follow(before: Pixels): this {
    this.succeed(before);
    return this;
  }

  get bytesTaken(): number {
    return this.bytes + (this.copy?.size ?? 0);
  }

  get epoch(): number {
    return this.renderer.epoch;
  }

  override attachBacking(backing: Backing): number {
    return this.renderer.attachBacking(this.form.id, backing);
  }

  override detachBacking(): void {
    this.renderer.detachBacking(this.form.id);
  }

  override transferBox(direction: Direction, context: number, what: Transfer): number {
    return this.renderer.transfer(direction, this.form.id, context, what);
  }

  /** The renderer knows the same layout: rows are as long as the resource is wide, and formats with blocks have rows of those. */
  transfer(backing: Backing, x: number, y: number, width: number, height: number, offset: number): number {
    const block = blockLayout(this.form.format);
    if (block === undefined) return EINVAL;
    const stride = Math.ceil(this.form.width / block.width) * block.bytes;
    const rowBytes = Math.ceil(width / block.width) * block.bytes;
    const held = Math.max(0, backing.length - offset);
    const whole = held < rowBytes ? 0 : Math.floor((held - rowBytes) / stride) + 1;
    const rows = Math.min(height, whole * block.height);
    const error = this.transferRectangle(x, y, width, rows, offset);
    if (error !== 0 || rows === height) return error;
    // Of the row behind these the backing may hold a part.
    const blocks = Math.max(0, Math.floor((held - whole * stride) / block.bytes));
    const next = Math.min(width, blocks * block.width);
    return this.transferRectangle(x, y + rows, next, 1, offset + whole * stride);
  }

  /** Of a picture whose rectangle the backing holds whole: the copy is made here, and not in the renderer. */
  override transferTold(
    recording: QueueRecording,
    backing: Backing,
    x: number,
    y: number,
    width: number,
    height: number,
    offset: number,
  ): number {
    const { form, renderer, staging } = this;
    const end = offset + strideOf(form) * (height - 1) + width * bytesPerPixel;
    if (!isPicture(form) || blockLayout(form.format)?.bytes !== bytesPerPixel || end > backing.length)
      return untold;
    return staging.send(renderer, form, backing, x, y, width, height, offset, recording);
  }

  memory(): Storage | null {
    this.copy ??= this.storages.create(this.form.width, this.form.height, 0);
    return this.copy;
  }

  override refresh(x: number, y: number, width: number, height: number): number {
    if (!this.isPictureGiven) return this.bring(x, y, width, height);
    this.renderer.flush();
    return 0;
  }

  look(target: CopiedPicture): number {
    const { id, width, height, format } = this.form;
    const error = this.renderer.copyPixels("from-host", id, 0, 0, width, height, target);
    if (error !== 0) return error;
    const { words } = target;
    convertToBgrx(displayFormat(format), words, 0, width, width, height, words);
    return 0;
  }

  /** The renderer's own picture where the host can share it, else a copy of what it is now. */
  lend(): LentPixels | null {
    const picture = this.renderer.exportDmabuf(this.form.id);
    if (picture !== null) {
      const { fourcc, ...lent } = picture;
      if (isAsGuestSays(this.form, fourcc)) return lent;
      closeFd(picture.fd);
    }
    if (!isPicture(this.form)) return null;
    const storage = this.current();
    return storage === null ? null : storage.lend();
  }

  close(): Storage | null {
    const { copy } = this;
    this.withdraw();
    this.renderer.unrefResource(this.form.id);
    this.storages.budget.give(this.bytes);
    this.copy = null;
    return copy;
  }

  protected bring(x: number, y: number, width: number, height: number): number {
    const { renderer, form, copy } = this;
    if (copy === null) return ENOMEM;
    if (copy.needsDriver) return this.staging.readBack(renderer, form.id, copy, x, y, width, height);
    copy.beginWrite(x, y, width, height);
    const error = renderer.copyPixels("from-host", form.id, x, y, width, height, copy);
    copy.endWrite();
    return error;
  }

  protected current(): Storage | null {
    const { width, height } = this.form;
    const storage = this.memory();
    return storage !== null && this.bring(0, 0, width, height) === 0 ? storage : null;
  }

  /** The renderer's own picture, or else the copy where that is a dma-buf. */
  protected override offerDmabuf(name: number, takes: DisplayTakes): SurfaceMessage | null {
    const picture = this.renderer.exportDmabuf(this.form.id);
    if (picture === null) return super.offerDmabuf(name, takes);
    // The VMM's display protocol has no field for an offset.
    if (picture.offset !== 0 || (!takes.modifiers && needsModifier(picture))) {
      closeFd(picture.fd);
      return super.offerDmabuf(name, takes);
    }
    const { width, height, shape } = this.form;
    const flags = shape.flags & resourceFlagY0Top;
    return this.give("picture", {
      type: "add-dmabuf-surface",
      surface: name,
      width,
      height,
      flags,
      ...picture,
    });
  }

  private transferRectangle(x: number, y: number, width: number, height: number, offset: number): number {
    if (width === 0 || height === 0) return 0;
    words[0] = x;
    words[1] = y;
    words[3] = width;
    words[4] = height;
    words[5] = 1;
    rectangle.offset = offset;
    return this.renderer.transfer("to-host", this.form.id, 0, rectangle);
  }
}

/**
 * Whether a dma-buf's pixels lie as the resource's format says, which is all that a borrower knows of them. Renderers may
 * keep one format as another, and translate.
 */
function isAsGuestSays({ format }: Form, fourcc: number): boolean {
  const expected = fourccOfFormat(displayFormat(format));
  return expected === undefined || hasSameColours(expected, fourcc);
}
