// Cuts the damage of one scanout into UPDATE messages of the display socket, one frame at a time. Their pixels go
// straight from the surface where its format is the socket's, and through staging memory where it is not.

import { NativeMemory } from "../../../../transport/os/native-memory.ts";
import { convertToBgrx, isBgrx } from "../../../../picture/pixels.ts";
import type { MessageWriter } from "../../../../transport/wire/vhost-user-gpu/message-writer.ts";
import { DisplayRequest, Update } from "../../../../transport/wire/vhost-user-gpu/protocol.ts";
import { bytesPerPixel } from "../../../../transport/wire/virtio-gpu/protocol.ts";
import type { Damage, Rect } from "../../../../picture/damage.ts";
import type { MemorySurface } from "../../surfaces/memory-surface.ts";

/**
 * Pixels of one message. A VMM shows a message at once, so fewer would tear; cursor messages wait for one, so more
 * would make the pointer stutter. This is a frame of 2560 × 1600. Wider rows, which only a guest has that means us harm, go in
 * pieces: the VMM makes room for a message, and its length is a u32.
 */
const defaultBandBytes = 16 * 1024 * 1024;

export class UpdateBands {
  private surface: MemorySurface | null = null;
  /** Of the frame that is under way, or was last. */
  scanout = 0;
  /** Where the scanout's top left corner lies in the surface. */
  private originX = 0;
  private originY = 0;
  /** Of what is under way: the whole damage, or the left part of what is left of it. */
  private left = 0;
  private width = 0;
  private right = 0;
  private top = 0;
  /** The next row to send, and the one after the last. */
  private row = 0;
  private bottom = 0;
  private isSending = false;
  private isCancelled = false;
  private staging: NativeMemory | null = null;
  private stagingPixels = new Uint32Array(0);

  constructor(private readonly bandBytesMax = defaultBandBytes) {}

  /** Whether a frame is under way: of scanout `id`, or of any. */
  isActive(id = this.scanout): boolean {
    return this.surface !== null && this.scanout === id;
  }

  /** Starts a frame: `damage` of a scanout that shows `view` of `surface`, which is read until the frame ends. */
  begin(scanout: number, surface: MemorySurface, view: Rect, damage: Damage): void {
    surface.read();
    this.surface = surface;
    this.scanout = scanout;
    this.originX = view.x;
    this.originY = view.y;
    this.left = damage.left;
    this.right = damage.right;
    this.top = damage.top;
    this.bottom = damage.bottom;
    this.beginColumns();
    this.isCancelled = false;
  }

  /** Starts the frame's next message on an idle `writer`. */
  start(writer: MessageWriter): void {
    const { left, row, width, originX, originY } = this;
    const surface = this.surface!;
    const rowBytes = width * bytesPerPixel;
    const rows = Math.min(this.bottom - row, Math.max(1, Math.floor(this.bandBytesMax / rowBytes)));
    writer.start(DisplayRequest.UPDATE, Update.bytes + rows * rowBytes, this.scanout, left, row, width, rows);
    const offset = (originY + row) * surface.stride + (originX + left) * bytesPerPixel;
    if (isBgrx(surface.format)) {
      if (surface.hasLastingPages) writer.lend(surface.address + offset, rowBytes, surface.stride);
      else writer.body(surface.address + offset, rowBytes, surface.stride);
    } else {
      const from = offset / bytesPerPixel;
      const stride = surface.stride / bytesPerPixel;
      // Never lent: the next frame overwrites it.
      this.reserve(rows * rowBytes);
      convertToBgrx(surface.format, surface.pixels, from, stride, width, rows, this.stagingPixels);
      writer.body(this.staging!.address, rowBytes, rowBytes);
    }
    this.row += rows;
    this.isSending = true;
  }

  /** The message is sent. Returns whether it was the last one of a whole frame. */
  sent(): boolean {
    this.isSending = false;
    if (this.row >= this.bottom) this.nextColumns();
    if (this.row < this.bottom && !this.isCancelled) return false;
    const isWhole = !this.isCancelled;
    this.end();
    return isWhole;
  }

  /** Gives up the rest of the frame. What is half sent still reads the surface until {@link sent}. */
  cancel(): void {
    this.isCancelled = true;
    if (!this.isSending) this.end();
  }

  /** Gives up everything, the message that is half sent too. */
  close(): void {
    if (this.surface !== null) this.end();
    this.staging?.unmap();
    this.staging = null;
  }

  private beginColumns(): void {
    this.width = Math.min(this.right - this.left, Math.floor(this.bandBytesMax / bytesPerPixel));
    this.row = this.top;
  }

  /** Goes on right of what is sent, where there is more. */
  private nextColumns(): void {
    this.left += this.width;
    if (this.left < this.right) this.beginColumns();
  }

  private end(): void {
    const surface = this.surface!;
    this.surface = null;
    surface.readDone();
  }

  private reserve(bytes: number): void {
    if (this.stagingPixels.byteLength >= bytes) return;
    this.staging?.unmap();
    this.staging = NativeMemory.allocate(bytes);
    this.stagingPixels = new Uint32Array(this.staging.view());
  }
}
