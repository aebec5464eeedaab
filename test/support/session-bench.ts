// A vhost session without its worker: a front-end that sends bytes, and queue actors that answer what they are told.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { baseFeatures, gpuConfig, gpuDevice } from "../../src/actors/gpu/device-type.ts";
import type { DeviceType } from "../../src/actors/device-type.ts";
import type { QueueMessage } from "../../src/actors/queue/messages.ts";
import type { WorkerName } from "../../src/actors/registry.ts";
import { VhostSession } from "../../src/actors/session/vhost-session.ts";
import { closeFd } from "../../src/transport/os/fds.ts";
import { NativeMemory } from "../../src/transport/os/native-memory.ts";
import { connectUnix, listenUnix } from "../../src/transport/os/unix-path.ts";
import { CLOSED, SocketIo, WOULD_BLOCK } from "../../src/transport/os/unix-socket.ts";
import { FakeContext, type Sent, serverConfig } from "./fake-context.ts";

export type QueueName = "ctrl-queue" | "cursor-queue";
export type Told = { to: QueueName } & QueueMessage;

/** A message as it goes over the socket. */
export function frame(request: number, payload: Uint8Array = new Uint8Array(0), flags = 1): Uint8Array {
  const bytes = new Uint8Array(12 + payload.length);
  new Uint32Array(bytes.buffer, 0, 3).set([request, flags, payload.length]);
  bytes.set(payload, 12);
  return bytes;
}

export interface Reply {
  request: number;
  flags: number;
  payload: Uint8Array;
  fds: number[];
}

/** The VMM's end of the socket. */
export class Front {
  private readonly io = new SocketIo();
  private readonly memory = NativeMemory.allocate(65536);
  private readonly bytes = new Uint8Array(this.memory.view());
  private isOver = false;

  constructor(
    readonly fd: number,
    private readonly bench: SessionBench,
  ) {}

  /** Sends bytes and lets the session serve them. Answers false when it has hung up. */
  send(bytes: Uint8Array, fds: readonly number[] = []): boolean {
    if (!this.post(bytes, fds)) return false;
    this.bench.serve();
    return true;
  }

  /** As {@link send}, but nobody serves it yet. */
  post(bytes: Uint8Array, fds: readonly number[] = []): boolean {
    this.bytes.set(bytes);
    this.io.clear();
    this.io.gather(this.memory.address, bytes.length);
    try {
      this.io.send(this.fd, fds);
    } catch {
      return false;
    }
    return true;
  }

  /** Everything that the session has said since, message by message. */
  replies(): Reply[] {
    const replies: Reply[] = [];
    let count: number;
    try {
      count = this.io.receive(this.fd, this.memory.address, 65536);
    } catch {
      return replies;
    }
    if (count === WOULD_BLOCK || count === CLOSED) return replies;
    const fds = [...this.io.receivedFds];
    for (let at = 0; at < count;) {
      const [request, flags, size] = new Uint32Array(
        this.bytes.slice(at, at + 12).buffer,
      ) as never as number[];
      replies.push({
        request: request!,
        flags: flags!,
        payload: this.bytes.slice(at + 12, at + 12 + size!),
        fds: fds.splice(0),
      });
      at += 12 + size!;
    }
    return replies;
  }

  /** Sends a request and answers its one reply. */
  ask(request: number, payload?: Uint8Array, fds: readonly number[] = [], flags = 1): Reply {
    this.send(frame(request, payload, flags), fds);
    const replies = this.replies();
    if (replies.length !== 1) throw new Error(`request ${request} had ${replies.length} replies`);
    return replies[0]!;
  }

  /** Sends a request that has no reply; throws when there is one. */
  tell(request: number, payload?: Uint8Array, fds: readonly number[] = []): void {
    this.send(frame(request, payload), fds);
    const replies = this.replies();
    if (replies.length > 0) throw new Error(`request ${request} was answered`);
  }

  /** Whether the session has hung up. */
  get isClosed(): boolean {
    if (this.isOver) return true;
    try {
      return this.io.receive(this.fd, this.memory.address, 1) === CLOSED;
    } catch {
      return true;
    }
  }

  close(): void {
    if (this.isOver) return;
    this.isOver = true;
    closeFd(this.fd);
    this.io.close();
    this.memory.unmap();
  }
}

