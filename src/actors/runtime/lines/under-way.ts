// Descriptors in messages that the receiver has not taken yet: the sender's, should the receiver die first.

import { closeFd } from "../../../transport/os/fds.ts";
import type { ActorName, Inbox } from "../../registry.ts";

type Message = Inbox[ActorName];
/** Of a message that has them, the names of fields that hold descriptors. */
type Descriptors<M> = Extract<keyof M, "fd" | `${string}Fd` | "regions">;
/** The compiler finds one that is missing here, or brings none any more. */
type Bringing = Message extends infer M
  ? M extends { type: infer Type extends string }
    ? [Descriptors<M>] extends [never]
      ? never
      : Type
    : never
  : never;

const isBringing: Readonly<Record<Bringing, true>> = {
  "add-dmabuf-surface": true,
  "add-guest-surface": true,
  "add-surface": true,
  "ask-mapping": true,
  "ask-recording-stream": true,
  "ask-restore": true,
  "ask-stream": true,
  buffer: true,
  cursors: true,
  fence: true,
  listen: true,
  "log-pages": true,
  "map-memory": true,
  picture: true,
  pixels: true,
  "set-ring-call": true,
  "set-ring-err": true,
  snapshot: true,
  "start-ring": true,
  "start-trace": true,
  state: true,
  "take-vmm-socket": true,
};
/** Messages that bring descriptors: in fields named `fd`, or ending in `Fd`, or in those of `regions`. */
const bringing: ReadonlySet<unknown> = new Set(Object.keys(isBringing));

const none: readonly number[] = [];

/** The parts of a message whose fields may be descriptors. */
function bearersIn(message: object): readonly Record<string, unknown>[] {
  // The runtime's own.
  if ("line" in message) return [message.line as Record<string, unknown>];
  if (!("type" in message) || !bringing.has(message.type)) return [];
  return "regions" in message && Array.isArray(message.regions)
    ? (message.regions as Record<string, unknown>[])
    : [message as Record<string, unknown>];
}

const isDescriptor = (key: string, value: unknown): value is number =>
  (key === "fd" || key.endsWith("Fd")) && typeof value === "number" && value >= 0;

/** The descriptors that a message gives to its receiver. */
export function descriptorsIn(message: object): readonly number[] {
  const bearers = bearersIn(message);
  if (bearers.length === 0) return none;
  return bearers.flatMap((bearer) =>
    Object.entries(bearer).flatMap(([key, value]) => (isDescriptor(key, value) ? [value] : [])),
  );
}

/** Puts `fds`, in the order of {@link descriptorsIn}, in the place of the sender's numbers; returns whether they are as many. */
export function replaceDescriptors(message: object, fds: readonly number[]): boolean {
  let next = 0;
  for (const bearer of bearersIn(message)) {
    if (typeof bearer !== "object" || bearer === null) return false;
    for (const [key, value] of Object.entries(bearer)) {
      if (isDescriptor(key, value)) bearer[key] = fds[next++] ?? -1;
    }
  }
  return next === fds.length;
}

export class UnderWay {
  /** Oldest first; `number` counts the messages to this receiver, modulo 2^32. */
  private readonly messages: { number: number; fds: readonly number[] }[] = [];

  /** Remembers what message `number` brings, and forgets those that were taken: all up to `taken`. */
  add(number: number, fds: readonly number[], taken: number): void {
    this.forget(taken);
    this.messages.push({ number, fds });
  }

  /** The receiver is gone, and has taken all up to `taken`. */
  close(taken: number): void {
    this.forget(taken);
    for (const { fds } of this.messages.splice(0)) fds.forEach(closeFd);
  }

  private forget(taken: number): void {
    const untaken = this.messages.findIndex(({ number }) => ((number - taken) | 0) > 0);
    this.messages.splice(0, untaken < 0 ? this.messages.length : untaken);
  }
}
