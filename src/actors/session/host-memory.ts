// The device's shared memory region as the front-end has it (virtio 1.3 §2.10): memory of ours is mapped into it and unmapped by
// asking the front-end on the back-end channel, one thing at a time and in order. vhost-user.rst "Back-end message types".
//
// Nothing is asked that the front-end would have to refuse: quirks.qemuEndsRefusedChannels.

import { EPOLLIN } from "../../transport/os/epoll.ts";
import { closeFd } from "../../transport/os/fds.ts";
import { type Range, Ranges } from "../../transport/virtio/ranges.ts";
import { BackendChannel, type Verdict } from "../../transport/wire/vhost-user/backend-channel.ts";
import { memorySlotsMax } from "../../transport/wire/vhost-user/protocol.ts";
import { ProtocolError } from "../../transport/wire/vhost-user/protocol-error.ts";
import type { SharedMemoryType } from "../device-type.ts";
import type { Inbox } from "../registry.ts";
import type { ActorContext } from "../runtime/actor.ts";
import type { VhostSessionMessage } from "./messages.ts";

type AskMap = Extract<VhostSessionMessage, { type: "ask-mapping" }>;
type AskUnmap = Extract<VhostSessionMessage, { type: "ask-unmapping" }>;
type Outcome = Extract<Inbox["ctrl-queue"], { type: "mapping" }>["outcome"];

/** The least that is mapped. */
const pageBytes = 4096;

/** quirks.qemuTakesMappingsForSlots: what is left for those of the guest's own memory. */
export const mappingsOfSlots = memorySlotsMax - 64;

/** A range that is not free: `lost` is one of which it is not known what the front-end has there. */
interface Mapping extends Range {
  readonly name: number;
  stage: "asked" | "mapped" | "lost";
}

/** What the front-end is to do. Nobody waits for the end of one that was abandoned. */
interface Task {
  readonly mapping: Mapping;
  readonly isMap: boolean;
  readonly token: number;
  isAbandoned: boolean;
}

export class HostMemory {
  /** The region's size: 0 until the front-end has asked for it. */
  windowBytes = 0;
  /** How many ranges may be mapped at once: {@link mappingsOfSlots} where the front-end counts them as memory. */
  mappingsMax = Infinity;
  private readonly ranges = new Ranges<Mapping>();
  private readonly waiting: (AskMap | AskUnmap)[] = [];
  private channel: BackendChannel | null = null;
  private task: Task | null = null;
  private cancelLimit = (): void => {};
  /** Whether the task has been without an answer for too long. */
  private isStalled = false;
  /** Whether the ring of whoever asks is stopped: it may be reset next, and then the front-end unmaps all itself. */
  private isPaused = true;
  /** A line on the channel's end, which is of no account unless something is asked after it. */
  private unsaid = "";

  constructor(
    private readonly context: ActorContext,
    /** Null for a device that has none, and the channel for its configuration space alone. */
    private readonly type: SharedMemoryType | null,
  ) {}

  /** For people. */
  describe(): Record<string, unknown> {
    const channel = this.channel === null ? "closed" : this.isStalled ? "silent" : "open";
    const { count, bytes } = this.ranges;
    return { bytes: this.windowBytes, mappings: count, mappedBytes: bytes, channel };
  }

  /** The front-end gives another channel, of which `fd` is taken over. */
  connect(fd: number): void {
    this.disconnect();
    this.unsaid = "";
    this.channel = BackendChannel.over(fd, this.type?.id ?? 0);
    this.context.epoll.add(fd, EPOLLIN, () => this.serve());
  }

  /** Whether there is a channel. */
  get isConnected(): boolean {
    return this.channel !== null;
  }

  /** Tells that the configuration space has changed; returns whether the front-end will hear of it. */
  configChanged(): boolean {
    return this.channel?.configChanged() ?? false;
  }

