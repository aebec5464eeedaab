// Venus contexts: each is a process of the render server's, which may die without harm to the others.
//
// The library has a thread of its own for their fences, which would call us there; instead each context's eventfd is
// watched, and the library asked. What is watched are descriptors in an epoll set, which is itself readable then.

import { asPointer, EINVAL, EIO, ENOMEM, libc, SIGKILL } from "../../../../../ffi/libc.ts";
import { FENCE_MERGEABLE } from "../../../../../ffi/virglrenderer.ts";
import { watchProcess } from "../../../../../transport/os/child-process.ts";
import { Epoll, EPOLLET, EPOLLIN } from "../../../../../transport/os/epoll.ts";
import { closeFd } from "../../../../../transport/os/fds.ts";
import { Capset } from "../../../../../transport/wire/virtio-gpu/protocol.ts";
import { Lack } from "../../lack.ts";
import type { RenderServer } from "./render-server.ts";
import { Handshake } from "./handshake.ts";
import type { VenusLibrary } from "./library.ts";

/** A stream goes to its context as one packet, which has to fit into a socket's buffer. */
const streamBytesMax = 64 * 1024;
/** What may be on its way to a process that has not shown that it reads: less than what makes a sender wait. */
const unreadMax = { packets: 64, bytes: 96 * 1024 } as const;

interface VenusContext {
  readonly id: number;
  /** 0 where it is not known. */
  readonly pid: number;
  /** Becomes readable when fences have retired. */
  readonly fenceFd: number;
  /** Becomes readable when its process ends; -1 where that cannot be told. */
  endFd: number;
  fencesOut: number;
  /** Packets, and their bytes, since it has shown that it reads. */
  unread: number;
  unreadBytes: number;
  /** What it has done where it ends. */
  fault: string;
}

export class VenusContexts {
  /** Told of each fence of a guest's that has retired. */
  onFence: (context: number, ring: number, fence: number) => void = () => {};
  /** Told of a context whose process has ended, once. */
  onLost: (context: number, reason: string) => void = () => {};
  /** Told once that the server has ended. */
  onServerLost: () => void = () => {};
  /** The renderer's, once that is there. */
  lack = new Lack();
  private readonly byId = new Map<number, VenusContext>();
  private readonly watch = new Epoll();
  private readonly handshake: Handshake;
  /** Fences that retired while a handshake was waited for, three words each. */
  private readonly held: number[] = [];
  private isShaking = false;

  constructor(
    private readonly library: VenusLibrary,
    private readonly server: RenderServer,
    private readonly countMax: number,
    stallMs: number,
    /** The library's own descriptor for GL's fences; -1 where there is none. */
    glFenceFd: number,
  ) {
    this.handshake = new Handshake(library, stallMs);
    if (glFenceFd >= 0) this.watch.add(glFenceFd, EPOLLIN, () => {});
  }

  /** Readable when {@link poll}, or the renderer's own, has something to do. */
  get pollFd(): number {
    return this.watch.fd;
  }

  has(id: number): boolean {
    return this.byId.has(id);
  }

  /** The process that runs it; 0 where that is not known. */
  processOf(id: number): number {
    return this.byId.get(id)?.pid ?? 0;
  }

  /** `name`: the native address of its text. Returns an errno. */
  create(id: number, name: number, length: number): number {
    if (this.byId.size >= this.countMax) return this.lack.of("vulkanContextsMax");
    if (!this.server.isRunning && !this.startServer()) return ENOMEM;
    const { contextFlags, contextPolls } = this.library;
    const before = new Set(this.server.children());
    const error = contextFlags.virgl_renderer_context_create_with_flags(
      id,
      Capset.VENUS,
      length,
      asPointer(name),
    );
    if (error !== 0) return Math.abs(error);
    const pid = this.server.children().find((child) => !before.has(child)) ?? 0;
    const fenceFd = contextPolls.virgl_renderer_context_get_poll_fd(id);
    const endFd = pid === 0 ? -1 : watchProcess(pid);
    const context = { id, pid, fenceFd, endFd, fencesOut: 0, unread: 0, unreadBytes: 0, fault: "has ended" };
    this.byId.set(id, context);
    if (fenceFd >= 0) this.watch.add(fenceFd, EPOLLIN | EPOLLET, () => {});
    if (endFd >= 0) this.watch.add(endFd, EPOLLIN, () => this.ended(context));
    return 0;
  }

