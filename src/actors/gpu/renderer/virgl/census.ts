// What a context has in the library: its sub-contexts, each a GL context with objects by handle.

import { HandleSet } from "./handle-set.ts";
import type { VirglResource } from "./resource.ts";

class SubContext {
  readonly objects = new HandleSet();
  /** The resource that a query's result is written to, by the query's handle. */
  readonly queried = new Map<number, VirglResource>();
  /** Each set of streamout targets that was ever set, by its handles: the library never forgets one. */
  readonly streamouts: Uint32Array[] = [];
}

/** What all contexts have together. */
export class Tally {
  /** GL contexts: one for each sub-context, a context's own first one included. */
  glContexts = 0;
  objects = 0;
  /** Words of the streams that objects were made of, shaders' texts above all: the library keeps what it makes of them. */
  objectWords = 0;
}

export class Census {
  private readonly subContexts = new Map([[0, new SubContext()]]);
  private current = this.subContexts.get(0)!;
  /** Objects of all sub-contexts. */
  objectCount = 0;
  private objectWords = 0;

  /** Counts in `tally` too, until {@link close}. */
  constructor(private readonly tally: Tally) {
    tally.glContexts++;
  }

  /** The context is gone, with all that it had. */
  close(): void {
    this.tally.glContexts -= this.subContexts.size;
    this.tally.objects -= this.objectCount;
    this.tally.objectWords -= this.objectWords;
  }

  /** Sub-contexts besides the context's own first one. */
  get subContextCount(): number {
    return this.subContexts.size - 1;
  }

  /**
   * Replaces an object of that handle, or goes on with it where the words are more of a shader. `queried`: the resource of a
   * query, null of everything else.
   */
  createObject(handle: number, words: number, isMore: boolean, queried: VirglResource | null): void {
    const { current } = this;
    const { objects } = current;
    const before = objects.weight;
    this.count(objects.add(handle, words, isMore) ? 1 : 0, objects.weight - before);
    if (queried !== null) current.queried.set(handle, queried);
    else if (current.queried.size > 0) current.queried.delete(handle);
  }

  destroyObject(handle: number): void {
    const { current } = this;
    const { objects } = current;
    const before = objects.weight;
    if (objects.delete(handle)) this.count(-1, objects.weight - before);
    if (current.queried.size > 0) current.queried.delete(handle);
  }

  /** The resource that a query's result is written to. */
  queried(handle: number): VirglResource | null {
    return this.current.queried.get(handle) ?? null;
  }

  /** The handles of streamout targets, if any, are `words` from `from` to `to`: an object of the library's, unless it has that set. */
  setStreamout(words: Uint32Array, from: number, to: number): void {
    if (from >= to) return;
    const { streamouts } = this.current;
    for (const known of streamouts) if (isSame(known, words, from, to)) return;
    const handles = new Uint32Array(to - from);
    for (let at = 0; at < handles.length; at++) handles[at] = words[from + at]!;
    streamouts.push(handles);
    this.count(1, to - from);
  }

  /** The new one is the current one; one that is there stays as it is, and is not made current. */
  createSubContext(id: number): void {
    if (this.subContexts.has(id)) return;
    this.current = new SubContext();
    this.subContexts.set(id, this.current);
    this.tally.glContexts++;
  }

  setSubContext(id: number): void {
    this.current = this.subContexts.get(id) ?? this.current;
  }

  /** The first one stays. */
  destroySubContext(id: number): void {
    const gone = this.subContexts.get(id);
    if (id === 0 || gone === undefined) return;
    this.subContexts.delete(id);
    this.tally.glContexts--;
    this.count(-gone.objects.size, -gone.objects.weight);
    for (const { length } of gone.streamouts) this.count(-1, -length);
    if (this.current === gone) this.current = this.subContexts.get(0)!;
  }

  private count(objects: number, words: number): void {
    const { tally } = this;
    this.objectCount += objects;
    this.objectWords += words;
    tally.objects += objects;
    tally.objectWords += words;
  }
}

function isSame(known: Uint32Array, words: Uint32Array, from: number, to: number): boolean {
  if (known.length !== to - from) return false;
  for (let at = 0; at < known.length; at++) if (known[at] !== words[from + at]) return false;
  return true;
}
