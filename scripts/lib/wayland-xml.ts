// Reads a Wayland protocol's XML: interfaces with their requests, events and enums. Descriptions are left out.

export interface Argument {
  name: string;
  /** int, uint, fixed, string, object, new_id, array or fd. */
  type: string;
  /** Of an object or a new_id; a new_id without one is told by name and version (wl_registry.bind). */
  interface: string | undefined;
  isNullable: boolean;
}

export interface Message {
  name: string;
  since: number;
  isDestructor: boolean;
  arguments: Argument[];
}

export interface Enum {
  name: string;
  entries: { name: string; value: string; since: number }[];
}

export interface Interface {
  name: string;
  requests: Message[];
  events: Message[];
  enums: Enum[];
}

/** The interfaces of a protocol by name. */
export function readProtocol(xml: string): Map<string, Interface> {
  const interfaces = new Map<string, Interface>();
  let current: Interface | undefined;
  let message: Message | undefined;
  let choice: Enum | undefined;
  for (const [, tag, attributes] of withoutComments(xml).matchAll(/<(\w+)((?:\s+[\w-]+="[^"]*")*)\s*\/?>/g)) {
    const values = attributesOf(attributes!);
    const name = values.get("name")!;
    const since = Number(values.get("since") ?? 1);
    switch (tag) {
      case "interface":
        current = { name, requests: [], events: [], enums: [] };
        interfaces.set(name, current);
        break;
      case "request":
      case "event":
        message = { name, since, isDestructor: values.get("type") === "destructor", arguments: [] };
        current![`${tag}s`].push(message);
        break;
      case "arg":
        message!.arguments.push({
          name,
          type: values.get("type")!,
          interface: values.get("interface"),
          isNullable: values.get("allow-null") === "true",
        });
        break;
      case "enum":
        choice = { name, entries: [] };
        current!.enums.push(choice);
        break;
      case "entry":
        choice!.entries.push({ name, since, value: values.get("value")! });
    }
  }
  return interfaces;
}

const withoutComments = (xml: string): string => xml.replaceAll(/<!--.*?-->/gs, "");

const attributesOf = (text: string): Map<string, string> =>
  new Map([...text.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, name, value]) => [name!, value!]));
