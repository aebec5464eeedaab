// Images of cursors that the ctrl queue has laid ready, taken without asking it.

import { toArrayBuffer } from "bun:ffi";
import { asPointer, libc } from "../../ffi/libc.ts";
import type { NativeMemory } from "../../transport/os/native-memory.ts";
import type { MemoryMap } from "../../transport/virtio/memory-map.ts";
import { cursorImageBytes, Shelf, SlotState } from "../gpu/manifest.ts";

export class CursorShelf {
  private readonly words: Int32Array;
  /** The ctrl queue's avail index in guest memory, as it was found for {@link run}. */
  private avail: Uint16Array | null = null;
  private run = 0;

  /** `shelf` is the area "cursor-shelf", `images` the pool; both are this object's to unmap. */
  constructor(
    private readonly shelf: NativeMemory,
    private readonly images: NativeMemory,
    private readonly guest: MemoryMap,
  ) {
    this.words = new Int32Array(shelf.view(0, Shelf.words * 4));
    // A predecessor that crashed may have been reading.
    for (let slot = 0; slot < Shelf.slots; slot++) this.release(slot, SlotState.empty);
  }

  /**
   * Copies the image of `resource` to slot `to` of the pool, as the guest's commands have left it that were sent before. Returns
   * false where that is not known: the ctrl queue has to be asked.
   */
  copy(resource: number, to: number): boolean {
    if (!this.isUpToDate()) return false;
    const slot = resource % Shelf.slots;
    const { words } = this;
    const { full, reading } = SlotState;
    if (Atomics.compareExchange(words, Shelf.states + slot, full, reading) !== full) return false;
    const isIt = Atomics.load(words, Shelf.resources + slot) === (resource | 0);
    if (isIt) {
      const from = this.shelf.address + Shelf.imagesAt + slot * cursorImageBytes;
      const target = this.images.address + to * cursorImageBytes;
      libc.memcpy(asPointer(target), asPointer(from), cursorImageBytes);
    }
    if (!this.release(slot, full) || !isIt) return false;
    Atomics.add(words, Shelf.taken, 1);
    return true;
  }

  /** Guest memory is about to be unmapped. */
  memoryChanging(): void {
    this.avail = null;
  }

  close(): void {
    this.shelf.unmap();
    this.images.unmap();
  }

  /** Whether the ctrl queue has run all that the guest had sent it before. */
  private isUpToDate(): boolean {
    const { words } = this;
    const run = Atomics.load(words, Shelf.run);
    if (run === 0) return false;
    if (run !== this.run) this.avail = null;
    this.run = run;
    this.avail ??= this.find();
    if (this.avail === null) return false;
    const offered = Atomics.load(this.avail, 0);
    return Atomics.load(words, Shelf.reached) === offered && Atomics.load(words, Shelf.run) === run;
  }

  private find(): Uint16Array | null {
    const low = Atomics.load(this.words, Shelf.availLow) >>> 0;
    const high = Atomics.load(this.words, Shelf.availHigh) >>> 0;
    const host = this.guest.translateRange(high * 2 ** 32 + low, 2);
    return host === 0 || host % 2 !== 0 ? null : new Uint16Array(toArrayBuffer(asPointer(host), 0, 2));
  }

  /** Has read a slot, which is `then` afterwards. Returns false where its pixels changed meanwhile: it is empty. */
  private release(slot: number, then: number): boolean {
    const at = Shelf.states + slot;
    const { reading, stale, empty } = SlotState;
    if (Atomics.compareExchange(this.words, at, reading, then) === reading) return true;
    Atomics.compareExchange(this.words, at, stale, empty);
    return false;
  }
}
