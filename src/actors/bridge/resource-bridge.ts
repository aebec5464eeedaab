// The resource bridge: lends resources and fences to other devices of the VM, which connect to its sockets. docs/bridge.md.

import {
  type BridgeAnswer,
  type BridgeRequest,
  packetBytesMax,
} from "../../transport/wire/bridge/protocol.ts";
import { EPOLLIN } from "../../transport/os/epoll.ts";
import { asRefusal } from "../../transport/os/errors.ts";
import { closeFd } from "../../transport/os/fds.ts";
import { NativeMemory } from "../../transport/os/native-memory.ts";
import {
  acceptPauseMs,
  acceptUnix,
  EXHAUSTED,
  listenUnix,
  NOBODY,
  removeSocket,
} from "../../transport/os/unix-path.ts";
import { sizeSendBuffer, SocketIo } from "../../transport/os/unix-socket.ts";
import type { ResourceBridgeMessage } from "./messages.ts";
import type { Actor, ActorContext } from "../runtime/actor.ts";
import { BridgeCounter } from "./counters.ts";
import { faultOf } from "./sound.ts";
import { Peer, type PeerOwner, type PeerTools } from "./peer.ts";

/** Peers that wait to be accepted, on one path. */
const backlog = 64;
/** What a peer may leave unread: the least that the kernel knows, which is a few answers. */
const sendBufferBytes = 1;

export class ResourceBridge implements Actor<ResourceBridgeMessage>, PeerOwner {
  private readonly listeners = new Map<string, number>();
  private readonly peers = new Set<Peer>();
  /** Who waits for the ctrl queue's answer, by token. */
  private readonly asked = new Map<number, Peer>();
  private readonly tools: PeerTools = {
    io: new SocketIo(),
    buffer: NativeMemory.allocate(packetBytesMax + 1),
  };

  constructor(private readonly context: ActorContext) {
    this.count();
    for (const path of context.config.resourceBridge) this.listen(path);
  }

  /** Everything that it is told answers a question. */
  receive(_message: ResourceBridgeMessage): void {}

  ask(peer: Peer, request: BridgeRequest): void {
    const question =
      request.kind === "buffer"
        ? ({ type: "ask-buffer", resource: request.resource } as const)
        : ({ type: "ask-fence", ...halvesOf(request.seqno) } as const);
    let token = 0;
    const settle = (answer: ResourceBridgeMessage | null): void => {
      this.asked.delete(token);
      this.answer(peer, answer);
    };
    token = this.context.asks.ask("ctrl-queue", question, settle, { again: true });
    if (token > 0) this.asked.set(token, peer);
  }

  gone(peer: Peer): void {
    this.peers.delete(peer);
    for (const [token, asker] of this.asked) {
      if (asker !== peer) continue;
      this.asked.delete(token);
      this.context.asks.drop(token);
    }
    this.count();
  }

  private answer(peer: Peer, answer: ResourceBridgeMessage | null): void {
    if (answer === null || answer.fd < 0) return peer.answer({ kind: "invalid" }, -1);
    const fault = faultOf(answer);
    if (fault !== "") return this.withhold(peer, answer, fault);
    this.context.counters[answer.type === "buffer" ? BridgeCounter.buffersLent : BridgeCounter.fencesLent]!++;
    peer.answer(answerOf(answer), answer.fd);
  }

  private withhold(peer: Peer, { type, fd }: ResourceBridgeMessage, fault: string): void {
    this.context.log.guest(() => `a ${type} is not lent: ${fault}`);
    closeFd(fd);
    peer.answer({ kind: "invalid" }, -1);
  }

  stop(): void {
    for (const peer of this.peers) peer.close();
    this.peers.clear();
    for (const [path, listener] of this.listeners) {
      this.context.epoll.remove(listener);
      closeFd(listener);
      removeSocket(path);
    }
    this.listeners.clear();
    this.tools.io.close();
    this.tools.buffer.unmap();
  }

  private listen(path: string): void {
    const { socketMode: mode, socketGroup: group = -1 } = this.context.config;
    try {
      const listener = listenUnix(path, "seqpacket", backlog, { mode, group });
      this.listeners.set(path, listener);
      this.watch(listener);
      this.context.log.info(`lends resources to peers on ${path}`);
    } catch (error) {
      const reason = `no resource bridge: ${asRefusal(error).message}`;
      // A guest that runs already shall not end for that, and the host may have room later.
      if (this.context.life > 1) {
        this.context.log.limited("error", () => reason);
        this.context.timers.after(acceptPauseMs, () => this.listen(path));
      } else this.context.send("supervisor", { type: "failed", reason });
    }
  }

  private watch(listener: number): void {
    this.context.epoll.add(listener, EPOLLIN, () => this.accept(listener));
  }

  private accept(listener: number): void {
    const fd = acceptUnix(listener);
    if (fd === EXHAUSTED) {
      this.context.log.warning(
        "a resource bridge's peer has to wait: the host is out of descriptors or memory",
      );
      this.context.epoll.remove(listener);
      this.context.timers.after(acceptPauseMs, () => this.watch(listener));
      return;
    }
    if (fd === NOBODY) return;
    const { bridgePeersMax: peersMax } = this.context.config;
    if (this.peers.size >= peersMax) {
      this.context.counters[BridgeCounter.peersRefused]!++;
      this.context.log.beyond(
        "bridgePeersMax",
        peersMax,
        "it is hung up on",
        "a peer of the resource bridge",
      );
      closeFd(fd);
      return;
    }
    sizeSendBuffer(fd, sendBufferBytes);
    this.peers.add(new Peer(this.context, this.tools, fd, this));
    this.count();
  }

  private count(): void {
    this.context.counters[BridgeCounter.peers] = this.peers.size;
  }
}

function answerOf(message: ResourceBridgeMessage): BridgeAnswer {
  switch (message.type) {
    case "fence":
      return { kind: "fence" };
    case "buffer": {
      const { offset, stride, modifierHigh, modifierLow } = message;
      const modifier = (BigInt(modifierHigh) << 32n) | BigInt(modifierLow);
      return { kind: "buffer", planes: [{ offset, stride }], modifier };
    }
  }
}

const halvesOf = (seqno: bigint): { fenceHigh: number; fenceLow: number } => ({
  fenceHigh: Number(seqno >> 32n),
  fenceLow: Number(seqno & 0xffff_ffffn),
});
