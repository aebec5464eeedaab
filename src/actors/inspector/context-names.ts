// What the guest calls its contexts, as it has said when it made them.

import { decodeRequest } from "../../transport/wire/virtio-gpu/decode.ts";
import { Command, Header } from "../../transport/wire/virtio-gpu/protocol.ts";
import { Field, requestBytesMax } from "../runtime/tap/layout.ts";
import type { History } from "./history.ts";

/** The one that was made longest ago is forgotten first. */
const namesMax = 4096;

export class ContextNames {
  constructor(
    private readonly history: History,
    private readonly names = new Map<number, string>(),
  ) {}

  /** "" where the making of that context was not seen. */
  of(id: number): string {
    return this.names.get(id) ?? "";
  }

  /** For commands of the past: what is known now, until the history says otherwise. */
  copy(): ContextNames {
    return new ContextNames(this.history, new Map(this.names));
  }

  /** Returns the name of the context of the command whose taking is recorded at word `at`, "" where it has none. */
  note(at: number): string {
    const { words } = this.history;
    if (words[at + 4]! < Header.bytes) return "";
    const id = words[at + Field.request + Header.contextId / 4]!;
    if (words[at + Field.request] === Command.CTX_CREATE) this.keep(at, id);
    return id === 0 ? "" : this.of(id);
  }

  private keep(at: number, id: number): void {
    const { words, names } = { words: this.history.words, names: this.names };
    const bytes = words.byteOffset + (at + Field.request) * 4;
    const { name } = decodeRequest(new Uint8Array(words.buffer, bytes, requestBytesMax).slice()).fields;
    if (typeof name !== "string") return;
    names.delete(id);
    names.set(id, name);
    if (names.size > namesMax) names.delete(names.keys().next().value!);
  }
}
