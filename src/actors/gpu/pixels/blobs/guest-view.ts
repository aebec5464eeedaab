// Pixels in the guest's own pages. The display reads them there, with no copy of ours, where it can map them; a copy in memory of
// ours is brought up to date for it where it can't.

import { ptr } from "bun:ffi";
import { EFAULT, ENOMEM } from "../../../../ffi/libc.ts";
import { convertToBgrx } from "../../../../picture/pixels.ts";
import { bytesPerPixel } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import type { QueueRecording } from "../../../queue/recording.ts";
import type { Backing } from "../../renderer/backing.ts";
import type { CopiedPicture } from "../copied-picture.ts";
import { type DisplayTakes, Pixels, type SurfaceMessage } from "../pixels.ts";
import { copyRows } from "../rows.ts";
import type { Storage } from "../storage/storage.ts";
import type { Storages } from "../storage/storages.ts";
import type { BlobView } from "./blob-view.ts";
import { guestPages } from "./guest-pages.ts";

/** Whose pages they are. */
interface PageOwner {
  readonly pages: Backing | null;
}

export class GuestView extends Pixels {
  readonly epoch = -1;
  readonly isRendered = false;
  readonly mayBeDmabuf = false;
  private copy: Storage | null = null;
  private hasTooManyPieces = false;

  constructor(
    private readonly view: BlobView,
    private readonly blob: PageOwner,
    private readonly storages: Storages,
  ) {
    super(view);
  }

  get bytesTaken(): number {
    return this.copy?.size ?? 0;
  }

  transfer(): number {
    return 0;
  }

  override record(recording: QueueRecording, x: number, y: number, width: number, height: number): void {
    const { layout } = this.view;
    const { pages } = this.blob;
    if (pages === null) return;
    const from = layout.offset + y * layout.stride + x * bytesPerPixel;
    recording.rowsOf(pages, this.view.id, from, width * bytesPerPixel, height, layout.stride);
  }

  memory(): Storage | null {
    this.copy ??= this.storages.create(this.view.width, this.view.height, 0);
    return this.copy;
  }

  override refresh(x: number, y: number, width: number, height: number): number {
    return this.arePagesGiven ? 0 : this.bring(x, y, width, height);
  }

  lend(): null {
    return null;
  }

  look(target: CopiedPicture): number {
    const { width, height, format } = this.view;
    const { words, stride } = target;
    if (!this.copyRectangle(0, 0, width, height, ptr(words), stride)) return EFAULT;
    convertToBgrx(format, words, 0, width, width, height, words);
    return 0;
  }

  close(): Storage | null {
    const { copy } = this;
    this.withdraw();
    this.copy = null;
    return copy;
  }

  /** A dma-buf of the guest's pages would lend them to a compositor; one of a copy would need that. */
  protected override offerDmabuf(): null {
    return null;
  }

  protected override offerPages(name: number, { pieces }: DisplayTakes): SurfaceMessage | null {
    const { width, height, format, layout } = this.view;
    const { pages } = this.blob;
    const found =
      pages === null || !layout.isAligned ? null : guestPages(pages, layout.offset, layout.span, pieces);
    this.hasTooManyPieces = found === null && pages !== null && piecesIn(pages, layout) > pieces;
    if (found === null) return null;
    return this.give("pages", {
      type: "add-guest-surface",
      surface: name,
      regions: found.regions,
      pieces: found.pieces,
      offset: found.offset,
      bytes: layout.span,
      stride: layout.stride,
      ...{ width, height, format },
    });
  }

  override get lacksPieces(): boolean {
    return this.hasTooManyPieces;
  }

  /** While some of the pages is no guest memory there is nothing to show. */
  override get isThere(): boolean {
    const { pages } = this.blob;
    return pages !== null && pages.countPieces() >= 0;
  }

  protected bring(x: number, y: number, width: number, height: number): number {
    const { copy } = this;
    if (copy === null) return ENOMEM;
    const address = copy.beginWrite(x, y, width, height);
    const isWhole = address !== 0 && this.copyRectangle(x, y, width, height, address, copy.writeStride);
    copy.endWrite();
    return isWhole ? 0 : EFAULT;
  }

  protected current(): Storage | null {
    const storage = this.memory();
    const { width, height } = this.view;
    return storage !== null && this.bring(0, 0, width, height) === 0 ? storage : null;
  }

  private copyRectangle(
    x: number,
    y: number,
    width: number,
    height: number,
    address: number,
    stride: number,
  ): boolean {
    const { layout } = this.view;
    const { pages } = this.blob;
    if (pages === null) return false;
    const from = layout.offset + y * layout.stride + x * bytesPerPixel;
    const rowBytes = width * bytesPerPixel;
    const held = layout.stride * (height - 1) + rowBytes;
    return copyRows(pages, from, held, rowBytes, layout.stride, address, stride);
  }
}

/** In how many pieces the picture lies; none where it cannot be mapped in any number. */
function piecesIn(pages: Backing, { isAligned, offset, span }: BlobView["layout"]): number {
  return isAligned ? (pages.placesOf(offset, span, Infinity)?.length ?? 0) / 3 : 0;
}
