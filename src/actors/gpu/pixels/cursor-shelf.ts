// Images that the guest may be about to make its cursor, where the cursor queue finds them without asking: to ask wakes two
// threads, each of which costs more than the copy.

import { asPointer, libc } from "../../../ffi/libc.ts";
import { isBgrx } from "../../../picture/pixels.ts";
import type { NativeMemory } from "../../../transport/os/native-memory.ts";
import { bytesPerPixel, cursorSize } from "../../../transport/wire/virtio-gpu/protocol.ts";
import { cursorImageBytes, Shelf, SlotState } from "../manifest.ts";
import type { Form } from "./form.ts";
import type { Storage } from "./storage/storage.ts";

/** Images that nobody has taken, one after the other, before the rest are not worth their copy. */
const unwantedMax = 16;

export class CursorShelf {
  readonly words: Int32Array;
  /** The resource in each slot, or 0. */
  private readonly resources = new Int32Array(Shelf.slots);
  private taken = 0;
  /** Nothing is put here before the guest has had a cursor. */
  private unwanted = unwantedMax;

  /** `memory` is the area "cursor-shelf". */
  constructor(private readonly memory: NativeMemory) {
    this.words = new Int32Array(memory.view(0, Shelf.words * 4));
    this.clear();
  }

  /** The guest has a cursor, so what is drawn next may be its image. */
  expect(): void {
    this.unwanted = 0;
  }

  /** Some pixels were written to `storage`, which are those of `form`. */
  put(form: Form, storage: Storage): void {
    const { id, width, height } = form;
    if (width !== cursorSize || height !== cursorSize) return;
    const slot = id % Shelf.slots;
    if (!this.isWanted() || !isPlain(form, storage)) return this.drop(id);
    if (!this.seize(slot)) return;
    this.resources[slot] = id;
    Atomics.store(this.words, Shelf.resources + slot, id);
    const target = this.memory.address + Shelf.imagesAt + slot * cursorImageBytes;
    libc.memcpy(asPointer(target), asPointer(storage.address), cursorImageBytes);
    Atomics.store(this.words, Shelf.states + slot, SlotState.full);
    this.unwanted++;
  }

  /** The resource's pixels are no longer what lies here, if anything does. */
  drop(id: number): void {
    const slot = id % Shelf.slots;
    if (this.resources[slot] !== (id | 0)) return;
    if (this.seize(slot)) Atomics.store(this.words, Shelf.states + slot, SlotState.empty);
  }

  /** Of what a predecessor has left nobody would hear that it changes. */
  private clear(): void {
    Atomics.store(this.words, Shelf.run, 0);
    for (let slot = 0; slot < Shelf.slots; slot++)
      if (this.seize(slot)) Atomics.store(this.words, Shelf.states + slot, SlotState.empty);
  }

  /** Takes a slot away from whatever lies there. Returns false while it is read: then it is the reader's to clear. */
  private seize(slot: number): boolean {
    const at = Shelf.states + slot;
    this.resources[slot] = 0;
    for (;;) {
      const state = Atomics.load(this.words, at);
      if (state === SlotState.stale) return false;
      const next = state === SlotState.reading ? SlotState.stale : SlotState.writing;
      if (Atomics.compareExchange(this.words, at, state, next) === state) return next === SlotState.writing;
    }
  }

  private isWanted(): boolean {
    const taken = Atomics.load(this.words, Shelf.taken);
    if (taken !== this.taken) {
      this.taken = taken;
      this.unwanted = 0;
    }
    return this.unwanted < unwantedMax;
  }
}

/** Whether its bytes are a cursor's as they lie there, and nobody else writes them. */
function isPlain({ format }: Form, storage: Storage): boolean {
  return isBgrx(format) && storage.stride === cursorSize * bytesPerPixel && !storage.isExported;
}
