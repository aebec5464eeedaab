// virglrenderer's render server, which runs Vulkan for guests with a process for each of their contexts. We start it, under
// limits of ours, and not the library: when a guest first asks for Vulkan, and again when it has died.
//
// The library says one thing to its server before anything else, how it was started, and then asks for contexts. It gets
// one end of a socket pair as soon as it starts; whichever server runs is put behind that end, and told the one thing.

import { accessSync, constants } from "node:fs";
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
import { childrenOf } from "../../../../../transport/os/children.ts";
import { ChildProcess } from "../../../../../transport/os/child-process.ts";
import { asRefusal } from "../../../../../transport/os/errors.ts";
import { closeFd, createMemfd } from "../../../../../transport/os/fds.ts";
import { NativeMemory } from "../../../../../transport/os/native-memory.ts";
import type { Layers } from "../../../../../transport/os/sandbox/confine.ts";
import { bytesIn } from "../../../../../transport/os/sent-bytes.ts";
import { socketPair } from "../../../../../transport/os/unix-socket.ts";
import { milliseconds } from "../../../../../transport/os/clock.ts";
import { ownEnvironment, ownProgram } from "../../../../runtime/process/own-program.ts";
import {
  type RenderServerOrder,
  renderServerEntry,
  renderServerWord,
  reportBytes,
  socketFd,
} from "../../../../runtime/process/render-server-order.ts";

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
  /** Whether it has a sandbox of its own, and must have all of that. */
  sandbox: "auto" | "on" | "off";
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
  /** Where the one that was started last has written what became of its sandbox; -1 where that has been read. */
  private reportFd = -1;

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

  /** Its contexts' processes. Where the kernel does not tell, a context's end shows when it is given work. */
  children(): number[] {
    if (this.process === null) return [];
    const { pid } = this.process;
    return childrenOf(pid, pid) ?? [];
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

  /** What became of its sandbox's layers, once it has answered; null where it has none. */
  takeReport(): Layers | null {
    if (this.reportFd < 0) return null;
    const text = new TextDecoder().decode(bytesIn(this.reportFd, reportBytes)).split("\0")[0]!;
    this.reportFd = -1;
    return text === "" ? null : (JSON.parse(text) as Layers);
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
    if (this.reportFd >= 0) closeFd(this.reportFd);
    this.process?.close();
    this.process = null;
  }

  private start(): void {
    const [ours, its] = socketPair("seqpacket");
    try {
      this.process = this.startProgram(its);
    } catch (error) {
      closeFd(ours);
      throw error;
    } finally {
      closeFd(its);
    }
    this.serverFd = ours;
    this.startedAt = milliseconds();
  }

  private startProgram(socket: number): ChildProcess {
    const { path, outputFd, processBytesMax, sandbox } = this.options;
    const descriptors = [outputFd, outputFd, socket];
    const limits = [
      [RLIMIT_CORE, 0],
      [RLIMIT_NOFILE, descriptorsMax],
      ...(processBytesMax > 0 ? [[RLIMIT_AS, processBytesMax] as const] : []),
    ] as const;
    if (sandbox === "off")
      return ChildProcess.start({ path, arguments: ["--socket-fd", String(socketFd)], descriptors, limits });
    if (this.reportFd >= 0) closeFd(this.reportFd);
    this.reportFd = createMemfd("fencepost-report", reportBytes);
    const order: RenderServerOrder = { path, sandbox, limits };
    const [program, ...words] = ownProgram(renderServerWord, renderServerEntry);
    return ChildProcess.start({
      path: program!,
      arguments: [...words, JSON.stringify(order)],
      descriptors: [...descriptors, this.reportFd],
      // Its own: this program needs more memory to become it.
      limits: [],
      environment: ownEnvironment(),
    });
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
