// How the messages of the Wayland protocol are described: interfaces, their requests and events, and the arguments of each.

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
