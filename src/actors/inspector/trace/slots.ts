// Slots: what goes on at once lies on tracks beside each other, since slices of one track must nest.

/** As many as a ring of the guest's may have commands in flight. */
const slotsMax = 1024;

export interface Slot {
  readonly number: number;
  /** When the last one that had it ended; Infinity while it is taken. */
  freeNs: number;
}

export class Slots {
  private readonly slots: Slot[] = [];

  /** Takes the first that is free since `ns`; null where there are too many. */
  take(ns: number): Slot | null {
    let slot = this.slots.find(({ freeNs }) => freeNs <= ns);
    if (slot === undefined) {
      if (this.slots.length === slotsMax) return null;
      slot = { number: this.slots.length, freeNs: 0 };
      this.slots.push(slot);
    }
    slot.freeNs = Infinity;
    return slot;
  }
}
