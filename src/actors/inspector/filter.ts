// What a filter holds for among records of commands.

import type { FieldValue } from "../../transport/wire/virtio-gpu/decode.ts";
import { type Filterable, parseFilter } from "../command-filter.ts";
import type { CommandRecord } from "./feed.ts";

export type Filter = (command: CommandRecord) => boolean;

/** Throws a {@link Refusal} that names the word that makes no sense. */
export function recordFilter(text: string): Filter {
  const filter = parseFilter(text);
  const view = new RecordView();
  return (command) => filter.holds(view.of(command));
}

/** One record after the other, as filters see it. */
class RecordView implements Filterable {
  private command!: CommandRecord;

  of(command: CommandRecord): this {
    this.command = command;
    return this;
  }

  get queue(): string {
    return this.command.queue;
  }

  get number(): number {
    return Number(this.command.id.slice(this.command.queue.length + 1));
  }

  get type(): string {
    return this.command.type;
  }

  get isFenced(): boolean {
    return this.command.flags.includes("FENCE");
  }

  get isError(): boolean {
    return this.command.response.startsWith("ERR_");
  }

  get ranNs(): number {
    return this.command.completedNs - this.command.takenNs;
  }

  get waitedNs(): number {
    const { waitsFor, parkedNs, completedNs } = this.command;
    return waitsFor > 0 ? completedNs - parkedNs : 0;
  }

  get contextName(): string {
    return this.command.contextName;
  }

  get writes(): CommandRecord["writes"] {
    return this.command.writes;
  }

  field(name: string): FieldValue | undefined {
    return this.command.fields[name];
  }
}
