// The vhost session: waits for a front-end, serves its requests, releases everything when it goes.

import { EPOLLET, EPOLLIN } from "../../transport/os/epoll.ts";
import { asRefusal, type Refusal } from "../../transport/os/errors.ts";
import { closeFd, setNonBlocking } from "../../transport/os/fds.ts";
import { inheritedSocketState } from "../../transport/os/inherited-socket.ts";
import { acceptPauseMs, acceptUnix, EXHAUSTED, NOBODY, removeSocket } from "../../transport/os/unix-path.ts";
import { Channel } from "../../transport/wire/vhost-user/channel.ts";
import { ProtocolError } from "../../transport/wire/vhost-user/protocol-error.ts";
import type { DeviceType, QueueActor } from "../device-type.ts";
import { hasProcess, type WorkerName } from "../registry.ts";
import type { SupervisorMessage } from "../supervisor/messages.ts";
import type { VhostSessionMessage } from "./messages.ts";
import type { Actor, ActorContext } from "../runtime/actor.ts";
import { SessionCounter } from "./counters.ts";
import { QueueLink } from "./queue-link.ts";
import { type Offer, Session } from "./session.ts";
import { SessionLife } from "./session-life.ts";

/** How long the queues may take to forget a guest, where they are another's next. */
const forgetMs = 3_000;
/** Requests served before messages and timers get their turn; the descriptor stays ready for the rest. */
const requestsPerEvent = 16;

type State = Extract<SupervisorMessage, { type: "session-changed" }>["state"];

export class VhostSession implements Actor<VhostSessionMessage> {
  private readonly queues: QueueLink;
  private readonly life: SessionLife;
  private listener = -1;
  private channel: Channel | null = null;
  private session: Session | null = null;
  private reported: State | null = null;
  private offer: Offer | null = null;
  /** The socket to serve once the offer is known, or -1. */
  private socket = -1;
  /** Whether the front-end is there from the start, on an inherited socket. */
  private readonly isConnected: boolean;
  /** Queues that are gone, and may come back. */
  private readonly away = new Set<WorkerName>();
  /** Whether a request is under way, which waits for other actors. */
  private isServing = false;

  constructor(
    private readonly context: ActorContext,
    private readonly device: DeviceType,
  ) {
    this.queues = new QueueLink(context);
    const { once: asked, fd } = context.config;
    this.isConnected = fd !== undefined && inheritedSocketState(fd) === "connected";
    const once = asked || this.isConnected;
    this.life = new SessionLife(context.machines, once, () => this.report(), context.tap);
  }

  receive(message: VhostSessionMessage): void {
    switch (message.type) {
      case "ring-broken":
        this.session?.ringBroken(message.actor);
        return;
      case "offer":
        this.offered(message);
        return;
      case "ask-mapping":
      case "ask-unmapping":
        this.askFrontEnd(message);
        return;
      case "mappings-forgotten":
        this.session?.hostMemory.reset();
        return;
      case "display-changed":
        this.session?.displayChanged();
        return;
      case "listen":
        this.socket = message.fd;
        this.open();
        return;
      case "ask-description":
        this.describe(message.token);
        return;
    }
  }

  /** What was offered holds, whoever takes over: a guest cannot be told of anything else. */
  private offered(offer: Offer): void {
    if (this.offer === null) {
      this.offer = offer;
      return this.open();
    }
    const isSame =
      offer.features === this.offer.features && Buffer.compare(offer.config, this.offer.config) === 0;
    const reason = "the ctrl queue's successor has not the same renderer as that had";
    if (!isSame) this.context.send("supervisor", { type: "failed", reason });
  }

  /** Has host memory mapped, or refuses that where the front-end has gone. */
  private askFrontEnd(message: VhostSessionMessage & { type: "ask-mapping" | "ask-unmapping" }): void {
    if (this.session !== null) return this.session.hostMemory.ask(message);
    const { token } = message;
    if (message.type === "ask-unmapping") {
      return this.context.send("ctrl-queue", { type: "unmapping", token, isDone: false });
    }
    closeFd(message.fd);
    this.context.send("ctrl-queue", { type: "mapping", token, outcome: "failed" });
  }

  stop(): void {
    this.life.stop();
    if (this.session !== null) {
      this.end(Infinity);
      this.life.released();
    }
    if (this.listener >= 0) {
      closeFd(this.listener);
      const { fd, socketPath } = this.context.config;
      // Whoever made an inherited socket has its path, too.
      if (fd === undefined) removeSocket(socketPath);
    }
  }

  /** Starts to serve who comes to the socket, or the front-end that was inherited. */
  private open(): void {
    // Both are told at start, by two senders and so in any order.
    if (this.socket < 0 || this.offer === null) return;
    setNonBlocking(this.socket);
    if (this.isConnected) return this.begin(new Channel(this.socket));
    this.listener = this.socket;
    this.watchListener();
    this.report();
  }

  private watchListener(): void {
    this.context.epoll.add(this.listener, EPOLLIN, () => {
      const fd = acceptUnix(this.listener);
      if (fd === EXHAUSTED) return this.acceptLater();
      if (fd === NOBODY) return;
      let channel: Channel;
      try {
        channel = new Channel(fd);
      } catch (error) {
        closeFd(fd);
        return this.turnAway(asRefusal(error));
      }
      this.context.epoll.remove(this.listener);
      this.watchWaiting();
      this.begin(channel);
    });
  }

