// Death at any moment, as a process has it: an actor dies between two of the words that it stores for others. All that outlives
// it, and all that others see of it, is written by such stores in the end.

/** What whoever is doomed dies of. */
class Death extends Error {
  override name = "Death";

  constructor() {
    super("killed by request amid what it did");
  }
}

let doom: Doom | null = null;
const { store } = Atomics;

Atomics.store = ((words: Int32Array, index: number, value: number): number => {
  if (doom === null || !doom.isNear()) return store(words, index, value);
  // What lies between this store and the next is done or not.
  if (doom.isLate) store(words, index, value);
  throw new Death();
}) as typeof Atomics.store;

/** `words` of an actor's own that outlive it, into which it writes without atomics: such a write is a store, too. */
export function watched<Words extends Uint8Array | Uint16Array | Uint32Array | Int32Array>(
  words: Words,
): Words {
  return new Proxy(words, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
    set(target, name, value: number) {
      Atomics.store(target, Number(name), value);
      return true;
    },
  });
}

/** Whose stores are counted from now on; null where nobody is to die. */
export function watchStores(whose: Doom | null): void {
  doom = whose;
}

export class Doom {
  /** Whether it strikes right behind a store, and not before it. */
  isLate = false;
  private left = -1;

  /** `isTurn`: whether that actor runs now, and may die. */
  constructor(private readonly isTurn: () => boolean) {}

  get isSet(): boolean {
    return this.left >= 0;
  }

  /** That actor dies at the store after the next `count` of its own. */
  set(count: number, isLate: boolean): void {
    this.left = count;
    this.isLate = isLate;
  }

  lift(): void {
    this.left = -1;
  }

  /** Counts a store; returns whether it is the one. */
  isNear(): boolean {
    return this.left >= 0 && this.isTurn() && this.left-- === 0;
  }
}
