// What all objects of the Wayland protocol have in common, and how their messages are described. The classes
// themselves are generated.

import type { WaylandConnection } from "./connection.ts";
import type { WireValue } from "./wire.ts";

/** The type of an argument (Wayland protocol, "Wire Format"). */
export interface ArgumentType {
  /** int, uint, fixed, string, object, new_id, array, fd. */
  code: "i" | "u" | "f" | "s" | "o" | "n" | "a" | "h";
  isNullable: boolean;
  /** The interface of an object or a new_id, or "" where any will do. */
  interface: string;
}

/** A request or an event; its opcode is its place among the interface's. */
export interface MessageType {
  name: string;
  /** The name of its handler. */
  handler: string;
  arguments: readonly ArgumentType[];
}

export interface Interface {
  name: string;
  /** The newest version that is spoken here. */
  version: number;
  requests: readonly MessageType[];
  events: readonly MessageType[];
}

/** A class of objects. */
export interface Named<Type extends WaylandObject> {
  new (connection: WaylandConnection, id: number, version: number): Type;
  readonly interface: Interface;
}

/** Reads descriptions such as "attach ?o=wl_buffer i i". */
export function parseMessages(descriptions: readonly string[]): MessageType[] {
  return descriptions.map((description) => {
    const [name, ...types] = description.split(" ") as [string, ...string[]];
    const handler = name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
    return { name, handler, arguments: types.map(parseArgument) };
  });
}

function parseArgument(text: string): ArgumentType {
  const [, nullable, code, target] = /^(\??)(\w)(?:=(\w+))?$/.exec(text)!;
  return { code: code as ArgumentType["code"], isNullable: nullable !== "", interface: target ?? "" };
}

export abstract class WaylandObject<Events extends object = object> {
  /** What hears of its events; the others are passed over. */
  listener: Partial<Events> = {};
  /** Whether it was destroyed: events may still be on their way, and its id is not free yet. */
  isDestroyed = false;

  constructor(
    readonly connection: WaylandConnection,
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