  /** One front-end at a time: the next waits in the backlog, which is as much as can be said of it. */
  private watchWaiting(): void {
    this.context.epoll.add(this.listener, EPOLLIN | EPOLLET, () => {
      this.context.log.guest(
        () => "another front-end waits until this one has gone: a server has one at a time",
      );
    });
  }

  private turnAway(refusal: Refusal): void {
    this.context.log.limited("error", () => `a front-end cannot be served: ${refusal.message}`);
    this.pauseListening();
  }

  private acceptLater(): void {
    this.context.log.warning("a front-end has to wait: the host is out of descriptors or memory");
    this.pauseListening();
  }

  private pauseListening(): void {
    this.context.epoll.remove(this.listener);
    this.context.timers.after(acceptPauseMs, () => this.watchListener());
  }

  private begin(channel: Channel): void {
    this.context.counters[SessionCounter.sessions]!++;
    for (const queue of this.device.queues) this.context.send(queue, { type: "expect-driver" });
    this.life.connected();
    this.channel = channel;
    this.session = new Session(this.context, this.queues, this.life, this.device, this.offer!);
    this.context.epoll.add(channel.fd, EPOLLIN, () => this.serve(channel));
  }

  peerLost(peer: WorkerName): void {
    if (peer === this.device.sharedMemory?.queue) this.session?.hostMemory.forsake();
    if (this.queueOf(peer) === undefined) return;
    this.away.add(peer);
    this.report();
  }

  /** Tells a restarted actor what its predecessor knew. */
  peerBack(peer: WorkerName): void {
    const queue = this.queueOf(peer);
    this.away.delete(peer);
    try {
      if (queue === undefined) this.session?.display.giveAgain();
      else this.session?.restoreQueue(queue);
    } catch (error) {
      // Some request waits for this actor, and fails with it.
      if (this.isServing) throw error;
      this.violated(asRefusal(error));
    }
  }

  private queueOf(peer: WorkerName): QueueActor | undefined {
    return this.device.queues.find((queue) => queue === peer);
  }

  private serve(channel: Channel): void {
    let isThere = true;
    this.isServing = true;
    try {
      isThere = this.serveRequests(channel);
    } catch (error) {
      this.violated(asRefusal(error));
    } finally {
      this.isServing = false;
    }
    if (isThere) return;
    this.context.log.limited("info", () => "the front-end has disconnected");
    this.life.disconnected();
    this.endAndListen();
  }

  /** Returns whether the front-end is still there. */
  private serveRequests(channel: Channel): boolean {
    for (let count = 0; count < requestsPerEvent; count++) {
      const message = channel.read();
      if (message === "wait") return true;
      if (message === "closed") return false;
      this.context.counters[SessionCounter.requests]!++;
      this.session!.handle(message, (payload, fds) => channel.reply(message.request, payload, fds));
      this.context.counters[SessionCounter.guestBytes] = this.session!.guestBytes;
    }
    return true;
  }

  private violated(refusal: Refusal): void {
    const what = refusal instanceof ProtocolError ? "the front-end broke the protocol" : "the session failed";
    this.context.log.limited("error", () => `${what}: ${refusal.message}`);
    this.context.counters[SessionCounter.violations]!++;
    this.life.violated();
    this.endAndListen();
  }

  private endAndListen(): void {
    const { context, life, device } = this;
    // Who comes meanwhile waits in the backlog.
    if (this.listener >= 0) context.epoll.remove(this.listener);
    const isOutside = device.queues.some((queue) => hasProcess(queue, context.config));
    const needsRenewal = isOutside && life.isUsed && !life.isLast;
    this.end(needsRenewal ? forgetMs : Infinity);
    if (!needsRenewal) this.released();
    else context.asks.ask("supervisor", { type: "ask-renewal" }, () => this.released());
    context.tidy();
  }

  /** `patienceMs`: how long the queues are waited for. */
  private end(patienceMs: number): void {
    this.queues.hurry(patienceMs);
    this.context.epoll.remove(this.channel!.fd);
    this.channel!.close();
    this.channel = null;
    const session = this.session!;
    this.session = null;
    session.close();
    this.queues.hurry(Infinity);
    this.context.counters[SessionCounter.guestBytes] = 0;
  }

  /** Nothing of the front-end is left. */
  private released(): void {
    this.life.released();
    if (this.life.is("listening")) this.watchListener();
  }

  private report(): void {
    const state = this.stateToReport();
    if (state === null || state === this.reported) return;
    this.reported = state;
    this.context.send("supervisor", { type: "session-changed", state });
  }

  private describe(token: number): void {
    const state = {
      state: this.life.stateName,
      vrings: this.session?.describeRings() ?? [],
      hostMemory: this.session?.hostMemory.describe() ?? null,
    };
    this.context.send("supervisor", { type: "description", token, state });
  }

  private stateToReport(): State | null {
    const { life } = this;
    // Nobody needs a queue that would have to come back first.
    if (life.is("closed") || (life.isEnding && this.away.size > 0)) return "closed";
    if (life.is("running")) return "running";
    const hasRun = this.reported === "running" || this.reported === "suspended";
    if (life.is("connected")) return hasRun ? "suspended" : "connected";
    return life.is("listening") && this.listener >= 0 ? "listening" : null;
  }
}
