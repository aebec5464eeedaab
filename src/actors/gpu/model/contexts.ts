// The guest's 3D contexts by id, with what is attached to each.

/** One context. */
export interface GpuContext {
  readonly id: number;
  /** State of the context machine; an index into its table. */
  state: number;
  /** Ids of the resources that are attached. */
  readonly resources: Set<number>;
}

export class ContextTable {
  private readonly byId = new Map<number, GpuContext>();

  constructor(private readonly countMax: number) {}

  get count(): number {
    return this.byId.size;
  }

  get hasRoom(): boolean {
    return this.byId.size < this.countMax;
  }

  get(id: number): GpuContext | undefined {
    return this.byId.get(id);
  }

  all(): IterableIterator<GpuContext> {
    return this.byId.values();
  }

  add(id: number, state: number): void {
    this.byId.set(id, { id, state, resources: new Set() });
  }

  remove(id: number): void {
    this.byId.delete(id);
  }

  /** A resource is gone: no context has it any more. */
  forget(resource: number): void {
    for (const context of this.byId.values()) context.resources.delete(resource);
  }
}
