// Names that records refer to by number, such as those of messages: each is written once, where no record can lose it.

import type { NativeMemory } from "../../../transport/os/native-memory.ts";
import { Head, nameBytes, namesAt, namesMax } from "./layout.ts";

export class NameTable {
  private readonly head: Uint32Array;
  private readonly bytes: Uint8Array;
  private readonly numbers = new Map<string, number>();
  /** Names that there are: what the memory says may be anybody's. */
  private count: number;

  /** Of the tap at byte `at` of `memory`, with the names that a predecessor has written. */
  constructor(memory: NativeMemory, at = 0) {
    this.head = new Uint32Array(memory.view(at, namesAt));
    this.bytes = new Uint8Array(memory.view(at + namesAt, namesMax * nameBytes));
    this.count = Math.min(this.head[Head.names]!, namesMax);
    for (let number = 0; number < this.count; number++) this.numbers.set(this.nameOf(number), number);
  }

  /** The number of a name, which is added to the table the first time; the last one's where there is no room. */
  numberOf(name: string): number {
    const known = this.numbers.get(name);
    if (known !== undefined) return known;
    const number = Math.min(this.count, namesMax - 1);
    const at = number * nameBytes;
    const length = Math.min(name.length, nameBytes - 1);
    this.bytes[at] = length;
    for (let index = 0; index < length; index++) this.bytes[at + 1 + index] = name.charCodeAt(index) & 0xff;
    this.numbers.set(name, number);
    this.count = number + 1;
    Atomics.store(this.head, Head.names, this.count);
    return number;
  }

  nameOf(number: number): string {
    const at = number * nameBytes;
    const length = this.bytes[at]!;
    let name = "";
    for (let index = 1; index <= length; index++) name += String.fromCharCode(this.bytes[at + index]!);
    return name;
  }
}
