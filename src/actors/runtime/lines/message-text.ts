// A message as text: what goes over a line between processes.
//
// JSON by the engine: half the time of MessagePack, no memory an actor, and what comes out of a hostile process is plain
// objects of plain values, whatever it wrote.

import type { ActorName, Inbox } from "../../registry.ts";

type Message = Inbox[ActorName];
/** Whether something of this type has bytes in it, at any depth. */
type HasBytes<T> = T extends ArrayBufferView
  ? true
  : T extends object
    ? true extends { [Key in keyof T]: HasBytes<T[Key]> }[keyof T]
      ? true
      : false
    : false;
type Bringing = Message extends infer M
  ? M extends { type: infer Type extends string }
    ? true extends HasBytes<M>
      ? Type
      : never
    : never
  : never;

/** Messages that have bytes in them; the compiler finds one that is missing here. */
const bytesBringing: Readonly<Record<Bringing, true>> = {
  "break-changed": true,
  edid: true,
  offer: true,
};
const bringing: ReadonlySet<unknown> = new Set(Object.keys(bytesBringing));
const bytesKey = "base64";

export function textOf(message: object): string {
  const hasBytes = bringing.has((message as { type?: unknown }).type);
  return JSON.stringify(message, hasBytes ? bytesAsText : undefined);
}

/** Throws a SyntaxError where it is no JSON. */
export function messageOf(text: string): object | null {
  const message: unknown = JSON.parse(text);
  if (typeof message !== "object" || message === null || Array.isArray(message)) return null;
  const hasBytes = bringing.has((message as { type?: unknown }).type);
  return hasBytes ? (JSON.parse(text, textAsBytes) as object) : message;
}

function bytesAsText(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return { [bytesKey]: value.toBase64() };
  if (ArrayBuffer.isView(value)) throw new TypeError("of arrays of one kind of number only bytes are sent");
  return value;
}

function textAsBytes(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || !(bytesKey in value)) return value;
  const text = value[bytesKey];
  return typeof text === "string" ? Uint8Array.fromBase64(text) : value;
}
