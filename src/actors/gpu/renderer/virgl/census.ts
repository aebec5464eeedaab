// What a context has in the library: its sub-contexts, each a GL context with objects by handle.

import type { VirglResource } from "./resource.ts";

/** Objects by handle; a query's value is the resource that its result is written to, every other's null. */
type Objects = Map<number, VirglResource | null>;

export class Census {
  private readonly subContexts = new Map<number, Objects>([[0, new Map()]]);
  private current: Objects = this.subContexts.get(0)!;
  /** Objects of all sub-contexts. */
  objectCount = 0;

  /** Sub-contexts besides the context's own first one. */
  get subContextCount(): number {
    return this.subContexts.size - 1;
  }

  /** An object of that handle is replaced. */
  createObject(handle: number, queried: VirglResource | null): void {
    const { current } = this;
    const before = current.size;
    current.set(handle, queried);
    this.objectCount += current.size - before;
  }

  destroyObject(handle: number): void {
    if (this.current.delete(handle)) this.objectCount--;
  }

  /** The resource that a query's result is written to. */
  queried(handle: number): VirglResource | null {
    return this.current.get(handle) ?? null;
  }

  /** The new one is the current one; one that is there stays as it is, and is not made current. */
  createSubContext(id: number): void {
    if (this.subContexts.has(id)) return;
    this.current = new Map();
    this.subContexts.set(id, this.current);
  }

  setSubContext(id: number): void {
    this.current = this.subContexts.get(id) ?? this.current;
  }

  /** The first one stays. */
  destroySubContext(id: number): void {
    const objects = this.subContexts.get(id);
    if (id === 0 || objects === undefined) return;
    this.subContexts.delete(id);
    this.objectCount -= objects.size;
    if (this.current === objects) this.current = this.subContexts.get(0)!;
  }
}
