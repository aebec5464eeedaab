// Bytes carried between memory and a descriptor that behaves like a pipe, at its other side's pace, while whoever waits in epoll
// serves all else.

import { asPointer, EAGAIN, EINTR, errno, libc } from "../../ffi/libc.ts";
import { EPOLLIN, EPOLLOUT, type Epoll } from "./epoll.ts";
import { SystemError } from "./errors.ts";
import { closeFd, setNonBlocking } from "./fds.ts";
import type { NativeMemory } from "./native-memory.ts";

const pieceBytes = 256 * 1024;
/** Pieces that are carried before others have their turn. */
const piecesPerEvent = 8;

/** How many bytes were carried, and what ended that early in words, or "". */
type Ended = (failure: string, bytes: number) => void;

/**
 * Carries all of a memory out, or fills a memory until the other side has closed its end or there is no room. Owns descriptor and
 * memory until `close`, which is due once it has ended, too.
 */
export class Conveyor {
  private at = 0;

  /** Throws a {@link SystemError}, and takes over neither, where `fd` is nothing that can be waited for, such as a file. */
  constructor(
    private readonly epoll: Epoll,
    private readonly fd: number,
    private readonly memory: NativeMemory,
    private readonly direction: "out" | "in",
    private readonly ended: Ended,
  ) {
    setNonBlocking(fd);
    epoll.add(fd, direction === "out" ? EPOLLOUT : EPOLLIN, () => this.carry());
  }

  close(): void {
    this.epoll.remove(this.fd);
    closeFd(this.fd);
    this.memory.unmap();
  }

  private carry(): void {
    for (let pieces = 0; pieces < piecesPerEvent; pieces++) {
      const left = Math.min(this.memory.length - this.at, pieceBytes);
      const count = left === 0 ? 0 : this.piece(left);
      if (count < 0) {
        const code = errno();
        if (code === EINTR) continue;
        if (code !== EAGAIN) this.fail(code);
        return;
      }
      if (count === 0) return this.ended("", this.at);
      this.at += count;
    }
  }

  private piece(bytes: number): number {
    const at = asPointer(this.memory.address + this.at);
    return this.direction === "out" ? libc.write(this.fd, at, bytes) : libc.read(this.fd, at, bytes);
  }

  private fail(code: number): void {
    const [call, doing] = this.direction === "out" ? ["write", "writing it"] : ["read", "reading it"];
    this.ended(new SystemError(call!, code, doing!).message, this.at);
  }
}