  destroy(id: number): void {
    const context = this.byId.get(id);
    if (context === undefined) return;
    this.byId.delete(id);
    this.unwatch(context);
    if (context.fenceFd >= 0) this.watch.remove(context.fenceFd);
    this.library.required.virgl_renderer_context_destroy(id);
  }

  /**
   * Runs `bytes` bytes at a native address; what they say is between the guest and the context's process. Returns an errno.
   */
  submit(id: number, address: number, bytes: number): number {
    const context = this.byId.get(id);
    if (context === undefined) return EINVAL;
    if (bytes > streamBytesMax) return ENOMEM;
    if (!this.hasRoom(context, bytes)) return EIO;
    const error = this.library.required.virgl_renderer_submit_cmd(asPointer(address), id, bytes >>> 2);
    // Whatever is wrong: the process has ended, or is about to.
    return error === 0 ? 0 : EINVAL;
  }

  createFence(id: number, ring: number, fence: number): number {
    const context = this.byId.get(id);
    if (context === undefined) return EINVAL;
    if (!this.hasRoom(context, 0)) return EIO;
    const { contextFences } = this.library;
    const error = contextFences.virgl_renderer_context_create_fence(id, FENCE_MERGEABLE, ring, fence);
    if (error !== 0) return Math.abs(error);
    context.fencesOut++;
    return 0;
  }

  /** The library says that a context's fence has retired. Returns whether it is one of these contexts'. */
  fenceRetired(id: number, ring: number, fence: number): boolean {
    const context = this.byId.get(id);
    if (context === undefined) return false;
    if (this.handshake.retired(fence)) return true;
    context.fencesOut--;
    // Amid a command no other is answered.
    if (this.isShaking) this.held.push(id, ring, fence);
    else this.onFence(id, ring, fence);
    return true;
  }

  /** Whether a context's process reads what it is sent, so that it may be waited for. One that does not is ended. */
  answers(id: number): boolean {
    const context = this.byId.get(id);
    return context !== undefined && this.shake(context);
  }

  /** Reports fences that have retired, and processes that have ended; waits for either so long. */
  poll(waitMs = 0): void {
    this.watch.wait(waitMs);
    for (let at = 0; at < this.held.length; at += 3) {
      this.onFence(this.held[at]!, this.held[at + 1]!, this.held[at + 2]!);
    }
    this.held.length = 0;
    for (const { id, fencesOut } of this.byId.values()) {
      if (fencesOut > 0) this.library.contextPolls.virgl_renderer_context_poll(id);
    }
  }

  /** Destroys all. */
  close(): void {
    for (const id of this.byId.keys()) this.destroy(id);
    this.watch.close();
    this.handshake.close();
  }

  /** Whether one more packet can be on its way. */
  private hasRoom(context: VenusContext, bytes: number): boolean {
    context.unread++;
    context.unreadBytes += bytes;
    return (
      (context.unread <= unreadMax.packets && context.unreadBytes <= unreadMax.bytes) || this.shake(context)
    );
  }

  private shake(context: VenusContext): boolean {
    this.isShaking = true;
    const fault = this.handshake.with(context);
    this.isShaking = false;
    context.unread = 0;
    context.unreadBytes = 0;
    if (fault === "") return true;
    context.fault = fault;
    // Its end is told when it is seen, and not amid a command; where it cannot be seen, now.
    if (context.endFd >= 0) libc.kill(context.pid, SIGKILL);
    else if (context.pid === 0) this.onLost(context.id, `its process ${fault}`);
    return false;
  }

  private ended(context: VenusContext): void {
    this.unwatch(context);
    this.onLost(context.id, `its process (${context.pid}) ${context.fault}`);
  }

  private unwatch(context: VenusContext): void {
    if (context.endFd < 0) return;
    this.watch.remove(context.endFd);
    closeFd(context.endFd);
    context.endFd = -1;
  }

  private startServer(): boolean {
    if (!this.server.restart()) return false;
    const { endFd } = this.server;
    if (endFd < 0) return true;
    this.watch.add(endFd, EPOLLIN, () => {
      this.watch.remove(endFd);
      if (this.server.hasEnded()) this.onServerLost();
    });
    return true;
  }
}
