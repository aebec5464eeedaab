// What native libraries print. They write to C's stderr and stdout by themselves, in part the guest's own text; here those
// are a pipe that never blocks, and what comes out of it goes to the log: limited, escaped, and with its origin.
//
// Descriptor 2 stays what it is: the runtime's own last words go there. The streams are never closed, since libraries keep
// them.

import { toArrayBuffer } from "bun:ffi";
import { asPointer, cString, libc, O_CLOEXEC, O_NONBLOCK } from "../../../ffi/libc.ts";
import type { Epoll } from "../../../transport/os/epoll.ts";
import { EPOLLIN } from "../../../transport/os/epoll.ts";
import { checked } from "../../../transport/os/errors.ts";
import { NativeMemory } from "../../../transport/os/native-memory.ts";
import { type Log, printable } from "../../runtime/log.ts";

/** What is read of a pipe at a time; the rest waits for the next turn of the actor. */
const bytesPerTurn = 4096;
/** Longer lines go on in another. */
const lineBytesMax = 240;
const lineFeed = 10;
/** _IOLBF: written line by line. */
const lineBuffered = 1;

export class LibraryOutput {
  private readonly memory = NativeMemory.allocate(bytesPerTurn);
  private readonly bytes = new Uint8Array(this.memory.view());
  private readonly line = new Uint8Array(lineBytesMax);
  private length = 0;
  private readonly streams: readonly Stream[];
  private readonly readFd: number;

  /** Takes over the process's stderr and stdout, as C knows them, until {@link close}. */
  constructor(
    private readonly epoll: Epoll,
    private readonly log: Log,
  ) {
    const { readFd, file } = outlet();
    this.readFd = readFd;
    this.streams = ["stderr", "stdout"].map((name) => new Stream(name, file));
    epoll.add(readFd, EPOLLIN, () => this.drain());
  }

  /** Gives the streams back. */
  close(): void {
    this.epoll.remove(this.readFd);
    for (const stream of this.streams) stream.restore();
    this.memory.unmap();
  }

  private drain(): void {
    const count = libc.read(this.readFd, asPointer(this.memory.address), bytesPerTurn);
    for (let at = 0; at < count; at++) {
      const byte = this.bytes[at]!;
      if (byte !== lineFeed) this.line[this.length++] = byte;
      if (byte === lineFeed || this.length === lineBytesMax) this.endLine();
    }
  }

  private endLine(): void {
    const { line, length } = this;
    this.length = 0;
    if (length > 0)
      this.log.guest(
        () =>
          `the renderer's libraries say: ${printable(new TextDecoder().decode(line.subarray(0, length)))}`,
      );
  }
}

/** One of the C library's variables that hold a FILE. */
class Stream {
  private readonly words: Uint32Array;
  private readonly before: [number, number];

  constructor(name: string, file: number) {
    const variable = libc.dlsym(null, cString(name))!;
    this.words = new Uint32Array(toArrayBuffer(variable, 0, 8));
    this.before = [this.words[0]!, this.words[1]!];
    this.set(file >>> 0, Math.floor(file / 2 ** 32));
  }

  restore(): void {
    this.set(...this.before);
  }

  private set(low: number, high: number): void {
    this.words[0] = low;
    this.words[1] = high;
  }
}

/** Where programs of these libraries print to. */
export const libraryOutputFd = (): number => outlet().writeFd;

let made: { readFd: number; writeFd: number; file: number } | null = null;

/** The pipe and the FILE on its end, which live as long as the process. */
function outlet(): { readFd: number; writeFd: number; file: number } {
  if (made !== null) return made;
  const fds = new Int32Array(2);
  checked(libc.pipe2(fds, O_CLOEXEC | O_NONBLOCK), "pipe2", "making a pipe for what libraries print");
  const file = Number(libc.fdopen(fds[1]!, cString("w")));
  if (file === 0) throw new Error("there is no memory for a stream of what libraries print");
  libc.setvbuf(asPointer(file), null, lineBuffered, bytesPerTurn);
  made = { readFd: fds[0]!, writeFd: fds[1]!, file };
  return made;
}
