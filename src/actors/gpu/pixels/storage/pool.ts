// Small storages that were freed, for guests that create resources all the time: a new one costs several system calls
// and a page fault a page, which is more than to clear an old one. For large ones it is not.

export interface Poolable {
  readonly size: number;
  /** It becomes another resource's. */
  reuse(): void;
  destroy(): void;
}

const storageBytesMax = 256 * 1024;
const bytesMax = 4 * 1024 * 1024;

export class Pool<Item extends Poolable> {
  private readonly bySize = new Map<number, Item[]>();
  private bytes = 0;

  take(size: number): Item | undefined {
    const item = this.bySize.get(size)?.pop();
    if (item === undefined) return undefined;
    this.bytes -= size;
    item.reuse();
    return item;
  }

  /** Returns false when there is no room for it. */
  give(item: Item): boolean {
    const { size } = item;
    if (size > storageBytesMax || this.bytes + size > bytesMax) return false;
    const items = this.bySize.get(size);
    if (items === undefined) this.bySize.set(size, [item]);
    else items.push(item);
    this.bytes += size;
    return true;
  }

  empty(): void {
    for (const items of this.bySize.values()) for (const item of items) item.destroy();
    this.bySize.clear();
    this.bytes = 0;
  }
}
