// A tap without a worker, and what it has written.

import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import {
  countsAt,
  countsMax,
  Field,
  Head,
  headerBytes,
  machineWords,
  RecordKind,
  recordsMax,
  recordWords,
  tapBytes,
} from "../../src/actors/runtime/tap/layout.ts";
import { NameTable } from "../../src/actors/runtime/tap/names.ts";
import { untoldIn, untoldKindOf } from "../../src/actors/runtime/tap/thinning.ts";
import { Tap } from "../../src/actors/runtime/tap/tap.ts";

export interface Seen {
  kind: keyof typeof RecordKind;
  command: number;
  time: number;
  /** Words from {@link Field.first} on. */
  words: number[];
}

const kinds = new Map(Object.entries(RecordKind).map(([name, number]) => [number as number, name]));

export class TestTap {
  private readonly memory = NativeMemory.allocate(tapBytes);
  readonly tap = new Tap(this.memory);
  private readonly head = new Uint32Array(this.memory.view(0, 1024));
  private readonly ring = new Uint32Array(this.memory.view(headerBytes));
  private readonly doubles = new Float64Array(this.memory.view(headerBytes));
  private readonly counts = new Uint32Array(this.memory.view(countsAt, countsMax * 4));
  private readonly table = new NameTable(this.memory);

  constructor() {
    this.switch(true);
  }

  switch(isOn: boolean): void {
    Atomics.store(this.head, Head.on, isOn ? 1 : 0);
    this.tap.look();
  }

  get dropped(): number {
    return this.head[Head.dropped]!;
  }

  /** How many commands of a type were counted only. */
  untold(type: number): number {
    return untoldIn(this.head)[untoldKindOf(type)]!;
  }

  name(number: number): string {
    return this.table.nameOf(number);
  }

  /** How often `event` came in `state` of a machine, by the numbers of its table. */
  count(machine: number, state: number, event: number): number {
    const at = Head.machineTable + machine * machineWords;
    return this.counts[this.head[at + 1]! + state * this.head[at + 3]! + event]!;
  }

  /** All records since the last call. */
  take(...wanted: (keyof typeof RecordKind)[]): Seen[] {
    this.tap.show();
    const seen: Seen[] = [];
    const { head, ring, doubles } = this;
    for (let at = head[Head.taken]!; at !== head[Head.written]; at = (at + 1) >>> 0) {
      const first = (at & (recordsMax - 1)) * recordWords;
      seen.push({
        kind: kinds.get(ring[first]!) as Seen["kind"],
        command: ring[first + Field.command]!,
        time: doubles[(first + Field.time) / 2]!,
        words: [...ring.subarray(first + Field.first, first + recordWords)],
      });
    }
    Atomics.store(head, Head.taken, head[Head.written]!);
    Atomics.add(head, Head.looks, 1);
    return wanted.length === 0 ? seen : seen.filter(({ kind }) => wanted.includes(kind));
  }

  /** Takes every record as it comes, as nobody does who has a ring to empty, until what it returns is called. */
  keepEmpty(): () => void {
    const { head } = this;
    const original = this.tap.show.bind(this.tap);
    this.tap.show = () => {
      original();
      Atomics.store(head, Head.taken, head[Head.written]!);
      Atomics.add(head, Head.looks, 1);
    };
    return () => (this.tap.show = original);
  }

  close(): void {
    this.tap.close();
  }
}