  ask(question: AskMap | AskUnmap): void {
    this.say();
    this.waiting.push(question);
    if (this.isStalled) this.giveUp();
    else this.next();
  }

  /** The ring stops. What was not asked yet is not asked now; the front-end may be waiting for us and answer nothing. */
  pause(): void {
    if (this.isPaused) return;
    // An answer that is there starts nothing new, which might come behind the front-end's reset.
    this.isPaused = true;
    this.serve();
    if (this.task !== null) this.abandon(this.task);
    this.giveUp();
  }

  resume(): void {
    this.isPaused = false;
    this.next();
  }

  /** The driver starts from nothing, and the front-end has unmapped everything: "across device reset". */
  reset(): void {
    this.pause();
    for (const question of this.waiting.splice(0)) this.drop(question);
    this.ranges.clear();
    // Asked before the reset, it may be done after it.
    if (this.task !== null) this.ranges.add(this.task.mapping);
  }

  /** Whoever has asked is gone, and what was mapped is nobody's any more: it is taken back. */
  forsake(): void {
    for (const question of this.waiting.splice(0)) this.drop(question);
    if (this.task !== null) this.abandon(this.task);
    for (const { name, offset, stage } of this.ranges.all())
      if (stage === "mapped") this.waiting.push({ type: "ask-unmapping", token: 0, name, offset });
    this.next();
  }

  close(): void {
    this.disconnect();
    this.ranges.clear();
  }

  /** Takes the answers that are there. */
  private serve(): void {
    for (;;) {
      const { channel } = this;
      if (channel === null) return;
      let answer: Verdict;
      try {
        answer = channel.read();
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        return this.lose(`answered wrongly: ${error.message}`);
      }
      if (answer === "wait") return;
      if (answer === "closed") return this.lose("has closed the channel for it");
      this.finish(answer);
    }
  }

  private finish(answer: "done" | "refused"): void {
    const task = this.task!;
    const { mapping, isMap, isAbandoned } = task;
    if (answer === "refused") {
      const what = isMap ? "map" : "unmap";
      return this.lose(`refused to ${what} ${mapping.bytes} bytes at 0x${mapping.offset.toString(16)}`);
    }
    this.endTask();
    if (!isMap) this.ranges.remove(mapping);
    else mapping.stage = "mapped";
    if (!isAbandoned) this.tell(task, isMap ? "mapped" : "unmapped");
    // Nobody knows of it.
    if (isAbandoned && isMap) this.start({ mapping, isMap: false, token: 0, isAbandoned: false });
    else this.next();
  }

  /** Asks for what waits, until the front-end has something to do. */
  private next(): void {
    while (this.task === null && !this.isPaused) {
      const question = this.waiting.shift();
      if (question === undefined) return;
      if (question.type === "ask-mapping") this.map(question);
      else this.unmap(question);
    }
  }

  private map(question: AskMap): void {
    const { token, name, offset, bytes, fd, fdOffset } = question;
    const other = this.ranges.overlapping(offset, bytes);
    // Whoever asks has checked that it lies in the window; but what runs a guest's commands need not be trusted.
    if (other !== undefined || this.channel === null || !this.isInWindow(offset, bytes)) {
      const outcome = other === undefined || other.stage === "lost" ? "failed" : "taken";
      return this.drop(question, outcome);
    }
    if (this.ranges.count >= this.mappingsMax) return this.drop(question, "full");
    const mapping: Mapping = { name, offset, bytes, stage: "asked" };
    this.ranges.add(mapping);
    this.start({ mapping, isMap: true, token, isAbandoned: false }, fd, fdOffset);
    // The message has a descriptor of its own.
    closeFd(fd);
  }

  private isInWindow(offset: number, bytes: number): boolean {
    return offset % pageBytes === 0 && bytes % pageBytes === 0 && offset + bytes <= this.windowBytes;
  }

