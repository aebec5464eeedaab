// What the guest calls its contexts, as it has said when it made them.

import { decodeRequest } from "../../transport/wire/virtio-gpu/decode.ts";
import { Command, Header, Response } from "../../transport/wire/virtio-gpu/protocol.ts";
import { Field, RecordKind, requestBytesMax } from "../runtime/tap/layout.ts";
import { type History, kindIn, slotIn } from "./history.ts";

/** The one that was made longest ago is forgotten first. */
const namesMax = 4096;

export class ContextNames {
  /** The last making of a context, and what that id was called before: it may be refused. */
  private last = { slot: 0, number: 0, id: 0, before: "" };

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

  /** Takes the record at word `at`. Returns the name of the context of a command that is taken there, "" where it has none. */
  note(at: number): string {
    const { words } = this.history;
    const kind = kindIn(words[at]!);
    if (kind === RecordKind.completed) this.settle(at);
    if (kind !== RecordKind.taken || words[at + 4]! < Header.bytes) return "";
    const id = words[at + Field.request + Header.contextId / 4]!;
    if (words[at + Field.request] === Command.CTX_CREATE) this.keep(at, id);
    return id === 0 ? "" : this.of(id);
  }

  private keep(at: number, id: number): void {
    const { words } = this.history;
    const from = words.byteOffset + (at + Field.request) * 4;
    const bytes = Math.min(words[at + 4]!, requestBytesMax);
    const { name } = decodeRequest(new Uint8Array(words.buffer, from, bytes).slice()).fields;
    if (typeof name !== "string") return;
    this.last = { slot: slotIn(words[at]!), number: words[at + Field.command]!, id, before: this.of(id) };
    this.name(id, name);
  }

  /** A command is answered: a context that is there keeps its name when another one is not made. */
  private settle(at: number): void {
    const { words } = this.history;
    const { slot, number, id, before } = this.last;
    if (words[at + Field.command] !== number || slotIn(words[at]!) !== slot) return;
    if (words[at + 4]! >= Response.ERR_UNSPEC) this.name(id, before);
    this.last = { slot: 0, number: 0, id: 0, before: "" };
  }

  private name(id: number, name: string): void {
    const { names } = this;
    names.delete(id);
    names.set(id, name);
    if (names.size > namesMax) names.delete(names.keys().next().value!);
  }
}
