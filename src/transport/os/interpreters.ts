// Which programs the kernel runs when it is told to run one: the loader of a binary, the shell of a script and that one's loader.

import { closeSync, openSync, readSync } from "node:fs";

const elf = 0x7f45_4c46;
const class64 = 2;
const littleEndian = 1;
const PT_INTERP = 3;
const headerBytes = 64;
/** Program headers and the path of the loader lie in the first bytes of a binary, and all of them in these. */
const headBytes = 4096;
/** The kernel goes no deeper. */
const depthMax = 5;

/** Paths, from that of what runs `path` on. Throws what node:fs throws where one cannot be read. */
export function interpretersOf(path: string): string[] {
  const found: string[] = [];
  for (let next = interpreterOf(path); next !== "" && found.length < depthMax; next = interpreterOf(next))
    found.push(next);
  return found;
}

/** "" where it needs none, or is not understood. */
function interpreterOf(path: string): string {
  const head = headOf(path);
  const line = /^#! *(\S+)/.exec(head.toString("latin1"));
  if (line !== null) return line[1]!;
  const isElf = head.length >= headerBytes && head.readUInt32BE(0) === elf;
  return isElf && head[4] === class64 && head[5] === littleEndian ? loaderOf(head) : "";
}

function loaderOf(head: Buffer): string {
  const [at, bytes, count] = [head.readUInt32LE(32), head.readUInt16LE(54), head.readUInt16LE(56)];
  for (let offset = at; offset < at + count * bytes && offset + 40 <= head.length; offset += bytes) {
    if (head.readUInt32LE(offset) !== PT_INTERP) continue;
    const [start, length] = [head.readUInt32LE(offset + 8), head.readUInt32LE(offset + 32)];
    return head.toString("latin1", start, start + length).split("\0")[0]!;
  }
  return "";
}

function headOf(path: string): Buffer {
  const bytes = Buffer.alloc(headBytes);
  const fd = openSync(path, "r");
  try {
    return bytes.subarray(0, readSync(fd, bytes));
  } finally {
    closeSync(fd);
  }
}
