// Classic BPF as seccomp runs it: instructions, and an assembler that fills in how far its jumps go.

/** Offsets in what a filter reads, struct seccomp_data. */
export const seccompData = {
  nr: 0,
  arch: 4,
  /** The low half of an argument of 64 bits. */
  argumentLow: (index: number): number => 16 + 8 * index,
} as const;

const Bpf = {
  /** LD | W | ABS: the accumulator is the word at an offset. */
  load: 0x20,
  /** ALU | AND | K. */
  and: 0x54,
  /** JMP | JEQ | K. */
  jumpEqual: 0x15,
  /** RET | K. */
  ret: 0x06,
} as const;

/** struct sock_filter: eight bytes. */
export interface Instruction {
  readonly code: number;
  readonly ifTrue: number;
  readonly ifFalse: number;
  readonly k: number;
}

/** The kernel takes no longer one. */
const instructionsMax = 4096;
const jumpMax = 255;

/** A place in a program, which is known once it has been put there. */
export interface Label {
  at: number;
}

type Draft = { code: number; k: number; to: Label | null; orTo: Label | null };

export class Assembler {
  private readonly drafts: Draft[] = [];

  label(): Label {
    return { at: -1 };
  }

  place(label: Label): void {
    label.at = this.drafts.length;
  }

  load(offset: number): void {
    this.drafts.push({ code: Bpf.load, k: offset, to: null, orTo: null });
  }

  and(mask: number): void {
    this.drafts.push({ code: Bpf.and, k: mask >>> 0, to: null, orTo: null });
  }

  /** Where the accumulator is `value` to the one, else to the other; null is the next instruction. */
  jumpEqual(value: number, to: Label | null, orTo: Label | null): void {
    this.drafts.push({ code: Bpf.jumpEqual, k: value >>> 0, to, orTo });
  }

  ret(action: number): void {
    this.drafts.push({ code: Bpf.ret, k: action >>> 0, to: null, orTo: null });
  }

  /** Throws where a jump goes backwards, too far, or nowhere: a program of ours that makes no sense. */
  assemble(): Instruction[] {
    if (this.drafts.length > instructionsMax) throw new Error(`${this.drafts.length} instructions`);
    return this.drafts.map(({ code, k, to, orTo }, at) => ({
      code,
      k,
      ifTrue: this.distance(at, to),
      ifFalse: this.distance(at, orTo),
    }));
  }

  private distance(from: number, label: Label | null): number {
    if (label === null) return 0;
    const distance = label.at - from - 1;
    if (label.at < 0 || distance < 0 || distance > jumpMax || label.at >= this.drafts.length)
      throw new Error(`instruction ${from} jumps by ${distance} to ${label.at}`);
    return distance;
  }
}

/** As the kernel reads it. */
export function encode(program: readonly Instruction[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [index, { code, ifTrue, ifFalse, k }] of program.entries()) {
    view.setUint16(index * 8, code, true);
    view.setUint8(index * 8 + 2, ifTrue);
    view.setUint8(index * 8 + 3, ifFalse);
    view.setUint32(index * 8 + 4, k, true);
  }
  return bytes;
}
