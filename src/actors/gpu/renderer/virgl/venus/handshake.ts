// Whether a context's process still reads what it is sent. The library waits for answers without end, on the ctrl queue's
// thread: before it may, a fence of ours on the context's own ring shows that all that came before has been read.

import { asPointer, libc } from "../../../../../ffi/libc.ts";
import { FENCE_MERGEABLE } from "../../../../../ffi/virglrenderer.ts";
import { EPOLLIN } from "../../../../../transport/os/epoll.ts";
import { signalEventfd } from "../../../../../transport/os/fds.ts";
import { NativeMemory } from "../../../../../transport/os/native-memory.ts";
import type { VenusLibrary } from "./library.ts";
import { milliseconds } from "../../../../../transport/os/clock.ts";

/** Numbers of our own fences; those of guests' commands have 32 bits. */
const firstNumber = 2 ** 40;
/** struct pollfd: the descriptor, and what is waited for and what there is in 16 bits each. */
const pollfdWords = 2;

export interface Shaken {
  readonly id: number;
  /** Becomes readable when fences have retired. */
  readonly fenceFd: number;
  /** Becomes readable when its process ends; -1 where that cannot be told. */
  readonly endFd: number;
}

export class Handshake {
  private readonly memory = NativeMemory.allocate(2 * pollfdWords * 4);
  private readonly words = new Int32Array(this.memory.view());
  private last = firstNumber;
  private answered = 0;

  constructor(
    private readonly library: VenusLibrary,
    /** How long a process may take, in milliseconds. */
    private readonly limitMs: number,
  ) {}

  /** Whether it is a fence of ours that has retired. */
  retired(fence: number): boolean {
    if (fence <= firstNumber) return false;
    this.answered = fence;
    return true;
  }

  /** Waits until a context's process has read all. Returns "", or what it does instead, for people. */
  with({ id, fenceFd, endFd }: Shaken): string {
    const { library, words, limitMs } = this;
    const number = ++this.last;
    const error = library.contextFences.virgl_renderer_context_create_fence(id, FENCE_MERGEABLE, 0, number);
    if (error !== 0) return "has ended";
    words.set([fenceFd, EPOLLIN, endFd, EPOLLIN]);
    for (const end = milliseconds() + limitMs; ;) {
      library.contextPolls.virgl_renderer_context_poll(id);
      if (this.answered === number) break;
      const left = Math.ceil(end - milliseconds());
      if (left <= 0) return `has not answered for ${limitMs} ms, which is --vulkan-stall-ms`;
      libc.poll(asPointer(this.memory.address), 2, left);
      if (endFd >= 0 && words[3]! >>> 16 !== 0) return "has ended";
    }
    // What else has retired meanwhile is told at the next look, which this makes sure of.
    signalEventfd(fenceFd);
    return "";
  }

  close(): void {
    this.memory.unmap();
  }
}
