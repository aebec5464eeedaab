// What a filter holds for among records of commands.

import type { FieldValue } from "../../transport/wire/virtio-gpu/decode.ts";
import { type CommandFilter, type Filterable, parseFilter } from "../command-filter.ts";
import type { CommandRecord } from "./feed.ts";

export interface Filter {
  (command: CommandRecord): boolean;
  /** What of it shows by a command's type, number, queue and flags alone, and whether that is all of it. */
  readonly early: CommandFilter;
  readonly isEarly: boolean;
}

const isEarly = (word: string): boolean => /^(?:fenced$|(?:type|queue|id):)/.test(word);

/**
 * What waits at `nowNs` has waited until then; where nobody asks for what goes on, 0 will do. Throws a {@link Refusal} that
 * names the word that makes no sense.
 */
export function recordFilter(text: string, nowNs = 0): Filter {
  const filter = parseFilter(text);
  const view = new RecordView(nowNs);
  const words = text.split(/\s+/).filter((word) => word !== "");
  return Object.assign((command: CommandRecord) => filter.holds(view.of(command)), {
    early: parseFilter(words.filter(isEarly).join(" ")),
    isEarly: words.every(isEarly),
  });
}

/** One record after the other, as filters see it. */
class RecordView implements Filterable {
  private command!: CommandRecord;

  constructor(private readonly nowNs: number) {}

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
    const { takenNs, completedNs } = this.command;
    return completedNs > 0 ? completedNs - takenNs : 0;
  }

  get waitedNs(): number {
    const { waitsFor, parkedNs, completedNs, lostNs } = this.command;
    return waitsFor > 0 ? Math.max(0, (completedNs || lostNs || this.nowNs) - parkedNs) : 0;
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
