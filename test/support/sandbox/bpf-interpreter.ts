// Classic BPF as the kernel runs it on a system call, by the bytes that it is given.

export interface SystemCall {
  nr: number;
  arch: number;
  args: readonly bigint[];
}

/** What the filter returns of `call`. Throws for what the kernel would not have loaded. */
export function runFilter(program: Uint8Array, { nr, arch, args }: SystemCall): number {
  const code = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, nr, true);
  data.setUint32(4, arch, true);
  for (const [index, value] of args.entries())
    data.setBigUint64(16 + 8 * index, BigInt.asUintN(64, value), true);
  let accumulator = 0;
  for (let at = 0; at * 8 < program.length; at++) {
    const [kind, k] = [code.getUint16(at * 8, true), code.getUint32(at * 8 + 4, true)];
    if (kind === 0x20) {
      if (k % 4 !== 0 || k > 60) throw new Error(`loads from ${k}`);
      accumulator = data.getUint32(k, true);
    } else if (kind === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (kind === 0x15) at += code.getUint8(at * 8 + (accumulator === k ? 2 : 3));
    else if (kind === 0x06) return k;
    else throw new Error(`instruction ${kind}`);
  }
  throw new Error("the program does not return");
}
