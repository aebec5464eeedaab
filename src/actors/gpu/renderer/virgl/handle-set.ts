// A set of handles, which are 32-bit numbers other than 0, each with a weight: guests make and destroy objects all the time, and a Map would
// make garbage with each few.

const emptyShift = 28;

/** Open addressing with linear probing; what is deleted leaves no mark, so that nothing has to be built anew. */
export class HandleSet {
  size = 0;
  /** Of all that are there. */
  weight = 0;
  private keys = new Uint32Array(2 ** (32 - emptyShift));
  /** Where each key is, its weight. */
  private weights = new Uint32Array(this.keys.length);
  /** The bits of a product that are left out of a place. */
  private shift = emptyShift;

  /** Returns whether it was not there; what was has the new weight, or with `isMore` that too. 0 is never there. */
  add(handle: number, weight: number, isMore: boolean): boolean {
    if (handle === 0) return false;
    const at = this.find(handle);
    const isNew = this.keys[at] !== handle;
    const before = isNew ? 0 : this.weights[at]!;
    this.weights[at] = isMore ? before + weight : weight;
    this.weight += this.weights[at]! - before;
    if (!isNew) return false;
    this.keys[at] = handle;
    if (++this.size * 2 > this.keys.length) this.grow();
    return true;
  }

  /** Returns whether it was there. */
  delete(handle: number): boolean {
    if (handle === 0) return false;
    const { keys, weights } = this;
    const mask = keys.length - 1;
    let gap = this.find(handle);
    if (keys[gap] === 0) return false;
    this.size--;
    this.weight -= weights[gap]!;
    // Those behind move up, unless they would come before their own place.
    for (let at = (gap + 1) & mask; keys[at] !== 0; at = (at + 1) & mask) {
      const own = this.placeOf(keys[at]!);
      if (((at - own) & mask) < ((at - gap) & mask)) continue;
      keys[gap] = keys[at]!;
      weights[gap] = weights[at]!;
      gap = at;
    }
    keys[gap] = 0;
    return true;
  }

  /** Where the handle is, or would be. */
  private find(handle: number): number {
    const { keys } = this;
    const mask = keys.length - 1;
    let at = this.placeOf(handle);
    while (keys[at] !== 0 && keys[at] !== handle) at = (at + 1) & mask;
    return at;
  }

  private placeOf(handle: number): number {
    return Math.imul(handle, 0x9e37_79b1) >>> this.shift;
  }

  private grow(): void {
    const { keys, weights } = this;
    this.keys = new Uint32Array(keys.length * 2);
    this.weights = new Uint32Array(keys.length * 2);
    this.shift--;
    for (let at = 0; at < keys.length; at++) {
      if (keys[at] === 0) continue;
      const place = this.find(keys[at]!);
      this.keys[place] = keys[at]!;
      this.weights[place] = weights[at]!;
    }
  }
}