  private unmap(question: AskUnmap): void {
    const mapping = this.ranges.at(question.offset);
    // Another's may lie where a map was refused.
    if (mapping?.name !== question.name || mapping.stage !== "mapped" || this.channel === null) {
      return this.drop(question);
    }
    this.start({ mapping, isMap: false, token: question.token, isAbandoned: false });
  }

  private start(task: Task, fd = -1, fdOffset = 0): void {
    const { mapping, isMap } = task;
    const channel = this.channel!;
    const isAsked = isMap ? channel.map(mapping, fd, fdOffset) : channel.unmap(mapping);
    this.task = task;
    if (!isAsked) return this.lose("does not read the channel for it");
    const limitMs = this.context.config.hostMemoryTimeoutMs;
    this.cancelLimit = this.context.timers.after(limitMs, () => this.late(task, limitMs));
  }

  /** The front-end may still do it: what is there then is unmapped, and until then nothing else is asked. */
  private late(task: Task, limitMs: number): void {
    const { mapping, isMap } = task;
    this.context.log.limited("warning", () => {
      const where = `${mapping.bytes} bytes at 0x${mapping.offset.toString(16)}`;
      return `the front-end has not ${isMap ? "mapped" : "unmapped"} ${where} of host memory in ${limitMs} ms: nothing is mapped until it has`;
    });
    this.isStalled = true;
    this.abandon(task);
    this.giveUp();
  }

  private endTask(): void {
    this.task = null;
    this.isStalled = false;
    this.cancelLimit();
  }

  private abandon(task: Task): void {
    if (task.isAbandoned) return;
    task.isAbandoned = true;
    task.mapping.stage = "lost";
    this.tell(task, "failed");
  }

  /** Answers all that waits. What is to be unmapped still has to be. */
  private giveUp(): void {
    const kept: AskUnmap[] = [];
    for (const question of this.waiting.splice(0)) {
      const isWanted = question.type === "ask-unmapping" && this.channel !== null;
      if (question.token > 0 || !isWanted) this.drop(question);
      if (isWanted) kept.push({ ...question, token: 0 });
    }
    this.waiting.push(...kept);
  }

  /** The channel is gone, and with it all knowledge of what is mapped: nothing is put there any more. */
  private lose(how: string): void {
    this.unsaid = `the front-end ${how}: no host memory is mapped any more, and the guest's ${this.lossOf()}`;
    // A VMM that ends closes this channel first.
    const isEnd = this.task === null;
    this.disconnect();
    if (!isEnd) this.say();
    for (const mapping of this.ranges.all()) mapping.stage = "lost";
    if (this.type !== null) this.context.send(this.type.queue, { type: "mappings-lost" });
  }

  private say(): void {
    const line = this.unsaid;
    this.unsaid = "";
    if (line !== "") this.context.log.limited("warning", () => line);
  }

  private lossOf(): string {
    const { count, bytes } = this.ranges;
    return count === 0 ? "mappings to come fail" : `${count} mappings, ${bytes} bytes, cannot be taken back`;
  }

  private disconnect(): void {
    const { channel, task } = this;
    this.channel = null;
    this.endTask();
    if (task !== null) this.abandon(task);
    this.giveUp();
    if (channel === null) return;
    this.context.epoll.remove(channel.fd);
    channel.close();
  }

  private drop(question: AskMap | AskUnmap, outcome: Outcome = "failed"): void {
    if (question.type === "ask-mapping") closeFd(question.fd);
    this.tell({ token: question.token, isMap: question.type === "ask-mapping" }, outcome);
  }

  private tell({ token, isMap }: Pick<Task, "token" | "isMap">, outcome: Outcome | "unmapped"): void {
    // 0 is a task of our own.
    if (token === 0) return;
    const { queue } = this.type!;
    if (outcome === "unmapped") this.context.send(queue, { type: "unmapping", token, isDone: true });
    else if (isMap) this.context.send(queue, { type: "mapping", token, outcome });
    else this.context.send(queue, { type: "unmapping", token, isDone: false });
  }
}
