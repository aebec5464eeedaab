// Where a resource's pixels are, and all that follows from it: how they come and go, what a display is given of them, how
// they are lent, read and freed. A resource has one; when it moves into the renderer, another takes its place.

import { EINVAL } from "../../../ffi/libc.ts";
import { fourccOfFormat } from "../../../picture/drm-formats.ts";
import { displayFormat } from "../../../picture/formats.ts";
import { convertToBgrx } from "../../../picture/pixels.ts";
import { duplicateFdIfRoom } from "../../../transport/os/fds.ts";
import { bytesPerPixel } from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { DisplayMessage } from "../../display/messages.ts";
import type { QueueRecording } from "../../queue/recording.ts";
import type { Backing } from "../renderer/backing.ts";
import type { Direction, Transfer } from "../renderer/transfer.ts";
import type { CopiedPicture } from "./copied-picture.ts";
import type { Form } from "./form.ts";
import type { LentPixels, Storage } from "./storage/storage.ts";

/** How the display is told of a surface. */
export type SurfaceMessage = Extract<
  DisplayMessage,
  { type: "add-surface" | "add-dmabuf-surface" | "add-guest-surface" }
>;

/** What the display can show without a copy of ours: dma-bufs at all, and such as have a format modifier. */
export interface DisplayTakes {
  readonly dmabuf: boolean;
  readonly modifiers: boolean;
  /** In how many more pieces it may map a guest's own pages. */
  readonly pieces: number;
}

/** What a scanout can show: a resource, or a blob as one layout reads it. */
export interface Showable extends Form {
  readonly pixels: Pixels;
  /** A bit for every scanout that shows it. */
  readonly scanouts: number;
}

/** Whose memory the display has; `pages`: what the guest or its renderer writes to. */
type Given = "memory" | "storage" | "picture" | "pages";

/** Functions that can fail return 0 or an errno, where nothing else is said. */
/** What {@link Pixels.transferTold} returns of what it has not done; no errno. */
export const untold = -1;

export abstract class Pixels {
  private name = 0;
  private given: Given | null = null;

  constructor(protected readonly form: Form) {}

  /** The display's name for them, or 0 while it does not know them. */
  get surface(): number {
    return this.name;
  }

  /** Whether the display has them, or what {@link Form} shows, as a dma-buf. */
  get isDmabuf(): boolean {
    return this.given === "storage" || this.given === "picture";
  }

  /** Whether the display reads what the guest writes, where that does it. */
  protected get arePagesGiven(): boolean {
    return this.given === "pages";
  }

  /** Whether the display has the renderer's own picture. */
  protected get isPictureGiven(): boolean {
    return this.given === "picture";
  }

  /** Bytes of the guest's budget that they take. */
  abstract readonly bytesTaken: number;
  /** Whether they could be a dma-buf, for a display that takes it. */
  abstract readonly mayBeDmabuf: boolean;
  /** Whether they are in the renderer, which then reads their backing itself. */
  abstract readonly isRendered: boolean;
  /** Grows with everything that may have changed them; -1 where whoever changes them says so. */
  abstract readonly epoch: number;

  /** They have a backing from now on. */
  attachBacking(_backing: Backing): number {
    return 0;
  }

  detachBacking(): void {}

  /** Copies a rectangle from byte `offset` of the backing on; what that does not hold is left as it is. */
  abstract transfer(
    backing: Backing,
    x: number,
    y: number,
    width: number,
    height: number,
    offset: number,
  ): number;

  /**
   * As {@link transfer}, where `recording` is told exactly what was read. Returns `untold` where it has to be done, and told,
   * in another way.
   */
  transferTold(
    _recording: QueueRecording,
    _backing: Backing,
    _x: number,
    _y: number,
    _width: number,
    _height: number,
    _offset: number,
  ): number {
    return untold;
  }

  /** Copies a box between them and their backing, for a context, or for the device where that is 0. */
  transferBox(_direction: Direction, _context: number, _what: Transfer): number {
    return EINVAL;
  }

  /**
   * The memory of ours that they are in, or a copy; made now if need be, and all zero then. null when the host cannot make
   * it, or the guest may not have it.
   */
  abstract memory(): Storage | null;

