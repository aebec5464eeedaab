// Pixels of a 2D resource in memory of ours, made when they are first needed: one that is only created costs none.

import { ptr } from "bun:ffi";
import { asPointer, EFAULT, ENOMEM, libc } from "../../../ffi/libc.ts";
import { bytesPerPixel } from "../../../transport/wire/virtio-gpu/protocol.ts";
import type { QueueRecording } from "../../queue/recording.ts";
import type { Backing } from "../renderer/backing.ts";
import type { CopiedPicture } from "./copied-picture.ts";
import type { CursorShelf } from "./cursor-shelf.ts";
import { type Form, strideOf } from "./form.ts";
import { Pixels } from "./pixels.ts";
import { copyNewRows, copyRows, tellRows } from "./rows.ts";
import type { LentPixels, Storage } from "./storage/storage.ts";
import type { Storages } from "./storage/storages.ts";

/** Who is told of copies: their bytes, for whoever makes others wait by it, and what was read, while that is recorded. */
export interface CopyMeter {
  copiedBytes: number;
  readonly recording: QueueRecording | null;
}

export class CpuPixels extends Pixels {
  readonly epoch = -1;
  readonly isRendered = false;
  private storage: Storage | null = null;
  /** What they are read from when there is first need of them, or null. */
  private unread: Backing | null = null;
  /** Bytes that are paid from the guest's budget until there is storage, which is paid for itself. */
  private reserved = 0;
  /** Whether what was recorded of them says what they are: nobody else wrote. */
  private isKnown = true;

  constructor(
    form: Form,
    private readonly storages: Storages,
    private readonly meter: CopyMeter,
    private readonly shelf: CursorShelf,
  ) {
    super(form);
  }

  /** A resource's life begins, and `bytes` of the budget are its. */
  begin(bytes: number): void {
    this.reserved = bytes;
    this.storages.budget.take(bytes);
  }

  /**
   * They are what `backing` has, which is read when there is first need of them: of many that a predecessor knew nobody may ever
   * have put anything there, and they would take all memory and descriptors that a guest may have.
   */
  isIn(backing: Backing): void {
    this.unread = backing;
  }

  override detachBacking(): void {
    if (this.unread !== null) this.memory();
  }

  get bytesTaken(): number {
    return this.storage?.size ?? this.reserved;
  }

  get mayBeDmabuf(): boolean {
    return this.storage !== null && this.storage.fitsGpu;
  }

  /** The memory that there is. */
  get held(): Storage | null {
    return this.unread === null ? this.storage : this.memory();
  }

  memory(): Storage | null {
    if (this.storage !== null) return this.storage;
    const { width, height } = this.form;
    this.storage = this.storages.create(width, height, this.reserved);
    if (this.storage === null) return null;
    this.reserved = 0;
    if (this.unread !== null) this.read(this.unread, this.storage);
    return this.storage;
  }

  transfer(backing: Backing, x: number, y: number, width: number, height: number, offset: number): number {
    const stride = strideOf(this.form);
    const rowBytes = width * bytesPerPixel;
    // Rows lie a resource's stride apart in the backing; the last one need not be padded.
    const span = stride * (height - 1) + rowBytes;
    const held = Math.min(span, backing.length - offset);
    if (held <= 0) return 0;
    const storage = this.memory();
    if (storage === null) return ENOMEM;
    this.meter.copiedBytes += held;
    const destination = storage.beginWrite(x, y, width, height);
    if (destination === 0) return EFAULT;
    const { writeStride } = storage;
    const { recording } = this.meter;
    const { id } = this.form;
    const address = storage.address + y * storage.stride + x * bytesPerPixel;
    // Rows that are there already can be left out where a replay has them too, and where they can be read.
    const isExact = recording !== null && this.isKnown && destination === address;
    const isWhole = isExact
      ? copyNewRows(recording, id, backing, offset, held, rowBytes, stride, destination, writeStride)
      : copyRows(backing, offset, held, rowBytes, stride, destination, writeStride);
    storage.endWrite();
    if (recording !== null && !isExact) {
      tellRows(recording, id, offset, held, rowBytes, stride, address, storage.stride);
    }
    this.shelf.put(this.form, storage);
    return isWhole ? 0 : EFAULT;
  }

  /** Puts `rows` of all its pixels, tightly packed, in the place of what was there. Returns an errno, or 0. */
  put(rows: Uint32Array): number {
    const { width, height, id } = this.form;
    const storage = this.memory();
    if (storage === null) return ENOMEM;
    const destination = storage.beginWrite(0, 0, width, height);
    if (destination === 0) return EFAULT;
    for (let row = 0; row < height; row++) {
      const from = rows.subarray(row * width, (row + 1) * width);
      libc.memcpy(asPointer(destination + row * storage.writeStride), ptr(from), from.byteLength);
    }
    storage.endWrite();
    this.isKnown = false;
    this.shelf.drop(id);
    return 0;
  }

  look(target: CopiedPicture): number {
    return this.copyTo(target.words) ? 0 : ENOMEM;
  }

  lend(): LentPixels | null {
    // Whoever has them may write to them.
    this.shelf.drop(this.form.id);
    this.isKnown = false;
    return this.memory()?.lend() ?? null;
  }

  /** Gives the memory away, if there is any, to whom the resource moves. */
  handOver(): Storage | null {
    const { storage } = this;
    this.shelf.drop(this.form.id);
    this.storages.budget.give(this.reserved);
    this.reserved = 0;
    this.storage = null;
    this.unread = null;
    return storage;
  }

  close(): Storage | null {
    this.withdraw();
    return this.handOver();
  }

  /** What is written here is there for everybody. */
  protected bring(): number {
    return 0;
  }

  protected current(): Storage | "blank" {
    return this.held ?? "blank";
  }

  private read(backing: Backing, storage: Storage): void {
    this.unread = null;
    this.isKnown = false;
    const { width, height } = this.form;
    const rowBytes = width * bytesPerPixel;
    const destination = storage.beginWrite(0, 0, width, height);
    if (destination === 0) return;
    const held = Math.min(rowBytes * height, backing.length);
    copyRows(backing, 0, held, rowBytes, strideOf(this.form), destination, storage.writeStride);
    storage.endWrite();
  }
}