export class SessionBench {
  readonly folder = mkdtempSync(join(tmpdir(), "fencepost-test-"));
  readonly path = join(this.folder, "vhost.sock");
  readonly context: FakeContext;
  readonly actor: VhostSession;
  /** What the queue actors were told, with descriptors that are still open until {@link forget}. */
  told: Told[] = [];
  /** The base that each queue says when its ring stops. */
  readonly bases: Record<QueueName, number> = { "ctrl-queue": 0, "cursor-queue": 0 };
  /** A queue that takes what it is told into its grave. */
  dying: QueueName | null = null;
  /** What a queue says, once, went wrong with a message of a type. */
  readonly errors = new Map<string, string>();
  private readonly fronts: Front[] = [];

  /** Serves a GPU, or the device that is given with what it offers. */
  constructor(
    served?: string | { device: DeviceType; offer: { features: number; config: Uint8Array<ArrayBuffer> } },
    ...flags: string[]
  ) {
    if (typeof served === "string") flags.unshift(served);
    this.context = new FakeContext("vhost-session", serverConfig("--socket-path", this.path, ...flags));
    this.context.onSend = (sent) => this.deliver(sent);
    const gpu = {
      device: gpuDevice,
      offer: { features: baseFeatures, config: gpuConfig(this.context.config.scanouts, 0) },
    };
    const { device, offer } = typeof served === "object" ? served : gpu;
    this.actor = new VhostSession(this.context, device);
    this.actor.receive({ type: "listen", fd: listenUnix(this.path, "stream") });
    this.actor.receive({ type: "offer", ...offer });
  }

  connect(): Front {
    const front = this.dial();
    this.serve();
    return front;
  }

  /** As {@link connect}, but nobody accepts it yet. */
  dial(): Front {
    const front = new Front(connectUnix(this.path, "stream"), this);
    this.fronts.push(front);
    return front;
  }

  serve(): void {
    while (this.context.epoll.wait(0) > 0);
  }

  losePeer(peer: WorkerName): void {
    this.context.asks.lose(peer, true);
  }

  returnPeer(peer: WorkerName): void {
    this.context.returnPeer(this.actor, peer);
  }

  /** The types of what the queues were told, as in "ctrl-queue start-ring". */
  get toldTypes(): string[] {
    return this.told.map(({ to, type }) => `${to} ${type}`);
  }

  /** What the queues were told since the last call, with descriptors closed. */
  forget(): Told[] {
    const { told } = this;
    this.told = [];
    for (const message of told) for (const fd of fdsOf(message)) closeFd(fd);
    return told;
  }

  /** Messages to another actor since the last call, with descriptors closed. */
  said(to: Exclude<WorkerName, QueueName> | "supervisor"): { type: string }[] {
    const messages = this.context.take(to);
    for (const message of messages) for (const fd of fdsOf(message)) closeFd(fd);
    return messages;
  }

  close(): void {
    this.actor.stop();
    for (const front of this.fronts) front.close();
    this.forget();
    for (const { message } of this.context.sent) for (const fd of fdsOf(message)) closeFd(fd);
    this.context.close();
    rmSync(this.folder, { recursive: true });
  }

  private deliver({ to, message }: Sent): void {
    if (to !== "ctrl-queue" && to !== "cursor-queue") return;
    if (message.type === "expect-driver") return void this.context.sent.pop();
    const told = { to, ...message } as Told;
    this.told.push(told);
    this.context.sent.pop();
    if (!("token" in told) || to === this.dying) return;
    const { token, type } = told;
    const error = this.errors.get(type) ?? "";
    this.errors.delete(type);
    const base = this.bases[to];
    this.context.arriving.push(() => {
      this.context.deliver(
        this.actor,
        type === "stop-ring" ? { type: "ring-stopped", token, base } : { type: "done", token, error },
      );
    });
  }
}

/** The descriptors that a message brings. */
export function fdsOf(message: object): number[] {
  const own = Object.entries(message)
    .filter(([key]) => key === "fd" || key.endsWith("Fd"))
    .map(([, value]) => value as number);
  const regions = "regions" in message ? (message.regions as { fd: number }[]).map(({ fd }) => fd) : [];
  return [...own, ...regions].filter((fd) => fd >= 0);
}