  /** Brings a rectangle of that memory, which exists, up to date. */
  protected abstract bring(x: number, y: number, width: number, height: number): number;

  /** Brings a rectangle of {@link memory}, which exists, up to date, for whoever reads it here. */
  refreshMemory(x: number, y: number, width: number, height: number): number {
    return this.bring(x, y, width, height);
  }

  /** Tells the recording what the display will read of a rectangle that was written where nothing of ours saw it. */
  record(_recording: QueueRecording, _x: number, _y: number, _width: number, _height: number): void {}

  /** The display is about to be told of a rectangle. */
  refresh(x: number, y: number, width: number, height: number): number {
    return this.bring(x, y, width, height);
  }

  /** Offers them to the display by a name that was never used; null when the host has no room to share them. */
  offer(name: number, takes: DisplayTakes): SurfaceMessage | null {
    this.withdraw();
    const offered = takes.dmabuf ? this.offerDmabuf(name, takes) : null;
    const surface = offered ?? this.offerPages(name, takes) ?? this.offerMemory(name);
    if (surface !== null) this.name = name;
    return surface;
  }

  /** The display no longer knows them, or has to be told anew. */
  withdraw(): void {
    if (this.name === 0) return;
    this.name = 0;
    this.given = null;
  }

  /** Takes over what the display was offered of `before`, whose memory these have. */
  protected succeed(before: Pixels): void {
    this.name = before.name;
    this.given = before.given;
  }

  /** Shares them with somebody who may keep them for as long as they like; null when they cannot be. */
  abstract lend(): LentPixels | null;

  /** Whether they were not offered as pages for want of pieces alone. */
  get lacksPieces(): boolean {
    return false;
  }

  /** Copies them as bytes B, G, R, A; what nothing was ever put into is all zero. Returns false where there is no room. */
  copyTo(target: Uint32Array): boolean {
    const { width, height, format } = this.form;
    const source = this.current();
    if (source === null) return false;
    if (source === "blank") target.fill(0);
    else {
      const pixels = new Uint32Array(source.view());
      convertToBgrx(displayFormat(format), pixels, 0, source.stride / bytesPerPixel, width, height, target);
    }
    return true;
  }

  /** Copies them for somebody who looks, and keeps nothing of it; `target` is as large, and all zero. */
  abstract look(target: CopiedPicture): number;

  /** Them as they are now; "blank" where nobody ever put anything there, null when there is no room. */
  protected abstract current(): Storage | "blank" | null;

  /** Frees them. Returns the memory that others may still be reading, the caller's to free. */
  abstract close(): Storage | null;

  protected offerDmabuf(name: number, _takes: DisplayTakes): SurfaceMessage | null {
    const { width, height, format } = this.form;
    const storage = this.memory();
    const fourcc = fourccOfFormat(displayFormat(format));
    if (storage === null || !storage.fitsGpu || storage.dmabuf() < 0 || fourcc === undefined) return null;
    const lent = storage.lend();
    if (lent === null) return null;
    return this.give("storage", {
      type: "add-dmabuf-surface",
      surface: name,
      width,
      height,
      fourcc,
      flags: 0,
      ...lent,
    });
  }

  protected give(given: Given, surface: SurfaceMessage): SurfaceMessage {
    this.given = given;
    return surface;
  }

  /** Offers memory that the display reads where the guest, or its renderer, writes; null where there is none such. */
  protected offerPages(_name: number, _takes: DisplayTakes): SurfaceMessage | null {
    return null;
  }

  /** Whether there is anything to show. */
  get isThere(): boolean {
    return true;
  }

  private offerMemory(name: number): SurfaceMessage | null {
    if (!this.isThere) return null;
    const { width, height, format } = this.form;
    const storage = this.memory();
    const fd = storage === null ? -1 : duplicateFdIfRoom(storage.fd);
    if (storage === null || fd < 0) return null;
    const { stride } = storage;
    // A VMM reads what the display lends it even after the display has given it back.
    storage.isExported = true;
    return this.give("memory", {
      type: "add-surface",
      surface: name,
      fd,
      offset: 0,
      bytes: stride * height,
      stride,
      width,
      height,
      format: displayFormat(format),
    });
  }
}
