// What all objects of the Wayland protocol have in common. The classes themselves are generated.

import type { Interface } from "./descriptions.ts";
import type { WireValue } from "./wire.ts";

/** What an object needs of the connection that it belongs to. */
export interface ObjectConnection {
  /** Makes an object that the next request must tell the compositor of. */
  create<Type extends WaylandObject>(type: Named<Type>, version: number): Type;
  /** Queues a request. Descriptors among `values` stay the caller's. */
  request(object: WaylandObject, opcode: number, values: readonly (WireValue | WaylandObject | null)[]): void;
}

/** A class of objects. */
export interface Named<Type extends WaylandObject> {
  new (connection: ObjectConnection, id: number, version: number): Type;
  readonly interface: Interface;
}

export abstract class WaylandObject<Events extends object = object> {
  /** What hears of its events; the others are passed over. */
  listener: Partial<Events> = {};
  /** Whether it was destroyed: events may still be on their way, and its id is not free yet. */
  isDestroyed = false;

  constructor(
    readonly connection: ObjectConnection,
    readonly id: number,
    readonly version: number,
  ) {}

  get interface(): Interface {
    return (this.constructor as unknown as Named<WaylandObject>).interface;
  }

  protected request(opcode: number, values: readonly (WireValue | WaylandObject | null)[] = []): void {
    this.connection.request(this, opcode, values);
  }

  /** A request that destroys the object. */
  protected requestEnd(opcode: number): void {
    this.request(opcode);
    this.isDestroyed = true;
  }
}
