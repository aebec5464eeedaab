// virglrenderer's render server, which runs Vulkan for guests with a process for each of their contexts. We start it, under
// limits of ours, and not the library: when a guest first asks for Vulkan, and again when it has died.
//
// The library says one thing to its server before anything else, how it was started, and then asks for contexts. It gets
// one end of a socket pair as soon as it starts; whichever server runs is put behind that end, and told the one thing.

import { accessSync, constants, readFileSync } from "node:fs";
import {
  asPointer,
  libc,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  O_CLOEXEC,
  RLIMIT_AS,
  RLIMIT_CORE,
  RLIMIT_NOFILE,
} from "../../../../../ffi/libc.ts";
import { ChildProcess } from "../../../../../transport/os/child-process.ts";
import { asRefusal } from "../../../../../transport/os/errors.ts";
import { closeFd } from "../../../../../transport/os/fds.ts";
import { NativeMemory } from "../../../../../transport/os/native-memory.ts";
import { socketPair } from "../../../../../transport/os/unix-socket.ts";
import { milliseconds } from "../../../../../transport/os/clock.ts";

/** Where Debian, Fedora and Arch put it. */
const usualPaths = ["/usr/libexec/virgl_render_server", "/usr/lib/virgl_render_server"] as const;
const descriptorsMax = 4096;
const greetingBytesMax = 256;
/** How long a server has to have lived for another to take its place, in milliseconds. */
const restartMs = 1_000;

export interface RenderServerOptions {
  path: string;
  /** What it prints goes there. */
  outputFd: number;
  /** Address space of each of its processes; 0 for any. */
  processBytesMax: number;
}

export class RenderServer {
  private readonly libraryFd: number;
  private readonly firstFd: number;
  /** Whether the library has its end, and closes that. */
  isTaken = false;
  private greeting: Uint8Array | null = null;
  private process: ChildProcess | null = null;
  /** The end of ours of the server's own socket, until it is the library's. */
  private serverFd = -1;
  private startedAt = 0;

  /** Starts one. Throws a `Refusal` where it does not start. */
  constructor(private readonly options: RenderServerOptions) {
    [this.libraryFd, this.firstFd] = socketPair("seqpacket");
    try {
      this.start();
    } catch (error) {
      closeFd(this.libraryFd);
      closeFd(this.firstFd);
      throw error;
    }
  }

  /** The program: what was asked for, or the first that is there; null where there is none. */
  static find(path: string | undefined): string | null {
    const asked = path ?? process.env["RENDER_SERVER_EXEC_PATH"];
    return (asked === undefined ? usualPaths : [asked]).find(isProgram) ?? null;
  }

  /** The library's end, which that closes. */
  takeLibraryFd(): number {
    this.isTaken = true;
    return this.libraryFd;
  }

  /** Readable when it has ended; -1 where that cannot be told. */
  get endFd(): number {
    return this.process?.endFd ?? -1;
  }

  get isRunning(): boolean {
    return this.process !== null;
  }

  /** Its contexts' processes. */
  children(): number[] {
    if (this.process === null) return [];
    const { pid } = this.process;
    try {
      const list = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1");
      return list.trim().split(" ").filter(Boolean).map(Number);
    } catch {
      // It has just ended, or this kernel does not tell: then a context's end shows when it is given work.
      return [];
    }
  }

  /** The library has started: puts the server behind its end. Returns false where the library has said nothing. */
  connect(): boolean {
    const memory = NativeMemory.allocate(greetingBytesMax);
    const length = libc.recv(this.firstFd, asPointer(memory.address), greetingBytesMax, MSG_DONTWAIT);
    if (length > 0) this.greeting = new Uint8Array(memory.view(0, length)).slice();
    memory.unmap();
    closeFd(this.firstFd);
    return this.attach();
  }

  /** Sees whether it has ended, and lets go of it then. */
  hasEnded(): boolean {
    if (this.process?.hasEnded() !== true) return false;
    this.process.close();
    this.process = null;
    return true;
  }

  /** Ends it until it is wanted: most guests never ask for Vulkan. It must have no contexts. */
  rest(): void {
    this.process?.close();
    this.process = null;
    this.startedAt = -Infinity;
  }

  /** Starts another in place of one that has ended; not at once where that has hardly lived. */
  restart(): boolean {
    if (milliseconds() - this.startedAt < restartMs) return false;
    try {
      this.start();
    } catch (error) {
      asRefusal(error);
      return false;
    }
    return this.attach();
  }

  /** Ends it and its contexts. The library has let go of its end. */
  close(): void {
    if (!this.isTaken) closeFd(this.libraryFd);
    if (this.serverFd >= 0) closeFd(this.serverFd);
    this.process?.close();
    this.process = null;
  }

  private start(): void {
    const { path, outputFd, processBytesMax } = this.options;
    const [ours, its] = socketPair("seqpacket");
    try {
      this.process = ChildProcess.start({
        path,
        arguments: ["--socket-fd", "3"],
        descriptors: [outputFd, outputFd, its],
        limits: [
          [RLIMIT_CORE, 0],
          [RLIMIT_NOFILE, descriptorsMax],
          ...(processBytesMax > 0 ? [[RLIMIT_AS, processBytesMax] as const] : []),
        ],
      });
    } catch (error) {
      closeFd(ours);
      throw error;
    } finally {
      closeFd(its);
    }
    this.serverFd = ours;
    this.startedAt = milliseconds();
  }

  private attach(): boolean {
    const { greeting, serverFd, libraryFd } = this;
    this.serverFd = -1;
    const isDone =
      greeting !== null &&
      libc.send(serverFd, greeting, greeting.length, MSG_NOSIGNAL) === greeting.length &&
      libc.dup3(serverFd, libraryFd, O_CLOEXEC) === libraryFd;
    closeFd(serverFd);
    return isDone;
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // Whatever the reason, it can't be started.
    return false;
  }
}
