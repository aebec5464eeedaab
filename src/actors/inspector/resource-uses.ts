// When each resource was made, whether it was shown, and which command named it last: what no history that is bounded remembers,
// nor whoever makes it again in the place of a ctrl queue that has died.

import { requestName, resourceIdAt } from "../../transport/wire/virtio-gpu/decode.ts";
import { Command } from "../../transport/wire/virtio-gpu/protocol.ts";
import { Field, RecordKind } from "../runtime/tap/layout.ts";
import type { ResourceRecord } from "./feed.ts";
import { type History, kindIn, slotIn } from "./history.ts";
import type { TapReader } from "./tap-reader.ts";

/** Resources that are remembered; beyond, the one that was named longest ago is forgotten. */
const usesMax = 65_536;

interface Use {
  createdNs: number;
  wasShown: boolean;
  usedNs: number;
  /** Of the command; 0 where none was seen. */
  slot: number;
  number: number;
  type: number;
}

type Told = Pick<ResourceRecord, "createdNs" | "wasShown" | "usedNs" | "usedBy" | "usedType">;

export class ResourceUses {
  private readonly uses = new Map<number, Use>();
  /** Where the ids of resources are, by command types. */
  private readonly places = new Map<number, number>();

  constructor(
    private readonly history: History,
    private readonly readers: readonly TapReader[],
  ) {}

  /** Takes the kept record at word `at`. */
  add(at: number): void {
    const { words } = this.history;
    const kind = kindIn(words[at]!);
    if (kind === RecordKind.taken) this.take(at);
    else if (kind === RecordKind.wrote) this.use(words[at + Field.first]!, at, Command.SUBMIT_3D);
    else if (kind === RecordKind.moved) this.move(at);
    else if (kind === RecordKind.shown) this.show(at);
  }

  /** What is known of resource `id`, which the display has or not; of one that no command was seen to name, the time counts from now on. */
  of(id: number, ns: number, isAtDisplay: boolean): Told {
    const use = this.useOf(id, ns);
    use.wasShown ||= isAtDisplay;
    const { createdNs, wasShown, usedNs, slot, number, type } = use;
    const isKnown = number !== 0;
    const usedBy = isKnown ? `${this.readers[slot]!.actor}:${number}` : "";
    return { createdNs, wasShown, usedNs, usedBy, usedType: isKnown ? requestName(type) : "" };
  }

  private take(at: number): void {
    const { words } = this.history;
    const type = words[at + Field.request]!;
    let place = this.places.get(type);
    if (place === undefined) {
      place = resourceIdAt(type);
      if (place >= 0) this.places.set(type, place);
    }
    if (place < 0 || words[at + 4]! < place + 4) return;
    this.use(words[at + Field.request + place / 4]!, at, type);
  }

  /** The command of the record at word `at` names a resource, or writes to it. */
  private use(id: number, at: number, type: number): void {
    if (id === 0) return;
    const { words } = this.history;
    const slot = slotIn(words[at]!);
    const number = words[at + Field.command]!;
    const usedNs = this.history.timeAt(at);
    Object.assign(this.useOf(id, usedNs), { usedNs, slot, number, type });
  }

  /** A resource begins its life, or ends it; its command was taken before. */
  private move(at: number): void {
    const { words } = this.history;
    const reader = this.readers[slotIn(words[at]!)]!;
    if (reader.machine(words[at + Field.first]!)?.name !== "resource") return;
    const [from, to, id] = [words[at + 5]!, words[at + 7]!, words[at + 8]!];
    if (to === 0) this.uses.delete(id);
    // What no command makes is made again, and no newer than it was.
    if (from !== 0 || words[at + Field.command] === 0) return;
    const use = this.uses.get(id);
    if (use !== undefined) Object.assign(use, { createdNs: this.history.timeAt(at), wasShown: false });
  }

  /** The display is told of a scanout that shows a resource, or of none. */
  private show(at: number): void {
    const id = this.history.words[at + 6]!;
    if (id !== 0) this.useOf(id, this.history.timeAt(at)).wasShown = true;
  }

  /** What is known of it, which is nothing but this moment where it was not seen before. */
  private useOf(id: number, ns: number): Use {
    const known = this.uses.get(id);
    if (known !== undefined) return known;
    const use: Use = { createdNs: 0, wasShown: false, usedNs: ns, slot: 0, number: 0, type: 0 };
    this.uses.set(id, use);
    if (this.uses.size > usesMax) this.uses.delete(this.uses.keys().next().value!);
    return use;
  }
}
